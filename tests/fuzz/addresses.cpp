// Any text as an address of the server: what is accepted comes back from the text it is written as,
// and no link of it can be anything but a link to that server.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/types/address.h"
#include "tests/fuzz/support/input.h"

namespace {

using parsec::protocol::BackendAddress;

bool is_one_word(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '<'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parsec::testing::Input input{data, size};
  const auto text = input.until('\n');
  const auto header = input.rest();
  const auto address = BackendAddress::parse(text);
  if (!address) {
    assert(!address.error().empty());
    return 0;
  }
  const auto again = BackendAddress::parse(address->text());
  assert(again && again->host == address->host && again->port == address->port &&
         again->tls == address->tls);

  assert(is_one_word(address->text()));
  const auto link = address->bootstrap_link("CoolOrg\xC3\xA9", "0123abcd");
  assert(is_one_word(link) && link.starts_with("parsec://" + address->authority() + "/CoolOrg%"));
  assert(address->redirect_link("Org", "claim_user", "a").find(address->authority()) != link.npos);
  assert(address->https_origin().starts_with("https://" + address->host));

  assert(address->is_named_by(address->host) && address->is_named_by(address->authority()));
  if (address->is_named_by(header)) assert(header.size() >= address->host.size());
  return 0;
}
