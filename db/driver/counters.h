// What a database worker counts. One writer (the worker's thread), any number of readers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace parsec::db {

enum class Count : std::uint8_t {
  requests,         // taken from the shards
  executions,       // sent to PostgreSQL, replays included
  sets,             // of these, several calls as one
  set_calls,        // that were in one
  segments,         // sent, each with one Sync: so many round trips
  read_segments,    // of these, without a write
  commits,          // segments that wrote and were committed
  aborts,           // segments rolled back because of an error in them
  replays,          // executions that were rolled back with another's error, to be sent again
  lock_waits,       // of a write for a lock, in vain: it tries again, apart
  dropped_results,  // of reads, too many bytes together: read again alone
  retries,          // of a request that failed for a reason that passes
  prepares,         // statements
  connects,         // connections that became ready
  losses,           // connections that were lost
  resends,          // requests that were sent on a lost connection, and go to another one
  ok,               // answers
  unavailable,
  unknown,
  failed,
  sleeps,
  wake_ups,
};
inline constexpr std::size_t count_size = static_cast<std::size_t>(Count::wake_ups) + 1;

constexpr std::string_view name(Count count) {
  constexpr std::array<std::string_view, count_size> names{
      "requests",        "executions", "sets",        "set_calls", "segments",
      "read_segments",   "commits",    "aborts",      "replays",   "lock_waits",
      "dropped_results", "retries",    "prepares",    "connects",  "losses",
      "resends",         "ok",         "unavailable", "unknown",   "failed",
      "sleeps",          "wake_ups"};
  return names[static_cast<std::size_t>(count)];
}

class Counters {
 public:
  /// Not a read-modify-write: there is one writer.
  void add(Count count, std::uint64_t amount = 1) {
    auto& value = values_[static_cast<std::size_t>(count)];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  /// Any thread. Relaxed: two values may be of different moments.
  std::uint64_t get(Count count) const {
    return values_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, count_size> values_{};
};

}  // namespace parsec::db
