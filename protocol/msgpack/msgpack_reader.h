// Reads msgpack in place: values are views into the message, nothing is copied.
//
// parse() checks a whole document once (well-formed, UTF-8, size limits and ext types of
// protocol/1-transport.md §1.3, depth); afterwards a Value can be walked without any further check.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/types.h"

namespace parsec::msgpack {

/// Limits while decoding, protocol/1-transport.md §1.3; depth is our own bound (128 at most).
struct Limits {
  std::uint32_t str_bytes = 1'048'576;
  std::uint32_t bin_bytes = 1'048'576;
  std::uint32_t ext_bytes = 1'048'576;
  std::uint32_t array_items = 131'072;
  std::uint32_t map_entries = 32'768;
  std::uint32_t depth = 128;
};

enum class Kind : std::uint8_t {
  nil,
  boolean,
  integer,
  real,
  str,
  bin,
  array,
  map,
  uuid,
  datetime,
  ext,
};

/// A value of a document that parse() accepted. Small, passed by value; as long-lived as the
/// message it views.
class Value {
 public:
  Value() = default;  // nil

  Kind kind() const;
  bool is_nil() const { return kind() == Kind::nil; }

  // Precondition of each: the kind is that one.
  bool boolean() const;
  std::int64_t integer() const;  // beyond int64: the nearest int64
  double real() const;
  std::string_view str() const;
  Bytes bin() const;
  Uuid uuid() const;
  DateTime datetime() const;
  std::int8_t ext_type() const;
  Bytes ext() const;

  /// Items of an array, entries of a map.
  std::uint32_t count() const;

  /// Walks an array: `for (auto items = value.items(); auto item = items.next();)`.
  class Items {
   public:
    std::optional<Value> next();

   private:
    friend class Value;
    const std::byte* at_ = nullptr;
    std::uint32_t left_ = 0;
  };
  Items items() const;

  struct Entry;
  class Entries {
   public:
    std::optional<Entry> next();

   private:
    friend class Value;
    const std::byte* at_ = nullptr;
    std::uint32_t left_ = 0;
  };
  Entries entries() const;

  /// The value of a map's string key; of a repeated key the last one; nullopt when absent.
  std::optional<Value> find(std::string_view key) const;

  /// The encoded bytes of this value.
  Bytes encoded() const;

 private:
  friend std::optional<Value> parse(Bytes, const Limits&);
  explicit Value(const std::byte* at) : at_(at) {}

  static constexpr std::byte nil_document{0xC0};
  const std::byte* at_ = &nil_document;
};

struct Value::Entry {
  Value key;
  Value value;
};

/// The document that these bytes are, all of them; nullopt if they are not exactly one valid one.
std::optional<Value> parse(Bytes document, const Limits& limits = {});

}  // namespace parsec::msgpack
