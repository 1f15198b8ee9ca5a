// Any bytes as a request head: what is accepted is answered with a response that nothing of the
// request can change but where it should.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/http/http_request.h"
#include "protocol/pages/pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace http = parsec::http;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  const auto head_size = http::head_size(bytes);
  assert(head_size <= size);
  for (const std::size_t searched :
       {std::size_t{1}, head_size / 2, head_size == 0 ? 0 : head_size - 1}) {
    assert(http::head_size(bytes, searched) == head_size);
  }
  if (head_size == 0) return 0;
  const auto request = http::parse_request(bytes.substr(0, head_size));
  if (!request) {
    assert(request.error() == 400 || request.error() == 411);
    return 0;
  }
  http::upgrade_of(*request);

  static const parsec::protocol::Pages pages{
      parsec::protocol::BackendAddress{"example.com", 80, false}, "parsec"};
  parsec::engine::OutputBuffer out;
  pages.answer(out, *request, {0});
  const auto answer = parsec::as_text(out.bytes());
  const auto head = answer.substr(0, answer.find("\r\n\r\n") + 2);
  const auto lines = std::ranges::count(head, '\n');
  assert(lines == 6 + (head.contains("\r\nlocation: ") || head.contains("\r\nallow: ") ? 1 : 0));
  assert(std::ranges::count(head, '\r') == lines);
  return 0;
}
