// Buckets of the histogram. With s = sub_bits: a value of more than s+1 bits keeps its first s+1
// bits, and `shift` says how many it lost. The index is shift * 2^s plus the kept bits, which makes
// one row of buckets without a gap: kept bits of a shifted value are at least 2^s.
#include "engine/host/histogram.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace parsec::engine {

std::optional<Histogram> Histogram::restore(std::span<const Bucket> buckets, std::uint64_t lowest,
                                            std::uint64_t highest, double sum) {
  Histogram restored;
  if (buckets.empty()) {
    return lowest == 0 && highest == 0 && sum == 0 ? std::optional{restored} : std::nullopt;
  }
  std::optional<std::size_t> last;
  for (const Bucket& bucket : buckets) {
    const std::size_t index = index_of(bucket.value);
    if (bucket.count == 0 || (last && index <= *last)) return std::nullopt;
    if (restored.count_ + bucket.count < restored.count_) return std::nullopt;  // overflow
    restored.counts_[index] = bucket.count;
    restored.count_ += bucket.count;
    last = index;
  }
  if (lowest > highest || index_of(lowest) != index_of(buckets.front().value) ||
      index_of(highest) != *last || !(sum >= 0) || !std::isfinite(sum)) {
    return std::nullopt;
  }
  restored.lowest_ = lowest;
  restored.highest_ = highest;
  restored.sum_ = sum;
  return restored;
}

void Histogram::record(std::uint64_t value, std::uint64_t times) {
  if (times == 0) return;
  counts_[index_of(value)] += times;
  count_ += times;
  lowest_ = std::min(lowest_, value);
  highest_ = std::max(highest_, value);
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t index = 0; index < bucket_count; ++index) counts_[index] += other.counts_[index];
  count_ += other.count_;
  lowest_ = std::min(lowest_, other.lowest_);
  highest_ = std::max(highest_, other.highest_);
  sum_ += other.sum_;
}

std::uint64_t Histogram::value_at(double quantile) const {
  assert(quantile >= 0 && quantile <= 1);
  if (count_ == 0) return 0;
  const double wanted = std::ceil(quantile * static_cast<double>(count_));
  if (wanted >= static_cast<double>(count_)) return highest_;
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t index = index_of(lowest_);; ++index) {
    assert(index < bucket_count);
    seen += counts_[index];
    if (seen >= rank) return std::min(highest_of(index), highest_);
  }
}

std::size_t Histogram::index_of(std::uint64_t value) {
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = bits > sub_bits + 1 ? bits - (sub_bits + 1) : 0;
  return (std::size_t{shift} << sub_bits) + (value >> shift);
}

std::uint64_t Histogram::lowest_of(std::size_t index) {
  const std::size_t row = index >> sub_bits;
  if (row < 2) return index;
  const std::size_t shift = row - 1;
  return std::uint64_t{index - (shift << sub_bits)} << shift;
}

std::uint64_t Histogram::highest_of(std::size_t index) {
  return index + 1 == bucket_count ? UINT64_MAX : lowest_of(index + 1) - 1;
}

}  // namespace parsec::engine
