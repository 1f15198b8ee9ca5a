// Invitations (protocol/5-invite.md §5.1, §5.2). The conduit over one: conduit.cpp.
#include <optional>
#include <string>
#include <string_view>

#include "db/functions/invite.h"
#include "protocol/bytes/random.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/refusals.h"
#include "protocol/session/long_reply.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

namespace {

constexpr std::size_t max_email_bytes = 254;

/// Every text of an invitation is one of few: kept as a constant of its own, so that it outlives
/// the request.
std::optional<std::string_view> parse_deletion_reason(std::string_view text) {
  for (const std::string_view reason : {"FINISHED", "CANCELLED", "ROTTEN"}) {
    if (text == reason) return reason;
  }
  return std::nullopt;
}

Uuid new_token() {
  Uuid token;
  fill_random(token.bytes);
  // A random UUID (RFC 4122 §4.4).
  token.bytes[6] = (token.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  token.bytes[8] = (token.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return token;
}

std::string take_email(Fields& fields) {
  constexpr std::string_view name = "claimer_email";
  const auto email = fields.required<field::String>(name);
  if (!fields.valid()) return {};
  if (email.empty()) fields.fail(name, "Shorter than minimum length 1.");
  if (email.size() > max_email_bytes) fields.fail(name, "Longer than maximum length 254.");
  // PostgreSQL's text has no place for it.
  if (email.find('\0') != email.npos) fields.fail(name, "Not a valid string.");
  return std::string{email};
}

/// The type of a new invitation; nullopt, and noted: missing or unknown.
std::optional<std::string_view> take_type(Fields& fields) {
  const auto value = fields.map().find("type");
  if (!value || value->is_nil()) {
    fields.fail("type", Fields::missing);
    return std::nullopt;
  }
  const std::string_view given = value->kind() == msgpack::Kind::str ? value->str() : "?";
  for (const std::string_view type : {"USER", "DEVICE"}) {
    if (given == type) return type;
  }
  fields.fail("type", std::string{"Unsupported value: "}.append(given));
  return std::nullopt;
}

std::optional<HumanHandle> human_of(const db::Rows& rows, int email, int label) {
  if (rows.is_null(0, email)) return std::nullopt;
  return HumanHandle{std::string{rows.text(0, email)}, std::string{rows.text(0, label)}};
}

}  // namespace

Command invite_new(Session& session, Fields fields) {
  using Columns = db::functions::InviteNewColumns;
  const auto type = take_type(fields);
  if (!type) co_return session.reply_bad_message(fields);
  const bool is_user = *type == "USER";
  const std::string claimer_email = is_user ? take_email(fields) : std::string{};
  const bool send_email = fields.required<field::Boolean>("send_email");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (is_user && session.identity().profile != Profile::admin) {
    co_return session.reply_error("not_allowed");
  }

  InvitationKey key{std::string{session.organization_id()}, new_token()};
  db::functions::NewInvitation invitation{.type = *type, .claimer_email = {}, .token = key.token};
  if (is_user) invitation.claimer_email = claimer_email;
  invitation.needs_human = !is_user && send_email;
  auto& call = session.new_call();
  db::functions::invite_new(call, author_of(session), invitation,
                            invite_status_changed(key, session.user_id(), "IDLE").bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error(rows.status());
  key.token = rows.uuid(0, Columns::token);
  const bool is_new = rows.boolean(0, Columns::is_new);
  const auto human = human_of(rows, Columns::human_email, Columns::human_label);

  if (!is_new) {
    auto& announcing = session.new_call();
    const auto status = session.service().presence().status(key);
    db::functions::invite_announce(announcing, session.organization_id(), key.token,
                                   invite_status_changed(key, session.user_id(), status).bytes());
    co_await session.execute(announcing);
  }
  if (send_email) {
    session.service().outbox().send_invitation(
        {.kind = is_user ? InvitationMail::Kind::user : InvitationMail::Kind::device,
         .organization_id = key.organization_id,
         .token = key.token,
         .recipient = is_user ? claimer_email : human->email,
         .greeter_user_id = std::string{session.user_id()},
         .greeter = human});
  }
  Reply reply = session.reply_ok(1);
  reply.key("token").uuid(key.token);
}

Command invite_delete(Session& session, Fields fields) {
  const auto token = fields.required<field::Uuid>("token");
  const auto reason = fields.required<field::Enum<parse_deletion_reason>>("reason");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const InvitationKey key{std::string{session.organization_id()}, token};
  // A claimer on another server may not have its last answer yet: a 2.0 server reads the conduit
  // some milliseconds after it heard of a change, and cuts the claimer off when the invitation is
  // deleted by then. A claimer that has what it came for leaves.
  if (reason == "FINISHED") {
    constexpr std::chrono::milliseconds step{10};
    auto left = session.service().settings().finished_claimer_time;
    for (; left > step && session.service().presence().is_ready_elsewhere(key); left -= step) {
      co_await session.pause(step);
    }
  }
  auto& call = session.new_call();
  db::functions::invite_delete(call, author_of(session), token, reason,
                               invite_status_changed(key, session.user_id(), "DELETED").bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "deleted") co_return session.reply_error("already_deleted");
  if (rows.status() != "ok") co_return session.reply_error(rows.status());
  session.reply_ok();
}

Command invite_list(Session& session, Fields) {
  using Columns = db::functions::InviteListColumns;
  auto& call = session.new_call();
  db::functions::invite_list(call, author_of(session));
  const db::Rows rows = co_await session.execute(call);

  const auto& presence = session.service().presence();
  InvitationKey key{std::string{session.organization_id()}, {}};
  LongReply reply{session, 1, 0};
  auto& invitations = reply.key("invitations");
  invitations.array(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    const bool is_user = !rows.is_null(row, Columns::claimer_email);
    key.token = rows.uuid(row, Columns::token);
    invitations.map(is_user ? 5 : 4);
    reply.key("type").str(rows.text(row, Columns::type));
    reply.key("token").uuid(key.token);
    reply.key("created_on").datetime(rows.datetime(row, Columns::created_on));
    if (is_user) reply.key("claimer_email").str(rows.text(row, Columns::claimer_email));
    reply.key("status").str(presence.status(key));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.send();
}

Command invite_info(Session& session, Fields) {
  using Columns = db::functions::InviteInfoColumns;
  auto& call = session.new_call();
  db::functions::invite_info(call, session.organization_id(), *session.identity().token);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "deleted")
    co_return session.end(CloseCode::normal, EndReason::invitation_deleted);
  if (rows.status() != "ok") co_return session.reply_error(rows.status());

  const bool is_user = !rows.is_null(0, Columns::claimer_email);
  Reply reply = session.reply_ok(is_user ? 4 : 3);
  reply.key("type").str(rows.text(0, Columns::type));
  if (is_user) reply.key("claimer_email").str(rows.text(0, Columns::claimer_email));
  reply.key("greeter_user_id").str(rows.text(0, Columns::greeter));
  auto& human = reply.key("greeter_human_handle");
  if (rows.is_null(0, Columns::human_email)) {
    human.nil();
  } else {
    human.array(2);
    human.str(rows.text(0, Columns::human_email));
    human.str(rows.text(0, Columns::human_label));
  }
}

}  // namespace parsec::protocol::commands
