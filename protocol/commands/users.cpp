// Users (protocol/4-commands.md §4.4): user_get, human_find, user_create, user_revoke.
#include <string>

#include "db/functions/organization.h"
#include "db/functions/user.h"
#include "protocol/commands/certificate_lists.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/new_user.h"
#include "protocol/commands/user_creation.h"
#include "protocol/commands/user_lists.h"
#include "protocol/events/notification.h"

namespace parsec::protocol::commands {

namespace {

using UserRows = db::functions::UserGetColumns;

}  // namespace

Command user_get(Session& session, Fields fields) {
  const auto user_id = fields.required<field::UserId>("user_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::user_get(call, author_of(session), user_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");

  LongReply reply{session, 4, 0};
  CertificateLists lists{reply, rows};
  while (lists.count()) co_await session.yield();
  reply.key("user_certificate").bin(rows.bytes(0, UserRows::user_certificate));
  auto& revoked = reply.key("revoked_user_certificate");
  if (rows.is_null(0, UserRows::revoked_user_certificate)) {
    revoked.nil();
  } else {
    revoked.bin(rows.bytes(0, UserRows::revoked_user_certificate));
  }
  lists.begin("device_certificates", "own");
  while (lists.write()) co_await session.yield();
  reply.key("trustchain").map(CertificateLists::trustchain.size());
  for (const std::string_view list : CertificateLists::trustchain) {
    lists.begin(list, list);
    while (lists.write()) co_await session.yield();
  }
  reply.send();
}

Command human_find(Session& session, Fields fields) {
  if (refuse_outsider(session)) co_return;
  const auto query = fields.optional<field::String>("query");
  const auto omit_revoked = fields.defaulted<field::Boolean>("omit_revoked", false);
  const auto omit_non_human = fields.defaulted<field::Boolean>("omit_non_human", false);
  const auto page = PageFields::take(fields);
  if (query && query->contains('\0')) fields.fail("query", "Null characters are not allowed.");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::human_find(call, author_of(session), query, omit_revoked, omit_non_human,
                            page.slice());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_allowed");

  using Columns = db::functions::HumanFindColumns;
  Reply reply = session.reply_ok(4);
  auto& results = reply.key("results");
  results.array(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    results.map(3);
    reply.key("user_id").str(rows.text(row, Columns::user_id));
    auto& human_handle = reply.key("human_handle");
    if (rows.is_null(row, Columns::email)) {
      human_handle.nil();
    } else {
      human_handle.array(2);
      human_handle.str(rows.text(row, Columns::email));
      human_handle.str(rows.text(row, Columns::label));
    }
    reply.key("revoked").boolean(rows.boolean(row, Columns::revoked));
  }
  reply.key("page").integer(page.page);
  reply.key("per_page").integer(page.per_page);
  reply.key("total").integer(rows.integer(0, Columns::total));
}

Command user_create(Session& session, Fields fields) {
  if (session.identity().profile != Profile::admin) co_return reply_not_admin(session);
  const UserCertificates certificates{
      .user = fields.required<field::Binary>("user_certificate"),
      .device = fields.required<field::Binary>("device_certificate"),
      .redacted_user = fields.required<field::Binary>("redacted_user_certificate"),
      .redacted_device = fields.required<field::Binary>("redacted_device_certificate"),
  };
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto checked = check_user_creation(session, certificates);
  if (!checked) co_return;
  auto& call = session.new_call();
  start_user_creation(session, call, *checked, certificates);
  const db::Rows rows = co_await session.execute(call);
  reply_user_creation(session, rows.status(), checked->user);
}

Command user_revoke(Session& session, Fields fields) {
  if (session.identity().profile != Profile::admin) co_return reply_not_admin(session);
  const auto bytes = fields.required<field::Binary>("revoked_user_certificate");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto certificate = session.load_certificate<RevokedUserCertificate>(bytes);
  if (!certificate) co_return session.reply_invalid_certification(certificate.error());
  if (!in_the_ballpark(certificate->timestamp, session.now())) {
    co_return session.reply_error("invalid_certification", "Invalid timestamp in certification.");
  }
  if (certificate->user_id == session.user_id()) {
    co_return session.reply_error("not_allowed", "Cannot do self-revocation");
  }

  Notification revoked("user.revoked", 2);
  revoked.key("organization_id").str(session.organization_id());
  revoked.key("user_id").str(certificate->user_id);
  auto& call = session.new_call();
  db::functions::user_revoke(call, author_of(session), certificate->user_id, certificate->timestamp,
                             bytes, revoked.bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "not_allowed") co_return reply_not_admin(session);
  if (rows.status() == "not_found") co_return session.reply_error("not_found");
  const bool before = rows.status() == "already_revoked";

  // Whoever hears that the user is revoked sees no later write of that user. So does who asks again
  // because the first answer did not arrive.
  auto& writes = session.new_call();
  db::functions::await_writes(writes, session.organization_id(), certificate->user_id);
  co_await session.execute(writes);
  if (before) {
    co_return session.reply_error("already_revoked",
                                  "User `" + certificate->user_id + "` already revoked");
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
