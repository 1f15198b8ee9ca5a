// Devices (protocol/4-commands.md §4.4): device_create.
#include <string>

#include "db/functions/device.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/new_user.h"

namespace parsec::protocol::commands {

Command device_create(Session& session, Fields fields) {
  const auto bytes = fields.required<field::Binary>("device_certificate");
  const auto redacted_bytes = fields.required<field::Binary>("redacted_device_certificate");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto device = with_storable_label(session.load_certificate<DeviceCertificate>(bytes));
  if (!device) co_return session.reply_invalid_certification(device.error());
  const auto redacted = session.load_certificate<DeviceCertificate>(redacted_bytes);
  if (!redacted) co_return session.reply_invalid_certification(redacted.error());
  if (!in_the_ballpark(device->timestamp, session.now())) {
    co_return session.reply_error("invalid_certification", "Invalid timestamp in certification.");
  }
  if (user_of(device->device_id) != session.user_id()) {
    co_return session.reply_error("bad_user_id", "Device must be handled by it own user.");
  }
  if (const auto fault = redacted_fault(*device, *redacted); !fault.empty()) {
    co_return session.reply_error("invalid_data", fault);
  }

  const auto event = device_created(session.organization_id(), device->device_id, bytes, {});
  auto& call = session.new_call();
  db::functions::device_create(call, author_of(session), device->timestamp,
                               {
                                   .device_id = device->device_id,
                                   .device_label = device->device_label,
                                   .device_certificate = bytes,
                                   .redacted_device_certificate = redacted_bytes,
                               },
                               event.notification, std::nullopt);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() == "already_exists") {
    co_return session.reply_error("already_exists",
                                  "Device `" + device->device_id + "` already exists");
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
