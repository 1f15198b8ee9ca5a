#include "protocol/handshake.h"

#include <cstring>
#include <optional>
#include <string>

#include <sodium.h>

#include "db/functions/handshake.h"
#include "engine/log.h"
#include "protocol/fields.h"
#include "protocol/msgpack_reader.h"
#include "protocol/reply.h"
#include "protocol/service.h"

namespace parsec::protocol {

namespace {

constexpr std::string_view invalid_information = "Invalid handshake information";
constexpr std::string_view expired = "Trial organization has expired";

struct AnswerKind {
  std::int64_t version;
  std::string_view type;
  ConnectionKind kind;
};
// 2-handshake.md §2.2
constexpr AnswerKind answer_kinds[] = {
    {2, "AUTHENTICATED", ConnectionKind::authenticated},
    {2, "INVITED", ConnectionKind::invited},
    {1, "authenticated", ConnectionKind::authenticated_v1},
    {1, "anonymous", ConnectionKind::anonymous},
    {1, "administration", ConnectionKind::administration},
};

std::optional<ConnectionKind> kind_of(std::int64_t version, std::string_view type) {
  for (const auto& kind : answer_kinds) {
    if (kind.version == version && kind.type == type) return kind.kind;
  }
  return std::nullopt;
}

bool is_supported(std::int64_t version) {
  for (const auto& supported : supported_api_versions) {
    if (supported.version == version) return true;
  }
  return false;
}

std::optional<ApiVersion> read_version(Fields& fields) {
  const auto version = fields.required<field::List>("client_api_version");
  if (!fields.valid() || version.count() != 2) return std::nullopt;
  auto items = version.items();
  const auto number = *items.next();
  const auto revision = *items.next();
  if (number.kind() != msgpack::Kind::integer || revision.kind() != msgpack::Kind::integer) {
    return std::nullopt;
  }
  return ApiVersion{number.integer(), revision.integer()};
}

std::string no_overlap(const ApiVersion& client) {
  std::string servers;
  for (const auto& version : supported_api_versions) {
    if (!servers.empty()) servers += ", ";
    servers += std::to_string(version.version) + "." + std::to_string(version.revision);
  }
  return "No overlap between client API versions {" + std::to_string(client.version) + "." +
         std::to_string(client.revision) + "} and backend API versions {" + servers + "}";
}

bool same_key(Bytes key, Bytes other) {
  return key.size() == other.size() && std::memcmp(key.data(), other.data(), key.size()) == 0;
}

/// In constant time, whatever the lengths: a digest of each is compared.
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

/// Everything that an authenticated answer says, kept while the database is asked.
struct AuthenticatedAnswer {
  std::string organization_id;
  std::string device_id;
  VerifyKey rvk{};
  std::vector<std::byte> signed_challenge;
};

/// The device key that a stored certificate holds, and what stands for it when the device is not
/// known: the signature is checked all the same, so that the clock tells a stranger nothing.
VerifyKey device_key(Bytes device_certificate) {
  if (const auto certificate = unverified_load<DeviceCertificate>(device_certificate)) {
    return certificate->verify_key;
  }
  static constexpr VerifyKey nobody{std::byte{0xd7}, std::byte{0x5a}, std::byte{0x98}};
  return nobody;
}

/// 2-handshake.md §2.2, AUTHENTICATED, in its order. nullptr help: accepted.
struct Refusal {
  std::string_view result;
  std::string_view help;
};

std::optional<Refusal> check_authenticated(const db::Rows& rows, const AuthenticatedAnswer& answer,
                                           const Challenge& challenge, const VerifyKey& key) {
  const auto content = verify_signed(answer.signed_challenge, key);
  if (rows.status() != "ok") return Refusal{"bad_identity", invalid_information};
  if (!content) return Refusal{"bad_protocol", "Invalid answer signature"};
  if (!same_key(*content, challenge)) return Refusal{"bad_protocol", "Invalid returned challenge"};
  const db::functions::HandshakeAuthenticated found{rows};
  if (!same_key(found.root_verify_key(), answer.rvk)) {
    return Refusal{"rvk_mismatch",
                   "Root verify key for organization differs between client and server"};
  }
  if (found.expired()) return Refusal{"organization_expired", expired};
  if (found.revoked()) return Refusal{"revoked_device", "Device has been revoked"};
  return std::nullopt;
}

}  // namespace

}  // namespace parsec::protocol
