// The fields of a request: taken by name and type, every failure noted, so that all of them are
// reported together (protocol/1-transport.md §1.4).
//
//   auto vlob_id = fields.required<field::Uuid>("vlob_id");
//   auto version = fields.optional<field::Integer>("version", field::Range{.min = 1});
//   if (!fields.valid()) co_return session.reply_bad_message(fields);
//
// Values that failed are default-constructed: ask valid() before using any. Text and bytes are
// views into the message: gone at the first suspension of a command.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/types.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/identifiers.h"

namespace parsec::protocol {

namespace field {

struct Range {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

/// A field type: `value_type`, and read(), which gives nullopt and sets `message` when wrong.
struct String {
  using value_type = std::string_view;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct Integer {  // beyond int64: the nearest int64, which no stored value equals
  using value_type = std::int64_t;
  static std::optional<value_type> read(msgpack::Value value, std::string& message,
                                        Range range = {});
};
struct Boolean {
  using value_type = bool;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct Binary {
  using value_type = Bytes;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct Uuid {
  using value_type = parsec::Uuid;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct DateTime {
  using value_type = parsec::DateTime;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct List {
  using value_type = msgpack::Value;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct Map {
  using value_type = msgpack::Value;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct OrganizationId {
  using value_type = std::string_view;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct UserId {
  using value_type = std::string_view;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct DeviceName {
  using value_type = std::string_view;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct DeviceId {
  using value_type = std::string_view;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};
struct Key {  // public key or verify key: 32 bytes
  using value_type = Bytes;
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};

/// The message of a value that is not of its enum.
std::string bad_enum_message(msgpack::Value value);

/// `Enum<parse_role>`: parse turns the string into an optional enumerator.
template <auto parse>
struct Enum {
  using value_type = typename decltype(parse(std::string_view{}))::value_type;
  static std::optional<value_type> read(msgpack::Value value, std::string& message) {
    if (value.kind() == msgpack::Kind::str) {
      if (auto found = parse(value.str())) return found;
    }
    message = bad_enum_message(value);
    return std::nullopt;
  }
};
using Role = Enum<parse_role>;
using Profile = Enum<parse_profile>;

/// `[email, label]`, checked.
struct HumanHandle {
  struct value_type {
    std::string_view email;
    std::string_view label;
  };
  static std::optional<value_type> read(msgpack::Value value, std::string& message);
};

}  // namespace field

class Fields {
 public:
  explicit Fields(msgpack::Value map) : map_(map) {}

  /// Absent: `Missing data for required field.`; null: `Field may not be null.`
  template <typename Type, typename... Options>
  typename Type::value_type required(std::string_view name, Options... options) {
    auto value = map_.find(name);
    if (!value) return fail(name, missing), typename Type::value_type{};
    if (value->is_nil()) return fail(name, null), typename Type::value_type{};
    return read<Type>(name, *value, options...).value_or(typename Type::value_type{});
  }

  /// Must be there, may be null.
  template <typename Type, typename... Options>
  std::optional<typename Type::value_type> required_nullable(std::string_view name,
                                                             Options... options) {
    auto value = map_.find(name);
    if (!value) return fail(name, missing), std::nullopt;
    if (value->is_nil()) return std::nullopt;
    return read<Type>(name, *value, options...);
  }

  /// Absent or null: nullopt.
  template <typename Type, typename... Options>
  std::optional<typename Type::value_type> optional(std::string_view name, Options... options) {
    auto value = map_.find(name);
    if (!value || value->is_nil()) return std::nullopt;
    return read<Type>(name, *value, options...);
  }

  /// Absent: nullopt. Null is an error.
  template <typename Type, typename... Options>
  std::optional<typename Type::value_type> optional_not_null(std::string_view name,
                                                             Options... options) {
    auto value = map_.find(name);
    if (!value) return std::nullopt;
    if (value->is_nil()) return fail(name, null), std::nullopt;
    return read<Type>(name, *value, options...);
  }

  /// Absent: the default. Null is an error.
  template <typename Type, typename... Options>
  typename Type::value_type defaulted(std::string_view name, typename Type::value_type otherwise,
                                      Options... options) {
    return optional_not_null<Type>(name, options...).value_or(otherwise);
  }

  /// A list of maps: calls read_item(Fields&) for each, and notes what failed by index, then by
  /// field name. Absent, null, or no list: noted as for every field.
  template <typename ReadItem>
  void required_maps(std::string_view name, ReadItem read_item) {
    const auto list = required<field::List>(name);
    if (list.is_nil()) return;
    auto items = list.items();
    for (std::uint32_t index = 0; auto value = items.next(); ++index) {
      const bool is_map = value->kind() == msgpack::Kind::map;
      Fields item{is_map ? *value : msgpack::Value{}};
      if (is_map) {
        read_item(item);
      } else {
        item.fail("_schema", not_a_map);
      }
      if (!item.valid() && !fail_item(name, index, std::move(item))) return;
    }
  }

  bool valid() const { return errors_.empty(); }
  msgpack::Value map() const { return map_; }

  void fail(std::string_view name, std::string_view message);
  /// False: there are enough, the rest of the list need not be read.
  bool fail_item(std::string_view list, std::uint32_t index, Fields&& item);

  /// The `errors` map, in the order in which they were noted: {field: [message, …]}, and for a
  /// list of maps {field: {index: {field: [message, …]}}}.
  void write_errors(msgpack::Writer& writer) const { write(errors_, writer); }

  /// `<field>: <message>` of the first error: for texts that people read.
  std::string first_error() const;

  static constexpr std::string_view missing = "Missing data for required field.";
  static constexpr std::string_view null = "Field may not be null.";
  static constexpr std::string_view not_a_map = "Not a valid mapping type.";
  /// Of one list; what is beyond is not told, so that a reply is never far longer than its request.
  static constexpr std::size_t max_failed_items = 1000;

 private:
  struct Error {
    std::string name;
    std::vector<std::string> messages;
    std::vector<std::pair<std::uint32_t, std::vector<Error>>> items;  // instead of messages
  };

  Error& error_of(std::string_view name);
  static void write(const std::vector<Error>& errors, msgpack::Writer& writer);

  template <typename Type, typename... Options>
  std::optional<typename Type::value_type> read(std::string_view name, msgpack::Value value,
                                                Options... options) {
    std::string message;
    auto result = Type::read(value, message, options...);
    if (!result) fail(name, message);
    return result;
  }

  msgpack::Value map_;
  std::vector<Error> errors_;  // empty, so free, on the good path
};

}  // namespace parsec::protocol
