// A bounded queue between exactly two threads: one pushes, one pops. No locks, no allocation after
// construction, no waiting: a full ring says so and its producer decides what backpressure means.
//
// The producer owns tail_, the consumer owns head_; each keeps a copy of the other's index and
// reads the real one (a cache miss) only when the copy says "full" or "empty". Sleeping and waking
// are not its business: see waker.h.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace parsec::engine {

/// What two threads write must not share a line. 64 bytes on every processor we run on (the
/// library's constant may differ between compilers, which would make it part of the ABI).
inline constexpr std::size_t cache_line_size = 64;

template <class T>
requires std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>
class SpscRing {
 public:
  /// `capacity`: a power of two.
  explicit SpscRing(std::size_t capacity)
      : mask_(capacity - 1), slots_(std::make_unique<T[]>(capacity)) {
    assert(std::has_single_bit(capacity));
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  /// Producer only. False: full, nothing happened.
  bool try_push(T value) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - cached_head_ > mask_) {
      // Acquire pairs with the release in try_pop: the consumer has finished reading the slot
      // that is about to be overwritten.
      cached_head_ = head_.load(std::memory_order_acquire);
      if (tail - cached_head_ > mask_) return false;
    }
    slots_[tail & mask_] = value;
    // Release pairs with the acquire in try_pop (and in empty): who sees the index sees the value
    // and everything written before the push.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Consumer only. False: empty, `value` is untouched.
  bool try_pop(T& value) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == cached_tail_) {
      // Acquire pairs with the release in try_push.
      cached_tail_ = tail_.load(std::memory_order_acquire);
      if (head == cached_tail_) return false;
    }
    value = slots_[head & mask_];
    // Release pairs with the acquire in try_push: the slot was read, it may be overwritten.
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  /// Exact for the consumer as to "not empty", for the producer as to "empty"; a hint otherwise.
  bool empty() const { return size() == 0; }

  /// From any thread, and only a hint when the other side is at work.
  std::size_t size() const {
    // head_ first: it never passes tail_, so the difference cannot go below zero.
    const std::size_t head = head_.load(std::memory_order_acquire);
    const std::size_t tail = tail_.load(std::memory_order_acquire);
    return tail - head;
  }

  std::size_t capacity() const { return mask_ + 1; }

 private:
  // Read by both, written by none.
  const std::size_t mask_;
  const std::unique_ptr<T[]> slots_;

  // The producer's line. Indices grow for ever and wrap with the type; the mask makes the slot.
  alignas(cache_line_size) std::atomic<std::size_t> tail_{0};
  std::size_t cached_head_ = 0;

  // The consumer's line.
  alignas(cache_line_size) std::atomic<std::size_t> head_{0};
  std::size_t cached_tail_ = 0;
};

}  // namespace parsec::engine
