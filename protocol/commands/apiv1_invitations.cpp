// Users and devices by invitation (protocol/7-apiv1.md §7.3): the two families are one, but for
// names.
//
// Inviter and claimer wait for each other's events. Each listens before it does what the other one
// waits for, and forgets what had happened before: so it hears its peer, and nobody else's past.
#include <string>
#include <utility>
#include <vector>

#include "db/functions/apiv1_invitation.h"
#include "db/functions/device.h"
#include "protocol/commands/certificate_lists.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/new_user.h"
#include "protocol/events/notification.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

namespace {

using db::functions::Invited;

struct Family {
  Invited invited;
  const char* noun;
  const char* id;  // its name in events
  const char* claimed;
  const char* cancelled;
  const char* claim_timeout;
  const char* answer[2];  // what a claimer gets
};
constexpr Family users{
    .invited = Invited::user,
    .noun = "User",
    .id = "user_id",
    .claimed = "user.claimed",
    .cancelled = "user.invitation.cancelled",
    .claim_timeout = "Timeout while waiting for new user to be claimed.",
    .answer = {"user_certificate", "device_certificate"},
};
constexpr Family devices{
    .invited = Invited::device,
    .noun = "Device",
    .id = "device_id",
    .claimed = "device.claimed",
    .cancelled = "device.invitation.cancelled",
    .claim_timeout = "Timeout while waiting for new device to be claimed.",
    .answer = {"device_certificate", "encrypted_answer"},
};

/// Whom an authenticated command is about. Of devices: one of the author's own user.
std::string take_subject(const Session& session, Fields& fields, const Family& family) {
  if (family.invited == Invited::user) {
    return std::string{fields.required<field::UserId>("user_id")};
  }
  const auto name = fields.required<field::DeviceName>("invited_device_name");
  return std::string{session.user_id()}.append("@").append(name);
}

/// Whom an anonymous command is about.
std::string take_invited(Fields& fields, const Family& family) {
  return std::string{family.invited == Invited::user
                         ? fields.required<field::UserId>("invited_user_id")
                         : fields.required<field::DeviceId>("invited_device_id")};
}

bool needs_admin(const Session& session, const Family& family) {
  return family.invited == Invited::user && session.identity().profile != Profile::admin;
}

std::vector<std::byte> write_claimed(const Session& session, const Family& family,
                                     std::string_view invited_id, Bytes encrypted_claim) {
  Notification event(family.claimed, 3);
  event.key("organization_id").str(session.organization_id());
  event.key(family.id).str(invited_id);
  event.key("encrypted_claim").bin(encrypted_claim);
  return {event.bytes().begin(), event.bytes().end()};
}

void start_claim(Session& session, db::Request& call, const Family& family,
                 std::string_view invited_id, Bytes encrypted_claim) {
  auto event = write_claimed(session, family, invited_id, encrypted_claim);
  const bool is_whole = event.size() <= Notification::max_bytes && !encrypted_claim.empty();
  if (!is_whole) event = write_claimed(session, family, invited_id, {});
  db::functions::claim(call, session.organization_id(), family.invited, invited_id, event,
                       is_whole ? std::nullopt : std::optional{encrypted_claim});
}

// --- The inviter

void reply_only_admins(Session& session) {
  session.reply_error("not_allowed", "Only allowed for user with ADMIN profile.");
}

void reply_claim(Session& session, Bytes encrypted_claim) {
  Reply reply = session.reply_ok(1, 64 + encrypted_claim.size());
  reply.key("encrypted_claim").bin(encrypted_claim);
}

Command invite(Session& session, Fields fields, const Family& family) {
  if (needs_admin(session, family)) co_return reply_only_admins(session);
  const auto invited_id = take_subject(session, fields, family);
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  session.listen(topic<Claimed>(invited_id));
  co_await session.catch_up();
  auto& call = session.new_call();
  db::functions::invite(call, author_of(session), family.invited, invited_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "not_allowed") co_return reply_only_admins(session);
  if (rows.status() != "ok") {
    co_return session.reply_error(
        "already_exists", std::string{family.noun} + " `" + invited_id + "` already exists");
  }

  const TopicEvent next =
      co_await session.next_topic_event(session.service().settings().claim_timeout);
  if (next.kind == TopicEvent::Kind::gap) {
    co_return session.end(CloseCode::normal, EndReason::database);
  }
  if (next.kind == TopicEvent::Kind::timeout) {
    co_return session.reply_error("timeout", family.claim_timeout);
  }
  const auto& claimed = std::get<Claimed>((*next.event).content);
  if (!claimed.encrypted_claim.empty()) co_return reply_claim(session, claimed.encrypted_claim);
  auto& reading = session.new_call();
  db::functions::kept_claim(reading, session.organization_id(), invited_id);
  const db::Rows kept = co_await session.execute(reading);
  reply_claim(session, kept.bytes(0, db::functions::KeptClaimColumns::encrypted_claim));
}

Command cancel_invitation(Session& session, Fields fields, const Family& family) {
  if (needs_admin(session, family)) co_return reply_not_admin(session);
  const auto invited_id = take_subject(session, fields, family);
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  Notification cancelled(family.cancelled, 2);
  cancelled.key("organization_id").str(session.organization_id());
  cancelled.key(family.id).str(invited_id);
  auto& call = session.new_call();
  db::functions::cancel_invitation(call, author_of(session), family.invited, invited_id,
                                   cancelled.bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "not_allowed") co_return reply_not_admin(session);
  session.reply_ok();
}

// --- The invited

Command get_invitation_creator(Session& session, Fields fields, const Family& family) {
  const auto invited_id = take_invited(fields, family);
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::get_invitation_creator(call, session.organization_id(), family.invited,
                                        invited_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");
  using Columns = db::functions::InvitationCreatorColumns;
  LongReply reply{session, 3, 0};
  CertificateLists lists{reply, rows};
  while (lists.count()) co_await session.yield();
  reply.key("device_certificate").bin(rows.bytes(0, Columns::device_certificate));
  reply.key("user_certificate").bin(rows.bytes(0, Columns::user_certificate));
  reply.key("trustchain").map(CertificateLists::trustchain.size());
  for (const std::string_view list : CertificateLists::trustchain) {
    lists.begin(list, list);
    while (lists.write()) co_await session.yield();
  }
  reply.send();
}

/// What the claimer waits for: both values of the answer, empty if the event had no room for them.
struct Answer {
  Bytes first;
  Bytes second;
};
Answer answer_of(const Event::Content& content) {
  if (const auto* user = std::get_if<UserCreated>(&content)) {
    return {user->user_certificate, user->first_device_certificate};
  }
  const auto& device = std::get<DeviceCreated>(content);
  return {device.device_certificate, device.encrypted_answer};
}

/// Asks for an answer that the event had no room for: in columns 1 and 2.
void start_reading_answer(const Session& session, db::Request& call,
                          const Event::Content& content) {
  using user = db::functions::UserCreatedColumns;
  using device = db::functions::DeviceCreatedColumns;
  static_assert(user::user_certificate == 1 && user::device_certificate == 2);
  static_assert(device::device_certificate == 1 && device::encrypted_answer == 2);
  if (const auto* created = std::get_if<UserCreated>(&content)) {
    db::functions::user_created(call, session.organization_id(), created->first_device_id);
  } else {
    db::functions::device_created(call, session.organization_id(),
                                  std::get<DeviceCreated>(content).device_id);
  }
}

void reply_answer(Session& session, const Family& family, const Answer& answer) {
  Reply reply = session.reply_ok(2, 128 + answer.first.size() + answer.second.size());
  reply.key(family.answer[0]).bin(answer.first);
  reply.key(family.answer[1]).bin(answer.second);
}

Command claim(Session& session, Fields fields, const Family& family) {
  const auto invited_id = take_invited(fields, family);
  const auto claim_field = fields.required<field::Binary>("encrypted_claim");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  const std::vector<std::byte> encrypted_claim{claim_field.begin(), claim_field.end()};

  session.listen(family.invited == Invited::user
                     ? topic<UserCreated, InvitationCancelled>(invited_id)
                     : topic<DeviceCreated, InvitationCancelled>(invited_id));
  co_await session.catch_up();
  auto& call = session.new_call();
  start_claim(session, call, family, invited_id, encrypted_claim);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");

  const TopicEvent next =
      co_await session.next_topic_event(session.service().settings().claim_timeout);
  if (next.kind == TopicEvent::Kind::gap) {
    co_return session.end(CloseCode::normal, EndReason::database);
  }
  if (next.kind == TopicEvent::Kind::timeout) {
    co_return session.reply_error("timeout",
                                  "Timeout while waiting for invitation creator to answer.");
  }
  const auto& content = (*next.event).content;
  if (std::holds_alternative<InvitationCancelled>(content)) {
    co_return session.reply_error("denied", "Invitation creator rejected us.");
  }

  if (const auto answer = answer_of(content); !answer.first.empty()) {
    co_return reply_answer(session, family, answer);
  }
  auto& reading = session.new_call();
  start_reading_answer(session, reading, content);
  const db::Rows answer = co_await session.execute(reading);
  if (answer.status() != "ok") {  // it was deleted
    co_return session.end(CloseCode::internal_error, EndReason::error);
  }
  reply_answer(session, family, {answer.bytes(0, 1), answer.bytes(0, 2)});
}

}  // namespace

Command user_invite(Session& session, Fields fields) {
  return invite(session, std::move(fields), users);
}
Command user_cancel_invitation(Session& session, Fields fields) {
  return cancel_invitation(session, std::move(fields), users);
}
Command user_get_invitation_creator(Session& session, Fields fields) {
  return get_invitation_creator(session, std::move(fields), users);
}
Command user_claim(Session& session, Fields fields) {
  return claim(session, std::move(fields), users);
}

Command device_invite(Session& session, Fields fields) {
  return invite(session, std::move(fields), devices);
}
Command device_cancel_invitation(Session& session, Fields fields) {
  return cancel_invitation(session, std::move(fields), devices);
}
Command device_get_invitation_creator(Session& session, Fields fields) {
  return get_invitation_creator(session, std::move(fields), devices);
}
Command device_claim(Session& session, Fields fields) {
  return claim(session, std::move(fields), devices);
}

}  // namespace parsec::protocol::commands
