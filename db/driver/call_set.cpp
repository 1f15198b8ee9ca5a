// Arrays in binary: PostgreSQL 15, src/backend/utils/adt/arrayfuncs.c, array_recv().
#include "db/driver/call_set.h"

#include <libpq-fe.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>

namespace parsec::db {
namespace {

constexpr std::size_t head_size = 20;  // dimensions, has nulls, type, count, lower bound
constexpr std::size_t element_head_size = 4;
/// Memory kept for the next set; a batch of big vlobs gives it back.
constexpr std::size_t kept_bytes = 128 << 10;

char* store(char* target, std::uint32_t value) {
  static_assert(std::endian::native == std::endian::little);
  value = __builtin_bswap32(value);
  std::memcpy(target, &value, sizeof(value));
  return target + sizeof(value);
}

std::size_t array_size(std::span<const Request* const> calls, std::size_t parameter) {
  std::size_t size = head_size;
  for (const Request* call : calls) {
    const auto length = call->parameters()[parameter].length;
    size += element_head_size + static_cast<std::size_t>(std::max(length, 0));
  }
  return size;
}

char* store_array(char* target, SqlType type, std::span<const Request* const> calls,
                  std::size_t parameter) {
  const auto is_null = [&](const Request* call) {
    return call->parameters()[parameter].length < 0;
  };
  target = store(target, 1);
  target = store(target, std::ranges::any_of(calls, is_null) ? 1 : 0);
  target = store(target, static_cast<std::uint32_t>(type));
  target = store(target, static_cast<std::uint32_t>(calls.size()));
  target = store(target, 1);
  for (const Request* call : calls) {
    const auto& value = call->parameters()[parameter];
    target = store(target, std::bit_cast<std::uint32_t>(value.length));
    if (value.length <= 0) continue;
    const auto length = static_cast<std::size_t>(value.length);
    std::memcpy(target, call->parameter_data(value), length);
    target += length;
  }
  return target;
}

}  // namespace

void SetParameters::fill(const SetStatement& statement, std::span<const Request* const> calls) {
  assert(!calls.empty());
  const std::size_t count = statement.types.size();
  std::size_t total = 0;
  lengths_.clear();
  for (std::size_t parameter = 0; parameter < count; ++parameter) {
    const std::size_t size = array_size(calls, parameter);
    lengths_.push_back(static_cast<int>(size));
    total += size;
  }
  if (bytes_.capacity() > kept_bytes && total < kept_bytes) std::vector<char>{}.swap(bytes_);
  bytes_.resize(total);
  values_.clear();
  char* target = bytes_.data();
  for (std::size_t parameter = 0; parameter < count; ++parameter) {
    values_.push_back(target);
    target = store_array(target, statement.types[parameter], calls, parameter);
  }
  assert(target == bytes_.data() + total);
}

ResultPtr row_as_result(const ResultPtr& of_set, int row) {
  ResultPtr result{PQcopyResult(of_set.get(), PG_COPYRES_ATTRS)};
  if (result == nullptr) throw std::bad_alloc{};
  for (int column = 0; column < PQnfields(of_set.get()); ++column) {
    const bool null = PQgetisnull(of_set.get(), row, column) != 0;
    char* value = null ? nullptr : PQgetvalue(of_set.get(), row, column);
    const int length = null ? -1 : PQgetlength(of_set.get(), row, column);
    if (PQsetvalue(result.get(), 0, column, value, length) == 0) throw std::bad_alloc{};
  }
  return result;
}

}  // namespace parsec::db
