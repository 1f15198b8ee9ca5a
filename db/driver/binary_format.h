// Values and arrays as PostgreSQL's binary format has them: PostgreSQL 15,
// src/backend/utils/adt/arrayfuncs.c, array_recv(). Everything is big-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace parsec::db {

/// OIDs of the types that parameters have: src/include/catalog/pg_type.dat.
enum class SqlType : std::uint32_t {
  boolean = 16,
  bytea = 17,
  int8 = 20,
  int4 = 23,
  text = 25,
  timestamptz = 1184,
  uuid = 2950,
};

/// Returns where the next value goes, as all of these do.
template <std::unsigned_integral T>
char* store(char* target, T value) {
  static_assert(std::endian::native == std::endian::little);
  for (std::size_t i = sizeof value; i-- > 0;) *target++ = static_cast<char>(value >> (8 * i));
  return target;
}

inline char* store_bytes(char* target, const void* data, std::size_t size) {
  if (size != 0) std::memcpy(target, data, size);
  return target + size;
}

inline constexpr std::size_t element_head_size = 4;

/// element_bytes: of all that are not null.
inline std::size_t array_size(std::size_t count, std::size_t element_bytes) {
  constexpr std::size_t head_size = 12;
  constexpr std::size_t dimension_size = 8;
  return count == 0 ? head_size
                    : head_size + dimension_size + count * element_head_size + element_bytes;
}

/// One dimension from index 1; an empty array has no dimension.
inline char* store_array_head(char* target, std::size_t count, SqlType type,
                              bool has_nulls = false) {
  target = store<std::uint32_t>(target, count == 0 ? 0 : 1);
  target = store<std::uint32_t>(target, has_nulls ? 1 : 0);
  target = store(target, static_cast<std::uint32_t>(type));
  if (count == 0) return target;
  target = store(target, static_cast<std::uint32_t>(count));
  return store<std::uint32_t>(target, 1);
}

inline char* store_element(char* target, const void* data, std::size_t size) {
  target = store(target, static_cast<std::uint32_t>(size));
  return store_bytes(target, data, size);
}
inline char* store_null_element(char* target) { return store(target, UINT32_MAX); }

}  // namespace parsec::db
