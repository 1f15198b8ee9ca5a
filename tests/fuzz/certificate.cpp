// Any bytes as the content of a certificate, behind a good signature: as they are, and as what the
// compressed content holds.
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/types/certificates.h"
#include "tests/protocol/signing.h"

namespace {

void load(const std::string& content) {
  using namespace parsec::protocol;
  const std::string certificate = std::string(64, '\0') + content;
  const auto bytes = parsec::as_bytes(certificate);
  unverified_load<UserCertificate>(bytes);
  unverified_load<DeviceCertificate>(bytes);
  unverified_load<RevokedUserCertificate>(bytes);
  unverified_load<RealmRoleCertificate>(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes{reinterpret_cast<const char*>(data), size};
  load(bytes);
  load(parsec::testing_support::compress(bytes));
  return 0;
}
