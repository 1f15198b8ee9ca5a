// Big-endian integers in unaligned memory: the byte order of msgpack, WebSocket and PostgreSQL.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace parsec {

template <std::unsigned_integral Integer>
Integer load_big_endian(const std::byte* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little && sizeof value > 1) {
    value = std::byteswap(value);
  }
  return value;
}

template <std::unsigned_integral Integer>
void store_big_endian(std::byte* to, Integer value) {
  if constexpr (std::endian::native == std::endian::little && sizeof value > 1) {
    value = std::byteswap(value);
  }
  std::memcpy(to, &value, sizeof value);
}

}  // namespace parsec
