// Keys and certificates as clients make them (protocol/3-types.md §3.3): signature ‖
// zlib(msgpack(map)).
//
// Each builder gives the content of a valid certificate; `changes` replace, add or (omitted) remove
// fields of it, so that a test spoils exactly one thing. An independent counterpart of
// protocol/types/certificates.h: nothing is shared but the msgpack writer.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/document.h"

namespace parsec::testing {

/// An Ed25519 key pair.
class SigningKey {
 public:
  SigningKey();                             // random
  explicit SigningKey(const Octets& seed);  // of 32 octets

  const Octets& verify_key() const { return verify_key_; }
  /// libsodium's combined mode: signature ‖ message.
  Octets sign(const Octets& message) const;
  /// A certificate with that content, signed.
  Octets certify(const Map& content) const;

 private:
  Octets secret_;
  Octets verify_key_;
};

Octets deflated(std::string_view bytes);

// The content of each kind of certificate. author: a device ID, or null for the root key.
Map user_content(const Document& author, DateTime timestamp, std::string_view user_id,
                 std::string_view profile, const Document& human_handle, const Octets& public_key);
Map device_content(const Document& author, DateTime timestamp, std::string_view device_id,
                   const Document& label, const Octets& verify_key);
Map revocation_content(const Document& author, DateTime timestamp, std::string_view user_id);
Map role_content(const Document& author, DateTime timestamp, Uuid realm_id,
                 std::string_view user_id, const Document& role);

}  // namespace parsec::testing
