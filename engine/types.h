// Values that SQL, wire and code share: UUID and point in time.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace parsec {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span{text}); }
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// 16 raw bytes, in network order, as on the wire and in PostgreSQL.
struct Uuid {
  std::array<std::byte, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  static Uuid from(Bytes raw) {
    Uuid uuid;
    std::memcpy(uuid.bytes.data(), raw.data(), raw.size() < 16 ? raw.size() : 16);
    return uuid;
  }
  /// 8-4-4-4-12 lower-case hexadecimal digits: how reasons and object names show it.
  std::string text() const;
  /// 32 lower-case hexadecimal digits: how links show it.
  std::string hex() const;
  static std::optional<Uuid> parse(std::string_view text);  // either form, any case
};

/// Microseconds since 1970-01-01T00:00:00 UTC, within the years 1 to 9999.
struct DateTime {
  std::int64_t microseconds = 0;

  auto operator<=>(const DateTime&) const = default;
  static constexpr std::int64_t min_microseconds = -62135596800'000000;
  static constexpr std::int64_t max_microseconds = 253402300799'999999;
  /// ISO 8601 in UTC, e.g. 2021-01-01T00:00:00.123456Z
  std::string text() const;
};

}  // namespace parsec

template <>
struct std::hash<parsec::Uuid> {
  std::size_t operator()(const parsec::Uuid& uuid) const noexcept {
    std::uint64_t high, low;
    std::memcpy(&high, uuid.bytes.data(), 8);
    std::memcpy(&low, uuid.bytes.data() + 8, 8);
    return high ^ (low * 0x9E3779B97F4A7C15);
  }
};
