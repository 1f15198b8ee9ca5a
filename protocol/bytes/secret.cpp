#include "protocol/bytes/secret.h"

#include <sodium.h>

#include <array>

namespace parsec::protocol {

bool same_secret(std::string_view left, std::string_view right) {
  std::array<unsigned char, crypto_generichash_BYTES> left_digest, right_digest;
  const auto digest = [](std::string_view text, auto& out) {
    crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size(), nullptr, 0);
  };
  digest(left, left_digest);
  digest(right, right_digest);
  return sodium_memcmp(left_digest.data(), right_digest.data(), left_digest.size()) == 0;
}

}  // namespace parsec::protocol
