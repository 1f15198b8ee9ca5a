// A request in the hands of a worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "db/driver/request.h"

namespace parsec::db {

using TimePoint = std::chrono::steady_clock::time_point;

struct Job {
  Request* request = nullptr;
  std::uint64_t sequence = 0;  // orders jobs of one route
  TimePoint submitted;
  TimePoint started{};             // its segment; zero: never
  TimePoint locked_since{};        // since it ran into a lock the first time; zero: never
  std::size_t result_bytes = 0;    // of its last execution
  std::size_t expected_bytes = 0;  // of the result of the one that comes
  std::uint32_t shard = 0;
  std::uint8_t tries = 0;       // that failed for a reason that passes
  std::uint8_t resends = 0;     // after a lost connection
  bool alone = false;           // in a segment of its own
  bool no_set = false;          // in no set: one that held it failed, or could not say
  bool prepared_again = false;  // its statement was out of date once

  Access access() const { return request->function->access; }
  bool is_locked() const { return locked_since != TimePoint{}; }
  /// Its transaction may hold nothing else.
  bool goes_alone() const {
    const Access kind = access();
    return alone || kind == Access::solo_write || kind == Access::heavy_read;
  }
};

/// The order in which every server takes the locks of a transaction, so that none waits in a
/// circle.
inline bool locks_before(const Job& one, const Job& other) {
  return std::pair{one.request->route, one.sequence} <
         std::pair{other.request->route, other.sequence};
}

inline bool is_read(const Job& job) { return !is_write(job.access()); }

}  // namespace parsec::db
