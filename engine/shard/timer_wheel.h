// One deadline per connection slot, 100,000 of them, set and cleared on nearly every message.
//
// A hashed wheel: bucket_count lists, one per tick modulo bucket_count, linked by slot index, 16
// bytes per slot. set() and clear() are O(1). Moving a deadline further away, the common case (an
// idle limit that every message pushes on), only writes the new tick: the entry stays where it is
// and is put right when the hand gets there. A deadline beyond one round (16 s) is visited once a
// round. Never early, late by at most a tick plus what the loop needed.
//
// Shard thread only. Holds no clock: it is told the time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/handler.h"

namespace parsec::engine {

class TimerWheel {
 public:
  static constexpr Duration tick{16};
  static constexpr std::size_t bucket_count = 1024;
  /// An entry keeps 32 bits of its tick and compares them by the sign of the difference: half of
  /// that range is 397 days.
  static constexpr Duration longest = std::chrono::days{300};

  explicit TimerWheel(TimePoint start);

  /// Sets or replaces the slot's deadline. `after` beyond `longest` is cut to it.
  void set(std::uint32_t slot, TimePoint now, Duration after);
  void clear(std::uint32_t slot);
  bool is_set(std::uint32_t slot) const {
    return slot < entries_.size() && entries_[slot].bucket != not_linked;
  }

  /// The next slot whose deadline has passed, its deadline cleared. Call until there is none; set()
  /// and clear() of any slot are fine in between (a deadline set meanwhile expires in a later
  /// tick).
  std::optional<std::uint32_t> pop_expired(TimePoint now);

  /// When pop_expired() should be called next; may be earlier than the next deadline.
  std::optional<TimePoint> next_wake_up() const;

  std::size_t size() const { return size_; }

 private:
  using Tick = std::uint64_t;
  using Bucket = std::uint16_t;
  static constexpr std::uint32_t no_slot = UINT32_MAX;
  static constexpr Bucket not_linked = UINT16_MAX;
  /// The list that the hand took out of its bucket and is working on.
  static constexpr Bucket due_bucket = bucket_count;

  struct Entry {
    std::uint32_t previous = no_slot;
    std::uint32_t next = no_slot;
    std::uint32_t expiry = 0;  // the low half of a Tick
    Bucket bucket = not_linked;
  };

  static bool is_before(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
  }
  bool is_due(const Entry& entry) const {
    return !is_before(static_cast<std::uint32_t>(hand_), entry.expiry);
  }
  Tick tick_at(TimePoint time) const;
  static Bucket bucket_of(Tick at) { return static_cast<Bucket>(at % bucket_count); }
  void link(std::uint32_t slot, Bucket bucket);
  void unlink(std::uint32_t slot);
  bool advance_hand(Tick now);

  TimePoint start_;
  Tick hand_ = 0;  // every bucket up to and including this tick was taken out
  std::size_t size_ = 0;
  std::vector<Entry> entries_;
  std::array<std::uint32_t, bucket_count + 1> heads_;
  std::array<std::uint64_t, bucket_count / 64> occupied_{};  // a bit per bucket that is not empty
};

}  // namespace parsec::engine
