// Makes certificates as clients do: signature ‖ zlib(msgpack(map)).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/certificates.h"

namespace parsec::testing_support {

std::string compress(std::string_view text);

/// An Ed25519 key pair.
class SigningKey {
 public:
  SigningKey();
  const protocol::VerifyKey& verify_key() const { return verify_key_; }
  /// signature ‖ message
  std::string sign(std::string_view message) const;

 private:
  protocol::VerifyKey verify_key_{};
  std::array<std::byte, 64> secret_key_{};
};

/// The content of a certificate: each field by name, and how its value is written.
using Content = std::map<std::string, std::function<void(msgpack::Writer&)>>;

std::string pack(const Content& content);
inline std::string certify(const SigningKey& key, const Content& content) {
  return key.sign(compress(pack(content)));
}

}  // namespace parsec::testing_support
