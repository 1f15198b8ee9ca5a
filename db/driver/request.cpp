// Binary formats: PostgreSQL 15, src/backend/utils/adt/{arrayfuncs,timestamp,uuid}.c, the _send
// and _recv functions. Everything is big-endian.
#include "db/driver/request.h"

#include <libpq-fe.h>

#include <bit>
#include <cassert>
#include <concepts>
#include <limits>

#include "db/driver/binary_format.h"

namespace parsec::db {
namespace {

/// 2000-01-01T00:00:00 UTC, PostgreSQL's epoch, in Unix time.
constexpr std::int64_t postgres_epoch_us = 946684800'000000;

/// A pooled Request keeps its arena up to this size, in bytes; a big vlob's goes back.
constexpr std::size_t kept_arena_bytes = 64 << 10;

template <std::unsigned_integral T>
T load(const char* source) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<T>(static_cast<T>(value << 8) | static_cast<unsigned char>(source[i]));
  }
  return value;
}

/// Values as timestamptz knows them: the infinities, and all that lies outside the years 1 to
/// 9999, become the nearest DateTime.
DateTime datetime_from(std::int64_t postgres_us) {
  constexpr std::int64_t first = DateTime::min_microseconds - postgres_epoch_us;
  constexpr std::int64_t last = DateTime::max_microseconds - postgres_epoch_us;
  if (postgres_us <= first) return {DateTime::min_microseconds};
  if (postgres_us >= last) return {DateTime::max_microseconds};
  return {postgres_us + postgres_epoch_us};
}

}  // namespace

// --- Rows ------------------------------------------------------------------------------------

int Rows::count() const { return PQntuples(result_); }

bool Rows::is_null(int row, int column) const {
  assert(row < count() && column < PQnfields(result_));
  return PQgetisnull(result_, row, column) != 0;
}

Bytes Rows::bytes(int row, int column) const { return as_bytes(text(row, column)); }

std::string_view Rows::text(int row, int column) const {
  assert(row < count() && column < PQnfields(result_));
  return {PQgetvalue(result_, row, column),
          static_cast<std::size_t>(PQgetlength(result_, row, column))};
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view raw = text(row, column);
  switch (raw.size()) {
    case 2:
      return std::bit_cast<std::int16_t>(load<std::uint16_t>(raw.data()));
    case 4:
      return std::bit_cast<std::int32_t>(load<std::uint32_t>(raw.data()));
    default:
      assert(raw.size() == 8);
      return std::bit_cast<std::int64_t>(load<std::uint64_t>(raw.data()));
  }
}

bool Rows::boolean(int row, int column) const {
  const std::string_view raw = text(row, column);
  assert(raw.size() == 1);
  return raw[0] != 0;
}

Uuid Rows::uuid(int row, int column) const {
  const Bytes raw = bytes(row, column);
  assert(raw.size() == 16);
  return Uuid::from(raw);
}

DateTime Rows::datetime(int row, int column) const {
  const std::string_view raw = text(row, column);
  assert(raw.size() == 8);
  return datetime_from(std::bit_cast<std::int64_t>(load<std::uint64_t>(raw.data())));
}

// --- Request ---------------------------------------------------------------------------------

Request::~Request() { PQclear(result); }

std::size_t Request::result_bytes() const {
  return result == nullptr ? 0 : PQresultMemorySize(result);
}

void Request::reset() {
  PQclear(result);
  result = nullptr;
  outcome = Outcome::unavailable;
  sqlstate[0] = '\0';
  execution_time = {};
  function = nullptr;
  route = 0;
  flow = {};
  tag = 0;
  parameters_.clear();
  arena_.clear();
  if (arena_.capacity() > kept_arena_bytes) std::vector<char>{}.swap(arena_);
}

/// Room for one more parameter; the caller fills it.
char* Request::add(std::size_t length) {
  const std::size_t offset = arena_.size();
  assert(length <= std::numeric_limits<std::int32_t>::max());
  assert(offset + length <= std::numeric_limits<std::uint32_t>::max());
  arena_.resize(offset + length);
  parameters_.push_back({static_cast<std::uint32_t>(offset), static_cast<std::int32_t>(length)});
  return arena_.data() + offset;
}

Request& Request::null() {
  parameters_.push_back({static_cast<std::uint32_t>(arena_.size()), -1});
  return *this;
}

Request& Request::text(std::string_view value) {
  store_bytes(add(value.size()), value.data(), value.size());
  return *this;
}

Request& Request::bytes(Bytes value) { return text(as_text(value)); }

Request& Request::boolean(bool value) {
  *add(1) = value ? 1 : 0;
  return *this;
}

Request& Request::int4(std::int32_t value) {
  store(add(4), std::bit_cast<std::uint32_t>(value));
  return *this;
}

Request& Request::int8(std::int64_t value) {
  store(add(8), std::bit_cast<std::uint64_t>(value));
  return *this;
}

Request& Request::uuid(const Uuid& value) { return bytes(value.bytes); }

Request& Request::datetime(DateTime value) { return int8(value.microseconds - postgres_epoch_us); }

Request& Request::text_array(std::span<const std::string_view> values) {
  std::size_t total = 0;
  for (const auto& value : values) total += value.size();
  char* target =
      store_array_head(add(array_size(values.size(), total)), values.size(), SqlType::text);
  for (const auto& value : values) target = store_element(target, value.data(), value.size());
  return *this;
}

Request& Request::bytes_array(std::span<const Bytes> values) {
  std::size_t total = 0;
  for (const auto& value : values) total += value.size();
  char* target =
      store_array_head(add(array_size(values.size(), total)), values.size(), SqlType::bytea);
  for (const auto& value : values) target = store_element(target, value.data(), value.size());
  return *this;
}

Request& Request::uuid_array(std::span<const Uuid> values) {
  char* target = store_array_head(add(array_size(values.size(), 16 * values.size())), values.size(),
                                  SqlType::uuid);
  for (const auto& value : values) target = store_element(target, value.bytes.data(), 16);
  return *this;
}

Request& Request::int8_array(std::span<const std::int64_t> values) {
  char* target = store_array_head(add(array_size(values.size(), 8 * values.size())), values.size(),
                                  SqlType::int8);
  for (const std::int64_t value : values) {
    target = store<std::uint32_t>(target, 8);
    target = store(target, std::bit_cast<std::uint64_t>(value));
  }
  return *this;
}

}  // namespace parsec::db
