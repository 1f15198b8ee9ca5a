// Typed calls of db/schema/sql/functions/device.sql: devices, and ping.
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function device_create_function;
extern const Function device_created_function;
extern const Function ping_function;

/// A device with what was read from its certificates.
struct NewDevice {
  std::string_view device_id;
  std::optional<std::string_view> device_label;
  Bytes device_certificate;
  Bytes redacted_device_certificate;
};

/// status: already_exists. notification: device.created. large_answer: the encrypted_answer of
/// API v1, if the notification has no room for it and was made without its bulky fields.
void device_create(Request& call, Author author, DateTime certified_on, const NewDevice& device,
                   Bytes notification, std::optional<Bytes> large_answer);

struct DeviceCreatedColumns {
  static constexpr int device_certificate = 1;
  static constexpr int encrypted_answer = 2;
};
/// What a device.created event with an empty certificate left out. status: not_found.
void device_created(Request& call, std::string_view organization_id, std::string_view device_id);

/// notification: pinged.
void ping(Request& call, Author author, Bytes notification);

}  // namespace parsec::db::functions
