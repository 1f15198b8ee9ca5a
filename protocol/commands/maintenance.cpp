// Re-encryption of a realm (protocol/4-commands.md §4.5, §4.6).
#include "db/functions/maintenance.h"

#include <deque>
#include <map>
#include <vector>

#include "protocol/commands/commands.h"
#include "protocol/commands/refusals.h"
#include "protocol/events/notification.h"
#include "protocol/session/long_reply.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

namespace {

Notification maintenance_changed(const Session& session, std::string_view signal,
                                 const Uuid& realm_id, std::int64_t encryption_revision) {
  Notification notification(signal, 4);
  notification.key("organization_id").str(session.organization_id());
  notification.key("author").str(session.device_id());
  notification.key("realm_id").uuid(realm_id);
  notification.key("encryption_revision").integer(encryption_revision);
  return notification;
}

/// A map of user IDs to bytes; of a repeated key the last counts. Views into the request.
using Messages = std::map<std::string_view, Bytes>;

Messages read_messages(Fields& fields, std::string_view name) {
  Messages messages;
  const auto map = fields.required<field::Map>(name);
  if (map.is_nil()) return messages;
  std::string error;
  for (auto entries = map.entries(); auto entry = entries.next();) {
    const auto user_id = field::UserId::read(entry->key, error);
    const auto message = user_id ? field::Binary::read(entry->value, error) : std::nullopt;
    if (!message) {
      fields.fail(name, error);
      return {};
    }
    messages.insert_or_assign(*user_id, *message);
  }
  return messages;
}

/// Everything that the request's message is needed for: not a coroutine, so that no array of it
/// lives on while the database works.
void fill_start(db::Request& call, const Session& session, const Uuid& realm_id,
                std::int64_t encryption_revision, DateTime timestamp, const Messages& messages) {
  std::vector<std::string_view> recipients;
  std::vector<Bytes> bodies;
  std::deque<Notification> notifications;
  std::vector<Bytes> notification_bytes;
  for (const auto& [user_id, body] : messages) {
    recipients.push_back(user_id);
    bodies.push_back(body);
    notifications.push_back(message_received(session, user_id));
    notification_bytes.push_back(notifications.back().bytes());
  }
  db::functions::realm_start_reencryption_maintenance(
      call, author_of(session), realm_id, encryption_revision, timestamp,
      {.recipients = recipients, .messages = bodies, .message_notifications = notification_bytes},
      maintenance_changed(session, "realm.maintenance_started", realm_id, encryption_revision)
          .bytes());
}

/// The entries of a batch, column by column.
struct Batch {
  std::vector<Uuid> vlob_ids;
  std::vector<std::int64_t> versions;
  std::vector<Bytes> blobs;
};

Batch read_batch(Fields& fields, std::string_view name) {
  Batch batch;
  fields.required_maps(name, [&](Fields& item) {
    batch.vlob_ids.push_back(item.required<field::Uuid>("vlob_id"));
    batch.versions.push_back(item.required<field::Integer>("version", field::Range{.min = 0}));
    batch.blobs.push_back(item.required<field::Binary>("blob"));
  });
  return batch;
}

}  // namespace

Command realm_start_reencryption_maintenance(Session& session, Fields fields) {
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto timestamp = fields.required<field::DateTime>("timestamp");
  const auto messages = read_messages(fields, "per_participant_message");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (!in_the_ballpark(timestamp, session.now())) {
    co_return session.reply_error("bad_timestamp", timestamp_out_of_date);
  }

  auto& call = session.new_call();
  fill_start(call, session, realm_id, encryption_revision, timestamp, messages);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  session.reply_ok();
}

Command realm_finish_reencryption_maintenance(Session& session, Fields fields) {
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::realm_finish_reencryption_maintenance(
      call, author_of(session), realm_id, encryption_revision,
      maintenance_changed(session, "realm.maintenance_finished", realm_id, encryption_revision)
          .bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  session.reply_ok();
}

Command vlob_maintenance_get_reencryption_batch(Session& session, Fields fields) {
  using Columns = db::functions::ReencryptionBatchColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto size = fields.required<field::Integer>("size", field::Range{.min = 0, .max = 1000});
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::vlob_maintenance_get_reencryption_batch(
      call, author_of(session), realm_id, encryption_revision, size,
      session.service().settings().max_list_bytes);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  std::size_t bytes = 64;
  for (int row = 1; row < rows.count(); ++row) bytes += 64 + rows.bytes(row, Columns::blob).size();
  LongReply reply{session, 1, bytes};
  reply.key("batch").array(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    reply.writer().map(3);
    reply.key("vlob_id").uuid(rows.uuid(row, Columns::vlob_id));
    reply.key("version").integer(rows.integer(row, Columns::version));
    reply.key("blob").bin(rows.bytes(row, Columns::blob));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.send();
}

Command vlob_maintenance_save_reencryption_batch(Session& session, Fields fields) {
  using Columns = db::functions::ReencryptionProgressColumns;
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto encryption_revision = fields.required<field::Integer>("encryption_revision");
  const auto batch = read_batch(fields, "batch");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::vlob_maintenance_save_reencryption_batch(
      call, author_of(session), realm_id, encryption_revision,
      {.vlob_ids = batch.vlob_ids, .versions = batch.versions, .blobs = batch.blobs});
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  auto reply = session.reply_ok(2);
  reply.key("total").integer(rows.integer(0, Columns::total));
  reply.key("done").integer(rows.integer(0, Columns::done));
}

}  // namespace parsec::protocol::commands
