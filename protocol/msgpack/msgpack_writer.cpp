#include "protocol/msgpack/msgpack_writer.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <concepts>
#include <limits>

#include "protocol/bytes/big_endian.h"

namespace parsec::msgpack {
namespace {

template <std::unsigned_integral Integer>
void append(engine::OutputBuffer& out, std::uint8_t tag, Integer value) {
  std::byte* at = out.reserve(1 + sizeof value);
  at[0] = std::byte{tag};
  store_big_endian(at + 1, value);
  out.commit(1 + sizeof value);
}

template <std::unsigned_integral To>
bool fits(std::int64_t value) {
  return value >= 0 && static_cast<std::uint64_t>(value) <= std::numeric_limits<To>::max();
}

template <std::signed_integral To>
bool fits(std::int64_t value) {
  return value >= std::numeric_limits<To>::min() && value <= std::numeric_limits<To>::max();
}

std::uint32_t checked_size(std::size_t size) {
  assert(size <= std::numeric_limits<std::uint32_t>::max());
  return static_cast<std::uint32_t>(size);
}

}  // namespace

void Writer::long_integer(std::int64_t value) {
  if (fits<std::uint8_t>(value)) return append(out_, 0xCC, static_cast<std::uint8_t>(value));
  if (fits<std::uint16_t>(value)) return append(out_, 0xCD, static_cast<std::uint16_t>(value));
  if (fits<std::uint32_t>(value)) return append(out_, 0xCE, static_cast<std::uint32_t>(value));
  if (value > 0) return append(out_, 0xCF, static_cast<std::uint64_t>(value));
  if (fits<std::int8_t>(value)) return append(out_, 0xD0, static_cast<std::uint8_t>(value));
  if (fits<std::int16_t>(value)) return append(out_, 0xD1, static_cast<std::uint16_t>(value));
  if (fits<std::int32_t>(value)) return append(out_, 0xD2, static_cast<std::uint32_t>(value));
  append(out_, 0xD3, static_cast<std::uint64_t>(value));
}

void Writer::real(double value) { append(out_, 0xCB, std::bit_cast<std::uint64_t>(value)); }

void Writer::head(std::uint8_t tag16, std::uint32_t count) {
  if (count <= 0xFFFF) return append(out_, tag16, static_cast<std::uint16_t>(count));
  append(out_, static_cast<std::uint8_t>(tag16 + 1), count);
}

void Writer::long_str(std::string_view value) {
  const auto size = checked_size(value.size());
  out_.reserve(5 + size);
  if (size <= 0xFF) {
    append(out_, 0xD9, static_cast<std::uint8_t>(size));
  } else {
    head(0xDA, size);
  }
  out_.append(value);
}

void Writer::bin(Bytes value) {
  const auto size = checked_size(value.size());
  out_.reserve(std::size_t{5} + size);
  if (size <= 0xFF) {
    append(out_, 0xC4, static_cast<std::uint8_t>(size));
  } else {
    head(0xC5, size);
  }
  out_.append(value);
}

void Writer::uuid(const Uuid& value) {
  std::byte* at = out_.reserve(18);
  at[0] = std::byte{0xD8};
  at[1] = std::byte{2};
  std::memcpy(at + 2, value.bytes.data(), 16);
  out_.commit(18);
}

void Writer::datetime(DateTime value) {
  std::byte* at = out_.reserve(10);
  at[0] = std::byte{0xD7};
  at[1] = std::byte{1};
  store_big_endian(at + 2, std::bit_cast<std::uint64_t>(encode_datetime(value)));
  out_.commit(10);
}

void Writer::ext(std::int8_t type, Bytes value) {
  const auto size = checked_size(value.size());
  if (size == 1 || size == 2 || size == 4 || size == 8 || size == 16) {
    out_.push(static_cast<std::uint8_t>(0xD4 + std::countr_zero(size)));
  } else if (size <= 0xFF) {
    append(out_, 0xC7, static_cast<std::uint8_t>(size));
  } else {
    head(0xC8, size);
  }
  out_.push(static_cast<std::uint8_t>(type));
  out_.append(value);
}

double encode_datetime(DateTime value) {
  // The last microseconds of the year 9999 are nearest to the year 10000, which no client reads.
  constexpr double latest = 253402300799.99997;
  return std::min(static_cast<double>(value.microseconds) / 1e6, latest);
}

std::optional<DateTime> decode_datetime(double seconds) {
  // Far outside the range already at a second's distance; NaN fails the comparison as well.
  constexpr double bound = 253402300800.0;
  if (!(std::abs(seconds) <= bound)) return std::nullopt;
  const double whole = std::trunc(seconds);
  // nearbyint rounds half to even: the rounding mode that every thread starts with.
  const double fraction = std::nearbyint((seconds - whole) * 1e6);
  const auto microseconds =
      static_cast<std::int64_t>(whole) * 1'000'000 + static_cast<std::int64_t>(fraction);
  if (microseconds < DateTime::min_microseconds || microseconds > DateTime::max_microseconds) {
    return std::nullopt;
  }
  return DateTime{microseconds};
}

}  // namespace parsec::msgpack
