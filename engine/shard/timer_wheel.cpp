#include "engine/shard/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace parsec::engine {

TimerWheel::TimerWheel(TimePoint start) : start_(start) { heads_.fill(no_slot); }

TimerWheel::Tick TimerWheel::tick_at(TimePoint time) const {
  return static_cast<Tick>((time - start_) / tick);
}

void TimerWheel::set(std::uint32_t slot, TimePoint now, Duration after) {
  if (slot >= entries_.size()) entries_.resize(std::size_t{slot} + 1);
  after = std::clamp(after, Duration{0}, longest);
  // Rounded up, so that it is never early; after the hand, so that the hand gets there.
  const Tick at = std::max(tick_at(now + after + tick - TimePoint::duration{1}), hand_ + 1);
  const auto expiry = static_cast<std::uint32_t>(at);

  Entry& entry = entries_[slot];
  if (entry.bucket != not_linked) {
    if (entry.bucket != due_bucket && !is_before(expiry, entry.expiry)) {
      entry.expiry = expiry;
      return;
    }
    unlink(slot);
  }
  entry.expiry = expiry;
  link(slot, bucket_of(expiry));
}

void TimerWheel::clear(std::uint32_t slot) {
  if (is_set(slot)) unlink(slot);
}

std::optional<std::uint32_t> TimerWheel::pop_expired(TimePoint now) {
  const Tick now_tick = tick_at(now);
  do {
    while (heads_[due_bucket] != no_slot) {
      const std::uint32_t slot = heads_[due_bucket];
      unlink(slot);
      if (is_due(entries_[slot])) return slot;
      link(slot, bucket_of(entries_[slot].expiry));
    }
  } while (advance_hand(now_tick));
  return std::nullopt;
}

/// Moves the hand to the next bucket that is not empty, at most to `now`, and takes its list out.
/// False if there was none.
bool TimerWheel::advance_hand(Tick now) {
  assert(heads_[due_bucket] == no_slot);
  // After a long sleep one round sees everything; the ticks before it would only be repeated.
  if (hand_ + bucket_count < now) hand_ = now - bucket_count;
  while (hand_ < now) {
    ++hand_;
    const Bucket bucket = bucket_of(hand_);
    if (heads_[bucket] == no_slot) continue;
    heads_[due_bucket] = heads_[bucket];
    heads_[bucket] = no_slot;
    occupied_[bucket / 64] &= ~(std::uint64_t{1} << bucket % 64);
    for (std::uint32_t slot = heads_[due_bucket]; slot != no_slot; slot = entries_[slot].next) {
      entries_[slot].bucket = due_bucket;
    }
    return true;
  }
  return false;
}

std::optional<TimePoint> TimerWheel::next_wake_up() const {
  if (size_ == 0) return std::nullopt;
  const auto time_of = [this](Tick distance) {
    return start_ + tick * static_cast<std::int64_t>(hand_ + distance);
  };
  if (heads_[due_bucket] != no_slot) return time_of(0);
  for (Tick distance = 1; distance <= bucket_count;) {
    const Bucket bucket = bucket_of(hand_ + distance);
    const std::uint64_t rest = occupied_[bucket / 64] >> bucket % 64;
    if (rest != 0) return time_of(distance + static_cast<Tick>(std::countr_zero(rest)));
    distance += 64 - bucket % 64;
  }
  assert(false && "entries without a bucket");
  return std::nullopt;
}

void TimerWheel::link(std::uint32_t slot, Bucket bucket) {
  Entry& entry = entries_[slot];
  entry.bucket = bucket;
  entry.previous = no_slot;
  entry.next = heads_[bucket];
  if (entry.next != no_slot) entries_[entry.next].previous = slot;
  heads_[bucket] = slot;
  occupied_[bucket / 64] |= std::uint64_t{1} << bucket % 64;
  ++size_;
}

void TimerWheel::unlink(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  assert(entry.bucket != not_linked);
  if (entry.next != no_slot) entries_[entry.next].previous = entry.previous;
  if (entry.previous != no_slot) {
    entries_[entry.previous].next = entry.next;
  } else {
    heads_[entry.bucket] = entry.next;
    if (entry.next == no_slot && entry.bucket != due_bucket) {
      occupied_[entry.bucket / 64] &= ~(std::uint64_t{1} << entry.bucket % 64);
    }
  }
  entry.bucket = not_linked;
  --size_;
}

}  // namespace parsec::engine
