// A log-linear histogram of 64-bit values, for latencies above all: percentiles of many threads and
// runs come from adding histograms up, never from averaging percentiles.
//
// Values below 2^(sub_bits+1) have a bucket each; above, every power of two is divided into
// 2^sub_bits buckets of equal width. So a reported value is never below the exact one, and above it
// by less than 1/2^sub_bits, whatever the magnitude. Recording is a shift and an increment.
//
// One thread per histogram; merge() afterwards. The unit is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace parsec::engine {

class Histogram {
 public:
  static constexpr unsigned sub_bits = 7;
  /// Bound of (reported - exact) / exact.
  static constexpr double relative_error = 1.0 / (1u << sub_bits);

  Histogram() : counts_(bucket_count) {}

  /// What for_each() tells of a bucket that is not empty: any value in it, and its count.
  struct Bucket {
    std::uint64_t value = 0;
    std::uint64_t count = 0;
  };
  /// The histogram that told these of itself, exactly: how it comes back from a file. nullopt: none
  /// can have told them (a bucket twice or not in order, bounds that are in no bucket).
  static std::optional<Histogram> restore(std::span<const Bucket> buckets, std::uint64_t lowest,
                                          std::uint64_t highest, double sum);

  void record(std::uint64_t value, std::uint64_t times = 1);
  void merge(const Histogram& other);
  bool operator==(const Histogram&) const = default;

  std::uint64_t count() const { return count_; }
  /// Exact. 0 of an empty histogram, like everything below.
  std::uint64_t lowest() const { return count_ == 0 ? 0 : lowest_; }
  std::uint64_t highest() const { return highest_; }
  double sum() const { return sum_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

  /// The smallest value that a share of at least `quantile` (0..1) of the records does not exceed,
  /// within relative_error: 0.5 is the median, 1 the highest.
  std::uint64_t value_at(double quantile) const;

  /// visit(lowest, highest, count) for each bucket that is not empty, rising; both bounds belong to
  /// the bucket.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t index = 0; index < bucket_count; ++index) {
      if (counts_[index] != 0) visit(lowest_of(index), highest_of(index), counts_[index]);
    }
  }

 private:
  static constexpr std::size_t bucket_count = (64 - sub_bits + 1) << sub_bits;

  static std::size_t index_of(std::uint64_t value);
  static std::uint64_t lowest_of(std::size_t index);
  static std::uint64_t highest_of(std::size_t index);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t lowest_ = UINT64_MAX;
  std::uint64_t highest_ = 0;
  double sum_ = 0;
};

}  // namespace parsec::engine
