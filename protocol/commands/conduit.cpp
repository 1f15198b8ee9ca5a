// The claim conduit (protocol/5-invite.md §5.3): a rendezvous of greeter and claimer over an
// invitation's row.
//
// Each of the twelve commands is one exchange of payloads with the peer, or two in a row. An
// exchange stores its own payload (Talk), then looks again (Listen) whenever something happened to
// the invitation: it hears of that from before the first Talk on, so nothing is missed; and after a
// gap in what it hears it looks, too. What it finds decides, never what it heard.
#include <sodium.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "db/functions/invite.h"
#include "protocol/commands/commands.h"
#include "protocol/events/notification.h"

namespace parsec::protocol::commands {

namespace {

using db::functions::ConduitColumns;
using Octets = std::vector<std::byte>;

// Constants of the contract, and of the database's type.
constexpr const char* wait_peers = "1_WAIT_PEERS";
constexpr const char* claimer_hashed_nonce = "2_1_CLAIMER_HASHED_NONCE";
constexpr const char* greeter_nonce = "2_2_GREETER_NONCE";
constexpr const char* claimer_nonce = "2_3_CLAIMER_NONCE";
constexpr const char* claimer_trust = "3_1_CLAIMER_TRUST";
constexpr const char* greeter_trust = "3_2_GREETER_TRUST";
constexpr const char* communicate = "4_COMMUNICATE";

/// A command but for what it sends.
struct Plan {
  std::array<const char*, 2> states;  // of its exchanges; null: only one
  const char* reply_field = nullptr;  // holds the peer's last payload; null: not told
};

using Digest = std::array<std::byte, crypto_hash_sha256_BYTES>;

Digest digest_of(Bytes payload) {
  Digest digest;
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                     reinterpret_cast<const unsigned char*>(payload.data()), payload.size());
  return digest;
}

db::functions::ConduitSide side_of(const Session& session, const Uuid& token) {
  const bool is_claimer = session.identity().kind == ConnectionKind::invited;
  return {.organization_id = session.organization_id(),
          .device_id = is_claimer ? std::nullopt : std::optional{session.device_id()},
          .token = token};
}

Notification conduit_updated(const Session& session, const Uuid& token) {
  Notification notification("invite.conduit_updated", 2);
  notification.key("organization_id").str(session.organization_id());
  notification.key("token").uuid(token);
  return notification;
}

db::Request& talk(Session& session, const Uuid& token, const char* state, Bytes payload) {
  auto& call = session.new_call();
  db::functions::conduit_talk(call, side_of(session, token), state, payload,
                              conduit_updated(session, token).bytes());
  return call;
}

/// What an exchange has said, and seen, until now.
struct Said {
  Digest own;
  std::optional<Octets> seen;  // the peer's payload, if we talked second
  std::optional<Digest> seen_digest;
};

Said said(const Digest& own, const db::Rows& talked) {
  Said now{.own = own, .seen = {}, .seen_digest = {}};
  if (!talked.is_null(0, ConduitColumns::peer_payload)) {
    const auto seen = talked.bytes(0, ConduitColumns::peer_payload);
    now.seen.emplace(seen.begin(), seen.end());
    now.seen_digest = digest_of(seen);
  }
  return now;
}

db::Request& listen(Session& session, const Uuid& token, const char* state, const Said& before) {
  auto& call = session.new_call();
  std::optional<Bytes> seen;
  if (before.seen_digest) seen = *before.seen_digest;
  db::functions::conduit_listen(call, side_of(session, token), state, before.own, seen,
                                conduit_updated(session, token).bytes());
  return call;
}

/// Neither done nor waiting.
void refuse(Session& session, std::string_view status) {
  if (status != "deleted") return session.reply_error(status);
  if (session.identity().kind == ConnectionKind::invited) {
    return session.end(CloseCode::normal, EndReason::invitation_deleted);
  }
  session.reply_error("already_deleted");
}

void reply_with(Session& session, const Plan& plan, Bytes peer_payload) {
  if (plan.reply_field == nullptr) {
    session.reply_ok();
    return;
  }
  Reply reply = session.reply_ok(1, 64 + peer_payload.size());
  reply.key(plan.reply_field).bin(peer_payload);
}

/// payload: of the first exchange; that of the second is always empty.
Command converse(Session& session, Plan plan, Uuid token, Octets payload) {
  session.listen(topic<InviteConduitUpdated, InviteStatusChanged>(token_subject(token)));
  for (std::size_t i = 0;; ++i) {
    const char* const state = plan.states[i];
    const bool is_last = i + 1 == plan.states.size() || plan.states[i + 1] == nullptr;
    const Digest own = digest_of(payload);
    auto& talking = talk(session, token, state, payload);
    payload = {};
    const db::Rows talked = co_await session.execute(talking);
    if (talked.status() != "ok") co_return refuse(session, talked.status());

    const Said before = said(own, talked);
    for (;;) {
      const TopicEvent next = co_await session.next_topic_event();
      static_cast<void>(next);  // an event or a gap: either way, look
      const db::Rows heard = co_await session.execute(listen(session, token, state, before));
      if (heard.status() == "waiting") continue;
      if (heard.status() != "ok") co_return refuse(session, heard.status());
      if (!is_last) break;
      const auto peer =
          before.seen ? Bytes{*before.seen} : heard.bytes(0, ConduitColumns::peer_payload);
      co_return reply_with(session, plan, peer);
    }
  }
}

Uuid claimed(const Session& session) { return *session.identity().token; }

Octets copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

Command refuse_fields(Session& session, Fields fields) {
  session.reply_bad_message(fields);
  co_return;
}

/// A claimer's command that sends a field.
template <typename Type>
Command claimer_sends(Session& session, Fields fields, const char* name, Plan plan) {
  const auto payload = fields.required<Type>(name);
  if (!fields.valid()) return refuse_fields(session, std::move(fields));
  return converse(session, plan, claimed(session), copy(payload));
}

/// The same of the greeter, who names the invitation.
template <typename Type>
Command greeter_sends(Session& session, Fields fields, const char* name, Plan plan) {
  const auto token = fields.required<field::Uuid>("token");
  const auto payload = fields.required<Type>(name);
  if (!fields.valid()) return refuse_fields(session, std::move(fields));
  return converse(session, plan, token, copy(payload));
}

/// A greeter's command that sends nothing, which is an empty payload.
Command greeter_waits(Session& session, Fields fields, Plan plan) {
  const auto token = fields.required<field::Uuid>("token");
  if (!fields.valid()) return refuse_fields(session, std::move(fields));
  return converse(session, plan, token, {});
}

}  // namespace

Command invite_1_claimer_wait_peer(Session& session, Fields fields) {
  return claimer_sends<field::Key>(session, std::move(fields), "claimer_public_key",
                                   {{wait_peers}, "greeter_public_key"});
}

Command invite_1_greeter_wait_peer(Session& session, Fields fields) {
  return greeter_sends<field::Key>(session, std::move(fields), "greeter_public_key",
                                   {{wait_peers}, "claimer_public_key"});
}

Command invite_2a_claimer_send_hashed_nonce(Session& session, Fields fields) {
  return claimer_sends<field::Binary>(session, std::move(fields), "claimer_hashed_nonce",
                                      {{claimer_hashed_nonce, greeter_nonce}, "greeter_nonce"});
}

Command invite_2a_greeter_get_hashed_nonce(Session& session, Fields fields) {
  return greeter_waits(session, std::move(fields),
                       {{claimer_hashed_nonce}, "claimer_hashed_nonce"});
}

Command invite_2b_greeter_send_nonce(Session& session, Fields fields) {
  return greeter_sends<field::Binary>(session, std::move(fields), "greeter_nonce",
                                      {{greeter_nonce, claimer_nonce}, "claimer_nonce"});
}

Command invite_2b_claimer_send_nonce(Session& session, Fields fields) {
  return claimer_sends<field::Binary>(session, std::move(fields), "claimer_nonce",
                                      {{claimer_nonce}});
}

Command invite_3a_claimer_signify_trust(Session& session, Fields) {
  return converse(session, {{claimer_trust}}, claimed(session), {});
}

Command invite_3a_greeter_wait_peer_trust(Session& session, Fields fields) {
  return greeter_waits(session, std::move(fields), {{claimer_trust}});
}

Command invite_3b_greeter_signify_trust(Session& session, Fields fields) {
  return greeter_waits(session, std::move(fields), {{greeter_trust}});
}

Command invite_3b_claimer_wait_peer_trust(Session& session, Fields) {
  return converse(session, {{greeter_trust}}, claimed(session), {});
}

Command invite_4_greeter_communicate(Session& session, Fields fields) {
  return greeter_sends<field::Binary>(session, std::move(fields), "payload",
                                      {{communicate}, "payload"});
}

Command invite_4_claimer_communicate(Session& session, Fields fields) {
  return claimer_sends<field::Binary>(session, std::move(fields), "payload",
                                      {{communicate}, "payload"});
}

}  // namespace parsec::protocol::commands
