#include "protocol/msgpack/msgpack_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "protocol/bytes/big_endian.h"
#include "protocol/bytes/utf8.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::msgpack {
namespace {

constexpr std::int8_t datetime_type = 1;
constexpr std::int8_t uuid_type = 2;

/// How a first byte is to be read ("Formats" of the msgpack specification).
struct alignas(8) Format {
  Kind kind = Kind::nil;
  bool valid = true;
  std::uint8_t head = 1;          // bytes before the payload or the first item
  std::uint8_t length_bytes = 0;  // width of the length that follows the first byte
  std::uint8_t fixed = 0;         // without such a length: bytes of payload, or items
};

constexpr Format sized(Kind kind, std::uint8_t length_bytes, std::uint8_t more = 0) {
  return {kind, true, static_cast<std::uint8_t>(1 + length_bytes + more), length_bytes, 0};
}

constexpr Format format_of(std::uint8_t tag) {
  const auto low = [tag](int mask) { return static_cast<std::uint8_t>(tag & mask); };
  if (tag <= 0x7F || tag >= 0xE0) return {.kind = Kind::integer};
  if (tag <= 0x8F) return {.kind = Kind::map, .fixed = low(0x0F)};
  if (tag <= 0x9F) return {.kind = Kind::array, .fixed = low(0x0F)};
  if (tag <= 0xBF) return {.kind = Kind::str, .fixed = low(0x1F)};
  const auto power = [](int exponent) { return static_cast<std::uint8_t>(1 << exponent); };
  switch (tag) {
    case 0xC0:
      return {.kind = Kind::nil};
    case 0xC2:
    case 0xC3:
      return {.kind = Kind::boolean};
    case 0xC4:
    case 0xC5:
    case 0xC6:
      return sized(Kind::bin, power(tag - 0xC4));
    case 0xC7:
    case 0xC8:
    case 0xC9:
      return sized(Kind::ext, power(tag - 0xC7), 1);
    case 0xCA:
    case 0xCB:
      return {.kind = Kind::real, .fixed = power(2 + tag - 0xCA)};
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      return {.kind = Kind::integer, .fixed = power(tag - 0xCC)};
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
      return {.kind = Kind::integer, .fixed = power(tag - 0xD0)};
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
      return {.kind = Kind::ext, .head = 2, .fixed = power(tag - 0xD4)};
    case 0xD9:
    case 0xDA:
    case 0xDB:
      return sized(Kind::str, power(tag - 0xD9));
    case 0xDC:
    case 0xDD:
      return sized(Kind::array, power(1 + tag - 0xDC));
    case 0xDE:
    case 0xDF:
      return sized(Kind::map, power(1 + tag - 0xDE));
    default:
      return {.valid = false};  // 0xC1, "never used"
  }
}

constexpr auto formats = [] {
  std::array<Format, 256> table;
  for (std::size_t tag = 0; tag < table.size(); ++tag) {
    table[tag] = format_of(static_cast<std::uint8_t>(tag));
  }
  return table;
}();

const Format& format_at(const std::byte* at) { return formats[std::to_integer<std::size_t>(*at)]; }

/// Bytes of payload (str, bin, ext, numbers) or items (array) or entries (map).
std::uint32_t length_at(const std::byte* at, const Format& format) {
  switch (format.length_bytes) {
    case 0:
      return format.fixed;
    case 1:
      return std::to_integer<std::uint32_t>(at[1]);
    case 2:
      return load_big_endian<std::uint16_t>(at + 1);
    default:
      return load_big_endian<std::uint32_t>(at + 1);
  }
}

std::int8_t ext_type_at(const std::byte* at, const Format& format) {
  return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(at[format.head - 1]));
}

double real_at(const std::byte* at) {
  return std::bit_cast<double>(load_big_endian<std::uint64_t>(at));
}

bool is_container(Kind kind) { return kind == Kind::array || kind == Kind::map; }

/// Where the value behind the container at `at` begins.
const std::byte* behind_container(const std::byte* at) {
  for (std::uint64_t values = 1; values > 0; --values) {
    const Format& format = format_at(at);
    const auto length = length_at(at, format);
    at += format.head;
    if (format.kind == Kind::array) {
      values += length;
    } else if (format.kind == Kind::map) {
      values += std::uint64_t{length} * 2;
    } else {
      at += length;
    }
  }
  return at;
}

/// Where the value behind the one at `at` begins. Of accepted documents only.
const std::byte* behind(const std::byte* at) {
  const Format& format = format_at(at);
  if (is_container(format.kind)) return behind_container(at);
  return at + format.head + length_at(at, format);
}

bool is_valid_ext(const std::byte* at, const Format& format, std::uint32_t length) {
  switch (ext_type_at(at, format)) {
    case datetime_type:
      return length == 8 && decode_datetime(real_at(at + format.head));
    case uuid_type:
      return length == 16;
    default:
      return true;
  }
}

std::string_view text_at(const std::byte* at, std::uint32_t length) {
  return {reinterpret_cast<const char*>(at), length};
}

/// The checking pass. Containers that are open are a stack of bounded height, not recursion.
class Checker {
 public:
  explicit Checker(const Limits& limits)
      : limits_(limits), max_depth_(std::min<std::size_t>(limits.depth, open_.size())) {}

  bool accepts(Bytes document) {
    const std::byte* at = document.data();
    const std::byte* const end = at + document.size();
    std::uint32_t values = 1;  // still to come in the innermost open container
    while (true) {
      while (values == 0) {
        if (depth_ == 0) return at == end;
        values = open_[--depth_];
      }
      --values;
      if (at == end) return false;
      const Format& format = format_at(at);
      if (!format.valid || end - at < format.head) return false;
      const auto length = length_at(at, format);
      if (length > limit(format.kind)) return false;
      if (is_container(format.kind)) {
        if (depth_ == max_depth_) return false;
        open_[depth_++] = values;
        values = format.kind == Kind::map ? length * 2 : length;
        at += format.head;
        continue;
      }
      if (end - at - format.head < std::ptrdiff_t{length}) return false;
      if (format.kind == Kind::ext && !is_valid_ext(at, format, length)) return false;
      at += format.head;
      if (format.kind == Kind::str && !protocol::is_utf8(text_at(at, length))) return false;
      at += length;
    }
  }

 private:
  std::uint32_t limit(Kind kind) const {
    switch (kind) {
      case Kind::str:
        return limits_.str_bytes;
      case Kind::bin:
        return limits_.bin_bytes;
      case Kind::ext:
        return limits_.ext_bytes;
      case Kind::array:
        return limits_.array_items;
      // Twice as many values must be countable.
      case Kind::map:
        return std::min(limits_.map_entries, 0x7FFF'FFFFu);
      default:
        return std::numeric_limits<std::uint32_t>::max();
    }
  }

  const Limits& limits_;
  std::array<std::uint32_t, 128> open_;
  std::size_t max_depth_;
  std::size_t depth_ = 0;
};

}  // namespace

std::optional<Value> parse(Bytes document, const Limits& limits) {
  if (!Checker{limits}.accepts(document)) return std::nullopt;
  return Value{document.data()};
}

Kind Value::kind() const {
  const Format& format = format_at(at_);
  if (format.kind != Kind::ext) return format.kind;
  switch (ext_type_at(at_, format)) {
    case datetime_type:
      return Kind::datetime;
    case uuid_type:
      return Kind::uuid;
    default:
      return Kind::ext;
  }
}

bool Value::boolean() const { return *at_ == std::byte{0xC3}; }

std::int64_t Value::integer() const {
  switch (std::to_integer<std::uint8_t>(*at_)) {
    case 0xCC:
      return load_big_endian<std::uint8_t>(at_ + 1);
    case 0xCD:
      return load_big_endian<std::uint16_t>(at_ + 1);
    case 0xCE:
      return load_big_endian<std::uint32_t>(at_ + 1);
    case 0xCF: {
      constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
      return static_cast<std::int64_t>(std::min(load_big_endian<std::uint64_t>(at_ + 1), largest));
    }
    case 0xD0:
      return static_cast<std::int8_t>(load_big_endian<std::uint8_t>(at_ + 1));
    case 0xD1:
      return static_cast<std::int16_t>(load_big_endian<std::uint16_t>(at_ + 1));
    case 0xD2:
      return static_cast<std::int32_t>(load_big_endian<std::uint32_t>(at_ + 1));
    case 0xD3:
      return static_cast<std::int64_t>(load_big_endian<std::uint64_t>(at_ + 1));
    default:
      return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(*at_));
  }
}

double Value::real() const {
  if (*at_ == std::byte{0xCA}) {
    return double{std::bit_cast<float>(load_big_endian<std::uint32_t>(at_ + 1))};
  }
  return real_at(at_ + 1);
}

std::string_view Value::str() const {
  const Format& format = format_at(at_);
  return text_at(at_ + format.head, length_at(at_, format));
}

Bytes Value::bin() const {
  const Format& format = format_at(at_);
  return {at_ + format.head, length_at(at_, format)};
}

Uuid Value::uuid() const { return Uuid::from(ext()); }

DateTime Value::datetime() const { return *decode_datetime(real_at(ext().data())); }

std::int8_t Value::ext_type() const { return ext_type_at(at_, format_at(at_)); }

Bytes Value::ext() const { return bin(); }

std::uint32_t Value::count() const { return length_at(at_, format_at(at_)); }

Value::Items Value::items() const {
  Items items;
  items.at_ = at_ + format_at(at_).head;
  items.left_ = count();
  return items;
}

std::optional<Value> Value::Items::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  const Value item{at_};
  if (left_ > 0) at_ = behind(at_);
  return item;
}

Value::Entries Value::entries() const {
  Entries entries;
  entries.at_ = at_ + format_at(at_).head;
  entries.left_ = count();
  return entries;
}

std::optional<Value::Entry> Value::Entries::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  const Value key{at_};
  const Value value{behind(at_)};
  if (left_ > 0) at_ = behind(value.at_);
  return Entry{key, value};
}

std::optional<Value> Value::find(std::string_view key) const {
  const std::byte* found = nullptr;
  const std::byte* at = at_ + format_at(at_).head;
  for (auto left = count(); left > 0; --left) {
    const Format& format = format_at(at);
    const std::byte* value = behind(at);
    if (format.kind == Kind::str && text_at(at + format.head, length_at(at, format)) == key) {
      found = value;
    }
    at = behind(value);
  }
  if (found == nullptr) return std::nullopt;
  return Value{found};
}

Bytes Value::encoded() const { return {at_, behind(at_)}; }

}  // namespace parsec::msgpack
