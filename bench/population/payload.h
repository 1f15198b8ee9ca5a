// What blobs, blocks and messages hold: bytes that no compressor makes smaller, as encrypted data
// are, so that PostgreSQL stores all of them and what is measured of WAL, disk and network is true.
//
// Slices of one buffer of random bytes, each with a number of its own in front. Any thread.
#pragma once

#include <cstdint>

#include "bench/population/certificates.h"

namespace parsec::bench {

/// Of a blob or block: the most that the protocol takes (a msgpack bin of 1 MiB).
inline constexpr std::uint32_t most_payload_bytes = 1 << 20;

/// number: what tells it from others of that size.
Octets payload(std::uint32_t size, std::uint64_t number);

}  // namespace parsec::bench
