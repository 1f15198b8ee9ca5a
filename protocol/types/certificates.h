// Signed certificates (protocol/3-types.md §3.3): verify and load.
//
// Wire form: Ed25519 signature (64 bytes) ‖ zlib(msgpack(map)). Any thread; no shared state.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/types.h"
#include "protocol/types/identifiers.h"

namespace parsec::protocol {

using VerifyKey = std::array<std::byte, 32>;

struct UserCertificate {
  std::optional<std::string> author;  // null: signed by the root key
  DateTime timestamp;
  std::string user_id;
  std::optional<HumanHandle> human_handle;  // null: redacted, or a user without one
  std::array<std::byte, 32> public_key;
  Profile profile;
};

struct DeviceCertificate {
  std::optional<std::string> author;
  DateTime timestamp;
  std::string device_id;
  std::optional<std::string> device_label;
  VerifyKey verify_key;
};

struct RevokedUserCertificate {
  std::string author;
  DateTime timestamp;
  std::string user_id;
};

struct RealmRoleCertificate {
  std::string author;
  DateTime timestamp;
  Uuid realm_id;
  std::string user_id;
  std::optional<Role> role;  // null: access removed
};

/// Why a certificate was refused: the <detail> of `Invalid certification data (<detail>).`
struct CertificateError {
  std::string detail;
};

/// Verifies with `key`, inflates (bounded), decodes, validates, and compares the author
/// (expected_author null: the root key). Never trusts a byte before the signature is good.
template <typename Certificate>
std::expected<Certificate, CertificateError> verify_and_load(
    Bytes certificate, const VerifyKey& key, std::optional<std::string_view> expected_author);

/// The content of a certificate without a look at its signature: of one that was verified before it
/// was stored.
template <typename Certificate>
std::expected<Certificate, CertificateError> unverified_load(Bytes certificate);

/// Same author, timestamp, ID, key and profile. What a redacted certificate leaves out (human
/// handle, label) is not compared: that it is absent there is a check of its own.
bool same_but_redacted(const UserCertificate& plain, const UserCertificate& redacted);
bool same_but_redacted(const DeviceCertificate& plain, const DeviceCertificate& redacted);

/// |timestamp − now| < 30 minutes (protocol/3-types.md §3.4).
bool in_the_ballpark(DateTime timestamp, DateTime now);

/// `signed_message` is signature ‖ message (libsodium's combined mode): the message, a view of it,
/// if `key` signed it.
std::optional<Bytes> verify_signed(Bytes signed_message, const VerifyKey& key);

}  // namespace parsec::protocol
