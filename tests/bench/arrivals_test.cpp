// Rates, spacing and repeatability of intended send times. Nothing here looks at a clock.
#include "bench/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace parsec::bench {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

std::vector<nanoseconds> until(const ArrivalOptions& options, nanoseconds end) {
  Arrivals arrivals(options);
  std::vector<nanoseconds> times;
  for (nanoseconds time = arrivals.next(); time < end; time = arrivals.next()) {
    times.push_back(time);
  }
  return times;
}

std::vector<nanoseconds> of_all_shards(ArrivalOptions options, nanoseconds end) {
  std::vector<nanoseconds> all;
  for (options.shard = 0; options.shard < options.shards; ++options.shard) {
    const auto times = until(options, end);
    EXPECT_TRUE(std::ranges::is_sorted(times));
    all.insert(all.end(), times.begin(), times.end());
  }
  std::ranges::sort(all);
  return all;
}

TEST(Arrivals, ConstantOnesAreEvenlySpacedOverAllShards) {
  for (const std::uint32_t shards : {1u, 2u, 5u}) {
    const auto times = of_all_shards({.rate_per_second = 1000, .shards = shards}, 1s);
    ASSERT_EQ(times.size(), 1000u);
    for (std::size_t i = 0; i < times.size(); ++i) EXPECT_EQ(times[i], i * 1ms) << shards;
  }
}

TEST(Arrivals, ConstantOnesDoNotDrift) {
  // A third of a second has no exact number of nanoseconds.
  const auto times = until({.rate_per_second = 3}, 1000000s);
  EXPECT_EQ(times.size(), 3'000'000u);
  EXPECT_EQ(times[2'999'997], 999'999s);
}

TEST(Arrivals, PoissonOnesHaveTheRateAndTheSpreadOfTheirNames) {
  for (const std::uint32_t shards : {1u, 4u}) {
    const auto times = of_all_shards(
        {.pattern = ArrivalPattern::poisson, .rate_per_second = 1000, .shards = shards, .seed = 7},
        100s);
    // 100,000 expected with a standard deviation of 316; the seed is fixed.
    EXPECT_NEAR(double(times.size()), 100'000, 5 * 316);

    // Gaps are exponential: a share of 1/e exceeds the mean, one of 1/e^2 twice the mean.
    double above = 0;
    double far_above = 0;
    for (std::size_t i = 1; i < times.size(); ++i) {
      above += times[i] - times[i - 1] > 1ms;
      far_above += times[i] - times[i - 1] > 2ms;
    }
    EXPECT_NEAR(above / double(times.size()), std::exp(-1), 0.01);
    EXPECT_NEAR(far_above / double(times.size()), std::exp(-2), 0.01);
  }
}

TEST(Arrivals, TheSeedDecides) {
  const ArrivalOptions options{
      .pattern = ArrivalPattern::poisson, .rate_per_second = 100, .shards = 2, .seed = 1};
  EXPECT_EQ(until(options, 10s), until(options, 10s));
  for (const auto& [shard, seed] : {std::pair{0u, 2u}, {1u, 1u}, {1u, 0u}}) {
    ArrivalOptions other = options;
    other.shard = shard;
    other.seed = seed;
    EXPECT_NE(until(options, 10s), until(other, 10s)) << shard << ' ' << seed;
  }
}

}  // namespace
}  // namespace parsec::bench
