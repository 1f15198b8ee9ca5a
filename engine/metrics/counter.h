// What threads count for metrics: one writer, any number of readers, no lock. Relaxed: each value
// is right by itself, two of them may be of different moments.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace parsec::engine {

class Counter {
 public:
  /// The writer's thread. Not a read-modify-write: there is one writer.
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  /// Of what is there, and not of what has been.
  void subtract(std::uint64_t amount = 1) { add(~amount + 1); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

/// A sum of histograms, as it is told.
struct DurationSums {
  static constexpr std::array bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                     0.1,    0.25,  0.5,    1.0,   2.5,  5.0,   10.0};  // seconds

  std::array<std::uint64_t, bounds.size() + 1> counts{};  // of each bucket alone; last: beyond all
  std::uint64_t nanoseconds = 0;

  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t one : counts) sum += one;
    return sum;
  }
  DurationSums& operator+=(const DurationSums& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    nanoseconds += other.nanoseconds;
    return *this;
  }
};

class DurationHistogram {
 public:
  /// The writer's thread.
  void record(std::chrono::nanoseconds duration) {
    std::size_t bucket = 0;
    while (bucket < limits.size() && duration.count() > limits[bucket]) ++bucket;
    counts_[bucket].add();
    if (duration.count() > 0) sum_.add(static_cast<std::uint64_t>(duration.count()));
  }
  DurationSums sums() const {
    DurationSums sums;
    for (std::size_t i = 0; i < counts_.size(); ++i) sums.counts[i] = counts_[i].get();
    sums.nanoseconds = sum_.get();
    return sums;
  }

 private:
  static constexpr auto limits = [] {
    std::array<std::int64_t, DurationSums::bounds.size()> nanoseconds{};
    for (std::size_t i = 0; i < nanoseconds.size(); ++i) {
      nanoseconds[i] = static_cast<std::int64_t>(DurationSums::bounds[i] * 1e9 + 0.5);
    }
    return nanoseconds;
  }();

  std::array<Counter, DurationSums::bounds.size() + 1> counts_;
  Counter sum_;  // nanoseconds
};

}  // namespace parsec::engine
