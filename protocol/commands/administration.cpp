// Administration of organizations (protocol/7-apiv1.md §7.1).
#include <sodium.h>

#include <array>
#include <cstddef>
#include <string>

#include "db/functions/organization.h"
#include "protocol/bytes/random.h"
#include "protocol/commands/commands.h"
#include "protocol/events/notification.h"

namespace parsec::protocol::commands {

namespace {

std::string new_bootstrap_token() {
  std::array<std::byte, 32> secret;
  fill_random(secret);
  std::array<char, 2 * secret.size() + 1> digits;
  sodium_bin2hex(digits.data(), digits.size(),
                 reinterpret_cast<const unsigned char*>(secret.data()), secret.size());
  return {digits.data(), digits.size() - 1};
}

}  // namespace

Command organization_create(Session& session, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  const auto expiration_date = fields.optional<field::DateTime>("expiration_date");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const std::string bootstrap_token = new_bootstrap_token();
  auto& call = session.new_call();
  db::functions::organization_create(call, organization_id, bootstrap_token, expiration_date);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("already_exists");

  Reply reply = session.reply_ok(expiration_date ? 2 : 1);
  reply.key("bootstrap_token").str(bootstrap_token);
  if (expiration_date) reply.key("expiration_date").datetime(*expiration_date);
}

Command organization_status(Session& session, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::organization_status(call, organization_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");

  using Columns = db::functions::OrganizationStatusColumns;
  Reply reply = session.reply_ok(2);
  reply.key("is_bootstrapped").boolean(rows.boolean(0, Columns::is_bootstrapped));
  reply.key("expiration_date")
      .optional_datetime(rows.optional_datetime(0, Columns::expiration_date));
}

Command organization_stats(Session& session, Fields fields) {
  const auto organization_id = fields.required<field::OrganizationId>("organization_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::organization_stats(call, organization_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");

  using Columns = db::functions::OrganizationStatsColumns;
  Reply reply = session.reply_ok(3);
  reply.key("data_size").integer(rows.integer(0, Columns::data_size));
  reply.key("metadata_size").integer(rows.integer(0, Columns::metadata_size));
  reply.key("users").integer(rows.integer(0, Columns::users));
}

Command organization_update(Session& session, Fields fields) {
  // Needed after the first co_await, when the message is gone.
  const std::string organization_id{fields.required<field::OrganizationId>("organization_id")};
  const auto expiration_date = fields.required_nullable<field::DateTime>("expiration_date");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  Notification expired("organization.expired", 1);
  expired.key("organization_id").str(organization_id);
  auto& call = session.new_call();
  db::functions::organization_update(call, organization_id, expiration_date, expired.bytes());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_found");
  if (rows.boolean(0, db::functions::OrganizationUpdateColumns::expired)) {
    auto& writes = session.new_call();
    db::functions::await_writes(writes, organization_id, std::nullopt);
    co_await session.execute(writes);
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
