// A msgpack document that a test builds, sends, receives, compares and prints.
//
// Plain owning values, for convenience rather than speed:
//   Map{{"cmd", "ping"}, {"ping", "x"}}        list(1, "two", nullptr)        "octets"_bin
// Maps are equal whatever the order of their entries. Two values exist only here: `anything` equals
// every value, and an entry whose value is `omitted` disappears when maps are merged.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/types.h"

namespace parsec::testing {

class Document;

/// A msgpack bin.
struct Octets {
  std::string bytes;

  Octets() = default;
  explicit Octets(std::string text) : bytes(std::move(text)) {}
  explicit Octets(Bytes raw) : bytes(as_text(raw)) {}
  /// `count` times the same octet.
  Octets(std::size_t count, char octet) : bytes(count, octet) {}

  std::size_t size() const { return bytes.size(); }
  Bytes view() const { return as_bytes(bytes); }
  auto operator<=>(const Octets&) const = default;
};
inline Octets operator""_bin(const char* text, std::size_t size) {
  return Octets{std::string{text, size}};
}

/// A msgpack ext of any type; 1 and 2 only where a test spoils them on purpose.
struct Ext {
  std::int8_t type;
  std::string bytes;
  auto operator<=>(const Ext&) const = default;
};

struct Anything {
  bool operator==(const Anything&) const = default;
};
struct Omitted {
  bool operator==(const Omitted&) const = default;
};
inline constexpr Anything anything{};
inline constexpr Omitted omitted{};

using Array = std::vector<Document>;

class Map {
 public:
  struct Entry;

  Map();
  Map(std::initializer_list<Entry> entries);
  Map(const Map&);
  Map(Map&&) noexcept;
  Map& operator=(const Map&);
  Map& operator=(Map&&) noexcept;
  ~Map();

  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const;
  /// Null: absent.
  const Document* find(const Document& key) const;
  /// Replaces or adds; `omitted` removes.
  void set(const Document& key, const Document& value);
  void add(Document key, Document value);  // even where the key is there already
  /// This map with those entries replaced, added or (omitted) removed.
  Map with(const Map& changes) const;
  Map without(std::string_view key) const;

  bool operator==(const Map& other) const;

 private:
  std::vector<Entry> entries_;
};

class Document {
 public:
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string,
                             Octets, Uuid, DateTime, Ext, Array, Map, Anything, Omitted>;

  Document() : value_(nullptr) {}
  Document(std::nullptr_t) : value_(nullptr) {}
  Document(std::same_as<bool> auto value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) Document(T value) {
    if (std::in_range<std::int64_t>(value)) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }
  Document(std::floating_point auto value) : value_(static_cast<double>(value)) {}
  Document(const char* text) : value_(std::string{text}) {}
  Document(std::string text) : value_(std::move(text)) {}
  Document(std::string_view text) : value_(std::string{text}) {}
  Document(Octets value) : value_(std::move(value)) {}
  Document(Uuid value) : value_(value) {}
  Document(DateTime value) : value_(value) {}
  Document(Ext value) : value_(std::move(value)) {}
  Document(Array value) : value_(std::move(value)) {}
  Document(Map value) : value_(std::move(value)) {}
  Document(Anything value) : value_(value) {}
  Document(Omitted value) : value_(value) {}
  template <typename T>
  Document(const std::optional<T>& value) : Document(value ? Document(*value) : Document()) {}

  const Value& value() const { return value_; }
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }
  bool is_nil() const { return is<std::nullptr_t>(); }

  // A wrong kind, or an absent key, throws with the document in its text.
  bool boolean() const { return get<bool>(); }
  std::int64_t integer() const { return get<std::int64_t>(); }
  const std::string& text() const { return get<std::string>(); }
  const Octets& octets() const { return get<Octets>(); }
  Uuid uuid() const { return get<Uuid>(); }
  DateTime time() const { return get<DateTime>(); }
  const Array& array() const { return get<Array>(); }
  const Map& map() const { return get<Map>(); }
  const Document& operator[](std::string_view key) const;
  const Document& operator[](std::size_t index) const;

  bool operator==(const Document& other) const;

 private:
  template <typename T>
  const T& get() const {
    if (const T* held = std::get_if<T>(&value_)) return *held;
    throw_wrong_kind();
  }
  [[noreturn]] void throw_wrong_kind() const;

  Value value_;
};

struct Map::Entry {
  Document key;
  Document value;
};

template <typename... Items>
Document list(Items&&... items) {
  Array array;
  (array.push_back(Document(std::forward<Items>(items))), ...);
  return array;
}

std::string pack(const Document& document);
/// Throws where the bytes are not exactly one document.
Document unpack(std::string_view bytes);

/// One line, long octets and texts shortened.
std::string to_text(const Document& document);
std::ostream& operator<<(std::ostream& out, const Document& document);
std::ostream& operator<<(std::ostream& out, const Map& map);
std::ostream& operator<<(std::ostream& out, const Octets& octets);

// --- Values that tests need all the time ---------------------------------------------------------

DateTime now();
inline DateTime operator+(DateTime at, std::chrono::microseconds by) {
  return {at.microseconds + by.count()};
}
inline DateTime operator-(DateTime at, std::chrono::microseconds by) { return at + -by; }

Uuid new_uuid();
Octets random_octets(std::size_t size);
std::string random_hex(std::size_t octets);

}  // namespace parsec::testing
