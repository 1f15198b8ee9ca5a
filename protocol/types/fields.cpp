#include "protocol/types/fields.h"

#include <algorithm>
#include <cmath>

namespace parsec::protocol {
namespace field {
namespace {

using msgpack::Kind;
using msgpack::Value;

std::nullopt_t refuse(std::string& message, std::string_view text) {
  message = text;
  return std::nullopt;
}

/// Truncated; beyond int64 the nearest one.
std::int64_t to_integer(double value) {
  constexpr double beyond_max = 0x1p63;
  if (value >= beyond_max) return std::numeric_limits<std::int64_t>::max();
  if (value < -beyond_max) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

/// Decimal digits with an optional sign; beyond int64 the nearest one.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  constexpr auto min = std::numeric_limits<std::int64_t>::min();
  std::int64_t value = 0;  // counted downwards: there is one more negative number
  for (const char c : text) {
    if (__builtin_mul_overflow(value, std::int64_t{10}, &value) ||
        __builtin_sub_overflow(value, std::int64_t{c - '0'}, &value)) {
      return negative ? min : max;
    }
  }
  if (negative) return value;
  return value == min ? max : -value;
}

std::optional<std::int64_t> any_integer(Value value) {
  switch (value.kind()) {
    case Kind::integer:
      return value.integer();
    case Kind::boolean:
      return value.boolean() ? 1 : 0;
    case Kind::str:
      return parse_integer(value.str());
    case Kind::real:
      if (std::isfinite(value.real())) return to_integer(value.real());
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> checked_text(Value value, std::string& message,
                                             bool (*is_valid)(std::string_view),
                                             std::string_view refusal) {
  if (value.kind() != Kind::str) return refuse(message, "Not a valid string.");
  if (!is_valid(value.str())) return refuse(message, refusal);
  return value.str();
}

}  // namespace

std::optional<std::string_view> String::read(Value value, std::string& message) {
  if (value.kind() != Kind::str) return refuse(message, "Not a valid string.");
  return value.str();
}

std::optional<std::int64_t> Integer::read(Value value, std::string& message, Range range) {
  const auto integer = any_integer(value);
  if (!integer) return refuse(message, "Not a valid integer.");
  if (*integer < range.min) {
    return refuse(message, "Must be at least " + std::to_string(range.min) + ".");
  }
  if (*integer > range.max) {
    return refuse(message, "Must be at most " + std::to_string(range.max) + ".");
  }
  return integer;
}

std::optional<bool> Boolean::read(Value value, std::string& message) {
  static constexpr std::string_view truths[] = {"t", "T", "true", "True", "TRUE", "1"};
  static constexpr std::string_view falsehoods[] = {"f", "F", "false", "False", "FALSE", "0"};
  switch (value.kind()) {
    case Kind::boolean:
      return value.boolean();
    case Kind::integer:
      if (value.integer() == 0 || value.integer() == 1) return value.integer() == 1;
      break;
    case Kind::str:
      if (std::ranges::find(truths, value.str()) != std::end(truths)) return true;
      if (std::ranges::find(falsehoods, value.str()) != std::end(falsehoods)) return false;
      break;
    default:
      break;
  }
  return refuse(message, "Not a valid boolean.");
}

std::optional<Bytes> Binary::read(Value value, std::string& message) {
  if (value.kind() != Kind::bin) return refuse(message, "Not bytes");
  return value.bin();
}

std::optional<parsec::Uuid> Uuid::read(Value value, std::string& message) {
  if (value.kind() != Kind::uuid) return refuse(message, "Not an UUID");
  return value.uuid();
}

std::optional<parsec::DateTime> DateTime::read(Value value, std::string& message) {
  if (value.kind() != Kind::datetime) return refuse(message, "Not a datetime");
  return value.datetime();
}

std::optional<Value> List::read(Value value, std::string& message) {
  if (value.kind() != Kind::array) return refuse(message, "Not a valid list.");
  return value;
}

std::optional<Value> Map::read(Value value, std::string& message) {
  if (value.kind() != Kind::map) return refuse(message, Fields::not_a_map);
  return value;
}

std::optional<std::string_view> OrganizationId::read(Value value, std::string& message) {
  return checked_text(value, message, is_organization_id, "Invalid organization ID");
}

std::optional<std::string_view> UserId::read(Value value, std::string& message) {
  return checked_text(value, message, is_user_id, "Invalid user name");
}

std::optional<std::string_view> DeviceName::read(Value value, std::string& message) {
  return checked_text(value, message, is_device_name, "Invalid device name");
}

std::optional<std::string_view> DeviceId::read(Value value, std::string& message) {
  return checked_text(value, message, is_device_id, "Invalid device ID");
}

std::optional<Bytes> Key::read(Value value, std::string& message) {
  if (value.kind() != Kind::bin || value.bin().size() != 32) {
    return refuse(message, "Invalid verify key.");
  }
  return value.bin();
}

std::optional<HumanHandle::value_type> HumanHandle::read(Value value, std::string& message) {
  if (value.kind() != Kind::array || value.count() != 2) {
    return refuse(message, "Not a valid tuple type.");
  }
  auto items = value.items();
  const auto email = *items.next();
  const auto label = *items.next();
  if (email.kind() != Kind::str || label.kind() != Kind::str) {
    return refuse(message, "Not a valid string.");
  }
  if (!is_human_handle(email.str(), label.str())) return refuse(message, "Invalid human handle");
  return value_type{email.str(), label.str()};
}

std::string bad_enum_message(Value value) {
  if (value.kind() != Kind::str) return "Not string";
  return "Invalid role `" + std::string{value.str()} + "`";
}

}  // namespace field

Fields::Error& Fields::error_of(std::string_view name) {
  const auto known = std::ranges::find(errors_, name, &Error::name);
  if (known != errors_.end()) return *known;
  return errors_.emplace_back(Error{std::string{name}, {}, {}});
}

void Fields::fail(std::string_view name, std::string_view message) {
  error_of(name).messages.emplace_back(message);
}

bool Fields::fail_item(std::string_view list, std::uint32_t index, Fields&& item) {
  auto& items = error_of(list).items;
  items.emplace_back(index, std::move(item.errors_));
  return items.size() < max_failed_items;
}

void Fields::write(const std::vector<Error>& errors, msgpack::Writer& writer) {
  writer.map(static_cast<std::uint32_t>(errors.size()));
  for (const auto& error : errors) {
    writer.str(error.name);
    if (error.items.empty()) {
      writer.array(static_cast<std::uint32_t>(error.messages.size()));
      for (const auto& message : error.messages) writer.str(message);
      continue;
    }
    writer.map(static_cast<std::uint32_t>(error.items.size()));
    for (const auto& [index, item_errors] : error.items) {
      writer.integer(index);
      write(item_errors, writer);
    }
  }
}

std::string Fields::first_error() const {
  if (errors_.empty()) return {};
  const auto& error = errors_.front();
  return error.name + ": " + (error.messages.empty() ? "Invalid items." : error.messages.front());
}

}  // namespace parsec::protocol
