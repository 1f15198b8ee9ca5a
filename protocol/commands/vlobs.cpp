// Vlobs (protocol/4-commands.md §4.6). Re-encryption: maintenance.cpp.
#include "db/functions/vlob.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/refusals.h"
#include "protocol/events/notification.h"
#include "protocol/session/long_reply.h"

namespace parsec::protocol::commands {

namespace {

/// realm.vlobs_updated up to and without the value of realm_id: the functions append it and the
/// checkpoint, as a vlob_update learns only there which realm it is.
Notification vlobs_updated(const Session& session, const Uuid& vlob_id, std::int64_t version) {
  Notification notification("realm.vlobs_updated", 6);
  notification.key("organization_id").str(session.organization_id());
  notification.key("author").str(session.device_id());
  notification.key("src_id").uuid(vlob_id);
  notification.key("src_version").integer(version);
  notification.key("realm_id");
  return notification;
}

constexpr field::Range from_one{.min = 1};

/// What a reply holds beside its large part, amply.
constexpr std::size_t reply_head_bytes = 256;

}  // namespace

Command vlob_create(Session& session, Fields fields) {
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto vlob_id = fields.required<field::Uuid>("vlob_id");
  const auto timestamp = fields.required<field::DateTime>("timestamp");
  const auto blob = fields.required<field::Binary>("blob");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (!in_the_ballpark(timestamp, session.now())) {
    co_return session.reply_error("bad_timestamp", timestamp_out_of_date);
  }

  auto& call = session.new_call();
  db::functions::vlob_create(call, author_of(session), realm_id,
                             {.encryption_revision = encryption_revision,
                              .vlob_id = vlob_id,
                              .version = 1,
                              .created_on = timestamp,
                              .blob = blob},
                             vlobs_updated(session, vlob_id, 1).bytes());
  db::Rows rows = co_await session.execute(call);
  if (rows.status() == "busy") {
    auto& again = session.repeat_call();
    db::functions::vlob_create_alone(again);
    const db::Rows rows_again = co_await session.execute(again);
    rows = rows_again;
  }
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  session.recent_realm = realm_id;
  session.reply_ok();
}

Command vlob_read(Session& session, Fields fields) {
  using Columns = db::functions::VlobReadColumns;
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto vlob_id = fields.required<field::Uuid>("vlob_id");
  const auto version = fields.optional<field::Integer>("version", from_one);
  const auto timestamp = fields.optional<field::DateTime>("timestamp");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::vlob_read(call, author_of(session), encryption_revision, vlob_id, version,
                           timestamp);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_vlob(vlob_id));
  session.recent_realm = rows.uuid(0, Columns::realm_id);
  const auto blob = rows.bytes(0, Columns::blob);
  auto reply = session.reply_ok(4, blob.size() + reply_head_bytes);
  reply.key("version").integer(rows.integer(0, Columns::version));
  reply.key("blob").bin(blob);
  reply.key("author").str(rows.text(0, Columns::author));
  reply.key("timestamp").datetime(rows.datetime(0, Columns::created_on));
}

Command vlob_update(Session& session, Fields fields) {
  using Columns = db::functions::VlobUpdateColumns;
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto vlob_id = fields.required<field::Uuid>("vlob_id");
  const auto timestamp = fields.required<field::DateTime>("timestamp");
  const auto version = fields.required<field::Integer>("version", from_one);
  const auto blob = fields.required<field::Binary>("blob");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (!in_the_ballpark(timestamp, session.now())) {
    co_return session.reply_error("bad_timestamp", timestamp_out_of_date);
  }

  auto& call = session.new_call();
  db::functions::vlob_update(call, author_of(session), session.recent_realm,
                             {.encryption_revision = encryption_revision,
                              .vlob_id = vlob_id,
                              .version = version,
                              .created_on = timestamp,
                              .blob = blob},
                             vlobs_updated(session, vlob_id, version).bytes());
  db::Rows rows = co_await session.execute(call);
  while (rows.status() == "elsewhere") {  // once, unless the database is replaced meanwhile
    session.recent_realm = rows.uuid(0, Columns::realm_id);
    auto& again = session.repeat_call();
    db::functions::vlob_update_in(again, session.organization_id(), session.recent_realm);
    const db::Rows rows_again = co_await session.execute(again);
    rows = rows_again;
  }
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_vlob(vlob_id));
  session.reply_ok();
}

Command vlob_poll_changes(Session& session, Fields fields) {
  using Columns = db::functions::VlobPollColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto last_checkpoint = fields.required<field::Integer>("last_checkpoint");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::vlob_poll_changes(call, author_of(session), realm_id, last_checkpoint);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  session.recent_realm = realm_id;
  constexpr std::size_t entry_bytes = 18 + 5;  // an UUID and a version
  const int count = rows.count() - 1;
  LongReply reply{session, 2, static_cast<std::size_t>(count) * entry_bytes + reply_head_bytes};
  reply.key("changes").map(static_cast<std::uint32_t>(count));
  for (int row = 1; row <= count; ++row) {
    reply.writer().uuid(rows.uuid(row, Columns::vlob_id));
    reply.writer().integer(rows.integer(row, Columns::version));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.key("current_checkpoint").integer(rows.integer(0, Columns::current_checkpoint));
  reply.send();
}

Command vlob_list_versions(Session& session, Fields fields) {
  using Columns = db::functions::VlobVersionsColumns;
  const auto vlob_id = fields.required<field::Uuid>("vlob_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::vlob_list_versions(call, author_of(session), vlob_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_vlob(vlob_id));
  session.recent_realm = rows.uuid(0, Columns::realm_id);
  LongReply reply{session, 1, 0};
  reply.key("versions").map(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    auto& writer = reply.writer();
    writer.integer(rows.integer(row, Columns::version));
    writer.array(2);
    writer.datetime(rows.datetime(row, Columns::created_on));
    writer.str(rows.text(row, Columns::author));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.send();
}

}  // namespace parsec::protocol::commands
