#include "db/driver/call_set.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cassert>
#include <new>

namespace parsec::db {
namespace {

/// Memory kept for the next set; a batch of big vlobs gives it back.
constexpr std::size_t kept_bytes = 128 << 10;

std::size_t size_of_array(std::span<const Request* const> calls, std::size_t parameter) {
  std::size_t bytes = 0;
  for (const Request* call : calls) {
    bytes += static_cast<std::size_t>(std::max(call->parameters()[parameter].length, 0));
  }
  return array_size(calls.size(), bytes);
}

char* store_array(char* target, SqlType type, std::span<const Request* const> calls,
                  std::size_t parameter) {
  const auto is_null = [&](const Request* call) {
    return call->parameters()[parameter].length < 0;
  };
  target = store_array_head(target, calls.size(), type, std::ranges::any_of(calls, is_null));
  for (const Request* call : calls) {
    const auto& value = call->parameters()[parameter];
    target = is_null(call) ? store_null_element(target)
                           : store_element(target, call->parameter_data(value),
                                           static_cast<std::size_t>(value.length));
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
    const std::size_t size = size_of_array(calls, parameter);
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
