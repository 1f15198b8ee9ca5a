// Realms and roles (protocol/4-commands.md §4.5). Re-encryption: maintenance.cpp.
#include "db/functions/realm.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/refusals.h"
#include "protocol/events/notification.h"
#include "protocol/session/long_reply.h"

namespace parsec::protocol::commands {

namespace {

using db::functions::RoleGrant;

RoleGrant grant_of(const RealmRoleCertificate& content, Bytes certificate) {
  RoleGrant grant{.realm_id = content.realm_id,
                  .user_id = content.user_id,
                  .role = {},
                  .certificate = certificate,
                  .certified_on = content.timestamp};
  if (content.role) grant.role = name(*content.role);
  return grant;
}

Notification roles_updated(const Session& session, const RealmRoleCertificate& content) {
  Notification notification("realm.roles_updated", 5);
  notification.key("organization_id").str(session.organization_id());
  notification.key("author").str(session.device_id());
  notification.key("realm_id").uuid(content.realm_id);
  notification.key("user").str(content.user_id);
  if (content.role) {
    notification.key("role_str").str(name(*content.role));
  } else {
    notification.key("role_str").nil();
  }
  return notification;
}

}  // namespace

Command realm_create(Session& session, Fields fields) {
  if (session.identity().profile == Profile::outsider) {
    co_return session.reply_error("not_allowed", "Outsider user cannot create realm");
  }
  const auto certificate = fields.required<field::Binary>("role_certificate");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto content = session.load_certificate<RealmRoleCertificate>(certificate);
  if (!content) co_return session.reply_invalid_certification(content.error());
  if (!in_the_ballpark(content->timestamp, session.now())) {
    co_return session.reply_error("invalid_certification", invalid_certificate_timestamp);
  }
  if (content->user_id != session.user_id()) {
    co_return session.reply_error("invalid_data",
                                  "Initial realm role certificate must be self-signed.");
  }
  if (content->role != Role::owner) {
    co_return session.reply_error("invalid_data",
                                  "Initial realm role certificate must set OWNER role.");
  }

  auto& call = session.new_call();
  db::functions::realm_create(call, author_of(session), grant_of(*content, certificate),
                              roles_updated(session, *content).bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), {});
  session.reply_ok();
}

Command realm_status(Session& session, Fields fields) {
  using Columns = db::functions::RealmStatusColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::realm_status(call, author_of(session), realm_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") {
    co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  }
  const bool in_maintenance = !rows.is_null(0, Columns::maintenance_type);
  auto reply = session.reply_ok(5);
  reply.key("in_maintenance").boolean(in_maintenance);
  reply.key("maintenance_type");
  if (in_maintenance) {
    reply.writer().str(rows.text(0, Columns::maintenance_type));
  } else {
    reply.writer().nil();
  }
  reply.key("maintenance_started_on")
      .optional_datetime(rows.optional_datetime(0, Columns::maintenance_started_on));
  reply.key("maintenance_started_by");
  if (rows.is_null(0, Columns::maintenance_started_by)) {
    reply.writer().nil();
  } else {
    reply.writer().str(rows.text(0, Columns::maintenance_started_by));
  }
  reply.key("encryption_revision").integer(rows.integer(0, Columns::encryption_revision));
}

Command realm_stats(Session& session, Fields fields) {
  using Columns = db::functions::RealmStatsColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::realm_stats(call, author_of(session), realm_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  auto reply = session.reply_ok(2);
  reply.key("blocks_size").integer(rows.integer(0, Columns::blocks_size));
  reply.key("vlobs_size").integer(rows.integer(0, Columns::vlobs_size));
}

Command realm_get_role_certificates(Session& session, Fields fields) {
  using Columns = db::functions::RealmCertificateColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto since = fields.optional<field::DateTime>("since");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::realm_get_role_certificates(call, author_of(session), realm_id, since);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  LongReply reply{session, 1, 0};
  reply.key("certificates").array(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    reply.writer().bin(rows.bytes(row, Columns::certificate));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.send();
}

Command realm_update_roles(Session& session, Fields fields) {
  const auto certificate = fields.required<field::Binary>("role_certificate");
  const auto message = fields.required_nullable<field::Binary>("recipient_message");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto content = session.load_certificate<RealmRoleCertificate>(certificate);
  if (!content) co_return session.reply_invalid_certification(content.error());
  if (!in_the_ballpark(content->timestamp, session.now())) {
    co_return session.reply_error("invalid_certification", invalid_certificate_timestamp);
  }
  if (content->user_id == session.user_id()) {
    co_return session.reply_error("invalid_data", "Realm role certificate cannot be self-signed.");
  }

  auto& call = session.new_call();
  db::functions::realm_update_roles(call, author_of(session), grant_of(*content, certificate),
                                    message, roles_updated(session, *content).bytes(),
                                    message_received(session, content->user_id).bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") {
    co_return reply_refusal(
        session, rows.status(),
        {.realm_id = content->realm_id, .vlob_id = {}, .user_id = content->user_id});
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
