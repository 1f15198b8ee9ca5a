#include "protocol/session/handshake.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/functions/handshake.h"
#include "engine/host/log.h"
#include "protocol/bytes/secret.h"
#include "protocol/events/notification.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/session/dummy_certificate.h"
#include "protocol/session/service.h"
#include "protocol/types/fields.h"
#include "protocol/types/reply.h"

namespace parsec::protocol {

namespace {

using db::functions::HandshakeAnonymous;
using db::functions::HandshakeAuthenticated;
using db::functions::HandshakeInvited;

constexpr std::string_view invalid_information = "Invalid handshake information";
constexpr std::string_view invalid_params = "Invalid params";
constexpr std::string_view expired = "Trial organization has expired";
constexpr std::string_view other_root_key =
    "Root verify key for organization differs between client and server";

struct AnswerKind {
  std::int64_t version;
  std::string_view type;
  ConnectionKind kind;
};
// protocol/2-handshake.md §2.2
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

bool same_bytes(Bytes left, Bytes right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

/// Of an authenticated answer: what is compared once the database answered.
struct Proof {
  VerifyKey rvk{};
  std::vector<std::byte> signed_challenge;
};

struct Refusal {
  std::string_view result;
  std::string_view help;
};

/// The key in the stored certificate. Of an unknown device: nobody's.
VerifyKey key_of(const HandshakeAuthenticated& found) {
  const Bytes stored = found.known() ? found.device_certificate() : dummy_device_certificate();
  const auto certificate = unverified_load<DeviceCertificate>(stored);
  if (certificate) return certificate->verify_key;
  log::error("Stored certificate cannot be read", "a stored device certificate cannot be read: {}",
             log::field("reason", certificate.error().detail));
  return {};
}

/// protocol/2-handshake.md §2.2, AUTHENTICATED, in its order; nullopt: accepted.
std::optional<Refusal> check(const HandshakeAuthenticated& found, const VerifyKey& key,
                             const Proof& proof, const Challenge& challenge) {
  const auto content = verify_signed(proof.signed_challenge, key);
  if (!found.known()) return Refusal{"bad_identity", invalid_information};
  if (!content) return Refusal{"bad_protocol", "Invalid answer signature"};
  if (!same_bytes(*content, challenge)) {
    return Refusal{"bad_protocol", "Invalid returned challenge"};
  }
  if (!same_bytes(found.root_verify_key(), proof.rvk)) {
    return Refusal{"rvk_mismatch", other_root_key};
  }
  if (found.expired()) return Refusal{"organization_expired", expired};
  if (found.revoked()) return Refusal{"revoked_device", "Device has been revoked"};
  return std::nullopt;
}

/// Tells all servers, which drop the organization's connections, if they were not told just now.
db::Request& expiration_notice(Session& session) {
  Notification notification{"organization.expired", 1};
  notification.key("organization_id").str(session.organization_id());
  auto& call = session.new_call();
  db::functions::announce_expired(call, session.organization_id(), notification.bytes());
  return call;
}

Command authenticate(Session& session, ConnectionKind kind, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  const auto device_id = fields.required<field::DeviceId>("device_id");
  const auto rvk = fields.required<field::Key>("rvk");
  const auto answer = fields.required<field::Binary>("answer");
  if (!fields.valid()) co_return session.refuse("bad_protocol", invalid_params);

  Proof proof;
  std::memcpy(proof.rvk.data(), rvk.data(), proof.rvk.size());
  proof.signed_challenge.assign(answer.begin(), answer.end());
  // Revocation and expiration reach this connection from here on, so that one that commits after
  // the database was read is not missed.
  session.claim_identity(Identity{kind, organization_id, device_id});
  auto& call = session.new_call();
  db::functions::handshake_authenticated(call, session.organization_id(), session.device_id());
  const HandshakeAuthenticated found{co_await session.execute(call)};

  const auto key = key_of(found);
  const auto refusal = check(found, key, proof, session.challenge());
  if (!refusal) {
    const auto profile = parse_profile(found.profile()).value_or(Profile::standard);
    co_return session.accept(key, profile);
  }
  if (refusal->result == "organization_expired") {
    co_await session.execute(expiration_notice(session));
  }
  session.refuse(refusal->result, refusal->help);
}

Command join_invitation(Session& session, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  const auto token = fields.required<field::Uuid>("token");
  const std::string type{fields.required<field::String>("invitation_type")};
  if (!fields.valid() || (type != "USER" && type != "DEVICE")) {
    co_return session.refuse("bad_protocol", invalid_params);
  }
  session.claim_identity(Identity{ConnectionKind::invited, organization_id, {}, token});
  auto& call = session.new_call();
  db::functions::handshake_invited(call, session.organization_id(), token);
  const HandshakeInvited found{co_await session.execute(call)};
  if (!found.organization_known()) {
    co_return session.refuse("bad_identity", invalid_information);
  }
  if (found.expired()) {
    co_await session.execute(expiration_notice(session));
    co_return session.refuse("organization_expired", expired);
  }
  if (!found.known()) {
    co_return session.refuse("bad_identity", "Invalid handshake: Invitation not found");
  }
  if (found.deleted()) {
    co_return session.refuse("bad_identity", "Invalid handshake: Invitation already deleted");
  }
  if (found.type() != type) co_return session.refuse("bad_identity", invalid_information);
  co_await session.join(found.greeter());
  session.accept();
}

Command enter_anonymously(Session& session, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  const auto rvk = fields.optional<field::Key>("rvk");
  if (!fields.valid()) co_return session.refuse("bad_protocol", invalid_params);

  std::optional<VerifyKey> expected;
  if (rvk) std::memcpy(expected.emplace().data(), rvk->data(), rvk->size());
  session.claim_identity(Identity{ConnectionKind::anonymous, organization_id});
  auto& call = session.new_call();
  db::functions::handshake_anonymous(
      call, session.organization_id(),
      session.service().settings().spontaneous_organization_bootstrap);
  const HandshakeAnonymous found{co_await session.execute(call)};
  if (!found.known()) co_return session.refuse("bad_identity", invalid_information);
  if (found.expired()) {
    co_await session.execute(expiration_notice(session));
    co_return session.refuse("organization_expired", expired);
  }
  const auto stored = found.root_verify_key();
  if (expected && (!stored || !same_bytes(*stored, *expected))) {
    co_return session.refuse("rvk_mismatch", other_root_key);
  }
  session.accept();
}

Command administer(Session& session, Fields fields) {
  const auto token = fields.required<field::String>("token");
  if (!fields.valid()) co_return session.refuse("bad_protocol", invalid_params);
  const auto& expected = session.service().settings().administration_token;
  if (expected.empty() || !same_secret(token, expected)) {
    const auto& address = session.peer_address();
    const auto wrong =
        session.service().wrong_tokens().add(address, session.service().transport().now());
    log::warn("Wrong administration token", "a wrong administration token from {}, {} lately",
              log::field("peer", address), log::field("count", wrong.count));
    co_await session.pause(wrong.pause);
    co_return session.refuse("bad_admin_token", "Invalid administration token");
  }
  session.claim_identity(Identity{ConnectionKind::administration});
  session.accept();
}

Command refuse_answer(Session& session, std::string help) {
  session.refuse("bad_protocol", help);
  co_return;
}

}  // namespace

Command handshake(Session& session, Bytes answer) {
  const auto document = msgpack::parse(answer);
  if (!document || document->kind() != msgpack::Kind::map) {
    return refuse_answer(session, "Invalid message format");
  }
  Fields fields{*document};
  const auto step = fields.required<field::String>("handshake");
  const auto version = read_version(fields);
  const auto type = fields.required<field::String>("type");
  if (version) session.note_api_version(is_supported(version->version) ? version->version : 0);
  if (version && !is_supported(version->version)) {
    return refuse_answer(session, no_overlap(*version));
  }
  const auto kind = version ? kind_of(version->version, type) : std::nullopt;
  if (!fields.valid() || step != "answer" || !kind) {
    return refuse_answer(session, std::string{invalid_params});
  }
  switch (*kind) {
    case ConnectionKind::authenticated:
    case ConnectionKind::authenticated_v1:
      return authenticate(session, *kind, fields);
    case ConnectionKind::invited:
      return join_invitation(session, fields);
    case ConnectionKind::anonymous:
      return enter_anonymously(session, fields);
    case ConnectionKind::administration:
      return administer(session, fields);
  }
  return {};
}

void write_challenge(engine::OutputBuffer& out, const Challenge& challenge) {
  websocket::MessageWriter message{out};
  msgpack::Writer writer{out};
  writer.map(3);
  writer.str("handshake"), writer.str("challenge");
  writer.str("challenge"), writer.bin(challenge);
  writer.str("supported_api_versions"), writer.array(std::size(supported_api_versions));
  for (const auto& version : supported_api_versions) {
    writer.array(2), writer.integer(version.version), writer.integer(version.revision);
  }
}

void write_result(engine::OutputBuffer& out, std::string_view result, std::string_view help) {
  websocket::MessageWriter message{out};
  msgpack::Writer writer{out};
  writer.map(help.empty() ? 2 : 3);
  writer.str("handshake"), writer.str("result");
  writer.str("result"), writer.str(result);
  if (!help.empty()) writer.str("help"), writer.str(help);
}

}  // namespace parsec::protocol
