// What API v1 does in another form (protocol/7-apiv1.md §7.3): user_find, user_create,
// device_create.
#include <string>

#include "db/functions/device.h"
#include "db/functions/user.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/new_user.h"
#include "protocol/commands/user_creation.h"
#include "protocol/commands/user_lists.h"

namespace parsec::protocol::commands {

namespace {

void reply_user_ids(Session& session, const PageFields& page, const db::Rows* rows) {
  using Columns = db::functions::UserFindColumns;
  const int count = rows == nullptr ? 1 : rows->count();
  Reply reply = session.reply_ok(4);
  auto& results = reply.key("results");
  results.array(static_cast<std::uint32_t>(count - 1));
  for (int row = 1; row < count; ++row) results.str(rows->text(row, Columns::user_id));
  reply.key("page").integer(page.page);
  reply.key("per_page").integer(page.per_page);
  reply.key("total").integer(rows == nullptr ? 0 : rows->integer(0, Columns::total));
}

}  // namespace

Command user_find(Session& session, Fields fields) {
  if (refuse_outsider(session)) co_return;
  const auto query = fields.optional<field::String>("query");
  const auto omit_revoked = fields.defaulted<field::Boolean>("omit_revoked", false);
  const auto page = PageFields::take(fields);
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  // What cannot be a user ID is part of none.
  if (query && !query->empty() && !is_user_id(*query)) {
    co_return reply_user_ids(session, page, nullptr);
  }

  auto& call = session.new_call();
  db::functions::user_find(call, author_of(session), query, omit_revoked, page.slice());
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error("not_allowed");
  reply_user_ids(session, page, &rows);
}

Command user_create_v1(Session& session, Fields fields) {
  if (session.identity().profile != Profile::admin) co_return reply_not_admin(session);
  const auto user = fields.required<field::Binary>("user_certificate");
  const auto device = fields.required<field::Binary>("device_certificate");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const UserCertificates certificates{user, device, user, device};
  const auto checked = check_user_creation(session, certificates);
  if (!checked) co_return;
  auto& call = session.new_call();
  start_user_creation(session, call, *checked, certificates);
  const db::Rows rows = co_await session.execute(call);
  reply_user_creation(session, rows.status(), checked->user);
}

Command device_create_v1(Session& session, Fields fields) {
  const auto bytes = fields.required<field::Binary>("device_certificate");
  const auto encrypted_answer = fields.required<field::Binary>("encrypted_answer");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto device = session.load_certificate<DeviceCertificate>(bytes);
  if (!device) co_return session.reply_invalid_certification(device.error());
  if (!in_the_ballpark(device->timestamp, session.now())) {
    co_return session.reply_error("invalid_certification", "Invalid timestamp in certification.");
  }
  if (const auto fault = redacted_fault(*device, *device); !fault.empty()) {
    co_return session.reply_error("invalid_data", fault);
  }
  if (user_of(device->device_id) != session.user_id()) {
    co_return session.reply_error("bad_user_id", "Device must be handled by it own user.");
  }

  const auto event =
      device_created(session.organization_id(), device->device_id, bytes, encrypted_answer);
  auto& call = session.new_call();
  db::functions::device_create(call, author_of(session), device->timestamp,
                               {
                                   .device_id = device->device_id,
                                   .device_label = std::nullopt,
                                   .device_certificate = bytes,
                                   .redacted_device_certificate = bytes,
                               },
                               event.notification,
                               event.is_whole ? std::nullopt : std::optional{encrypted_answer});
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "already_exists") {
    co_return session.reply_error("already_exists",
                                  "Device `" + device->device_id + "` already exists");
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
