// Counters and histograms of metrics: values, bounds, sums.
#include "engine/metrics/counter.h"

#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

TEST(Counter, CountsUpAndDown) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.get(), 42u);
  counter.subtract();
  counter.subtract(40);
  EXPECT_EQ(counter.get(), 1u);
}

TEST(DurationHistogram, ABoundBelongsToItsBucket) {
  DurationHistogram histogram;
  histogram.record(0ns);
  histogram.record(500us);
  histogram.record(500us + 1ns);
  histogram.record(10s);
  histogram.record(10s + 1ns);
  histogram.record(1h);
  const DurationSums sums = histogram.sums();
  EXPECT_EQ(sums.counts.front(), 2u);
  EXPECT_EQ(sums.counts[1], 1u);
  EXPECT_EQ(sums.counts[13], 1u);
  EXPECT_EQ(sums.counts.back(), 2u);
  EXPECT_EQ(sums.count(), 6u);
  EXPECT_EQ(sums.nanoseconds, 3'620'001'000'002u);
}

TEST(DurationHistogram, ATimeBeforeItsBeginningIsNone) {
  DurationHistogram histogram;
  histogram.record(-1s);
  EXPECT_EQ(histogram.sums().counts.front(), 1u);
  EXPECT_EQ(histogram.sums().nanoseconds, 0u);
}

TEST(DurationSums, AddUp) {
  DurationHistogram one, other;
  one.record(1ms);
  other.record(1ms);
  other.record(1min);
  DurationSums sums = one.sums();
  sums += other.sums();
  EXPECT_EQ(sums.counts[1], 2u);
  EXPECT_EQ(sums.counts.back(), 1u);
  EXPECT_EQ(sums.nanoseconds, 60'002'000'000u);
}

}  // namespace
}  // namespace parsec::engine
