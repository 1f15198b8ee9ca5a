#include "bench/population/payload.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <span>

namespace parsec::bench {

namespace {

/// Twice the largest payload: there are as many places to begin as the largest has bytes. A payload
/// never repeats itself, and what PostgreSQL compresses, it compresses row by row (pglz, lz4).
const Octets& noise() {
  static const Octets bytes = [] {
    Octets made(2 * std::size_t{most_payload_bytes});
    std::mt19937_64 random{1};  // the same in every run
    for (std::size_t at = 0; at < made.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(made.data() + at, &word, sizeof(word));
    }
    return made;
  }();
  return bytes;
}

}  // namespace

Octets payload(std::uint32_t size, std::uint64_t number) {
  size = std::min(size, most_payload_bytes);
  // An odd factor spreads neighbouring numbers over the buffer (Knuth's multiplicative hashing).
  const std::uint64_t mixed = number * 0x9E3779B97F4A7C15U;
  const auto slice = std::span{noise()}.subspan(mixed % most_payload_bytes, size);
  Octets bytes{slice.begin(), slice.end()};
  // memcpy from or to null is undefined, of nothing as well (C 7.24.1).
  if (size > 0) std::memcpy(bytes.data(), &mixed, std::min<std::size_t>(size, sizeof(mixed)));
  return bytes;
}

}  // namespace parsec::bench
