// What blobs, blocks and messages hold: bytes that no compressor makes smaller, as encrypted data
// are, so that PostgreSQL stores all of them and what is measured of WAL, disk and network is true.
//
// Slices of one buffer of random bytes, each with a number of its own in front. Any thread.
#pragma once

#include <cstdint>

#include "bench/load/certificates.h"

namespace parsec::bench {

/// number: what tells it from others of that size.
Octets payload(std::uint32_t size, std::uint64_t number);

}  // namespace parsec::bench
