// The histogram against exact percentiles of sorted values, and its corners.
#include "engine/host/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace parsec::engine {
namespace {

/// The definition of value_at, on all the values.
std::uint64_t exact_value_at(const std::vector<std::uint64_t>& sorted, double quantile) {
  const auto rank = static_cast<std::size_t>(std::ceil(quantile * double(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

std::vector<std::uint64_t> random_values(std::uint64_t seed, std::size_t count, int magnitudes) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(random() >> (64 - 1 - random() % std::uint64_t(magnitudes)));
  }
  return values;
}

TEST(Histogram, EmptyOneSaysZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.lowest(), 0u);
  EXPECT_EQ(empty.highest(), 0u);
  EXPECT_EQ(empty.mean(), 0);
  EXPECT_EQ(empty.value_at(0.99), 0u);
  empty.for_each([](auto...) { ADD_FAILURE() << "an empty histogram has no buckets to show"; });
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (std::uint64_t value = 0; value < 256; ++value) histogram.record(value);
  for (unsigned percent = 1; percent <= 100; ++percent) {
    const double quantile = percent / 100.0;
    const auto expected = static_cast<std::uint64_t>(std::ceil(quantile * 256)) - 1;
    EXPECT_EQ(histogram.value_at(quantile), expected) << percent;
  }
  EXPECT_EQ(histogram.value_at(0), 0u);
}

TEST(Histogram, StaysWithinItsErrorOfExactPercentiles) {
  for (const int magnitudes : {8, 20, 40, 64}) {
    for (const std::size_t count : {1u, 2u, 99u, 20'000u}) {
      auto values = random_values(count + std::size_t(magnitudes), count, magnitudes);
      Histogram histogram;
      for (const std::uint64_t value : values) histogram.record(value);
      std::ranges::sort(values);
      for (const double quantile : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
        const std::uint64_t exact = exact_value_at(values, quantile);
        const std::uint64_t reported = histogram.value_at(quantile);
        EXPECT_GE(reported, exact) << magnitudes << ' ' << count << ' ' << quantile;
        EXPECT_LE(double(reported - exact), Histogram::relative_error * double(exact))
            << magnitudes << ' ' << count << ' ' << quantile;
      }
      EXPECT_EQ(histogram.lowest(), values.front());
      EXPECT_EQ(histogram.highest(), values.back());
    }
  }
}

TEST(Histogram, EveryBoundOfABucketFallsIntoIt) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t offset : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      const std::uint64_t value = (std::uint64_t{1} << bit) + offset;
      Histogram histogram;
      histogram.record(value);
      histogram.for_each([&](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
        EXPECT_LE(low, value);
        EXPECT_GE(high, value);
        EXPECT_LE(double(high - low), Histogram::relative_error * double(low)) << value;
        EXPECT_EQ(count, 1u);
        Histogram bounds;
        bounds.record(low);
        bounds.record(high);
        std::size_t buckets = 0;
        bounds.for_each([&](auto...) { ++buckets; });
        EXPECT_EQ(buckets, 1u) << value;
      });
    }
  }
}

TEST(Histogram, HoldsTheLargestValue) {
  Histogram histogram;
  histogram.record(UINT64_MAX);
  EXPECT_EQ(histogram.value_at(0.5), UINT64_MAX);
  histogram.for_each([](auto, std::uint64_t high, auto) { EXPECT_EQ(high, UINT64_MAX); });
}

TEST(Histogram, MergedIsAsRecordedTogether) {
  Histogram together;
  Histogram merged;
  for (std::uint64_t part = 0; part < 5; ++part) {
    Histogram histogram;
    for (const std::uint64_t value : random_values(part, 1000 * part, 40)) {
      histogram.record(value);
      together.record(value);
    }
    merged.merge(histogram);
  }
  EXPECT_EQ(merged.count(), together.count());
  EXPECT_EQ(merged.lowest(), together.lowest());
  EXPECT_EQ(merged.highest(), together.highest());
  EXPECT_NEAR(merged.mean(), together.mean(), together.mean() * 1e-9);
  for (const double quantile : {0.0, 0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(merged.value_at(quantile), together.value_at(quantile));
  }
}

TEST(Histogram, RecordsManyTimesAtOnce) {
  Histogram histogram;
  histogram.record(10, 99);
  histogram.record(1000);
  histogram.record(77, 0);
  EXPECT_EQ(histogram.count(), 100u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 19.9);
  EXPECT_EQ(histogram.value_at(0.99), 10u);
  EXPECT_EQ(histogram.value_at(0.991), 1000u);
}

TEST(Histogram, ComesBackFromWhatItTold) {
  for (const std::size_t count : {0u, 1u, 2u, 5'000u}) {
    Histogram histogram;
    for (const std::uint64_t value : random_values(count, count, 64)) histogram.record(value);
    std::vector<Histogram::Bucket> buckets;
    histogram.for_each([&](std::uint64_t low, std::uint64_t, std::uint64_t times) {
      buckets.push_back({low, times});
    });
    const auto restored =
        Histogram::restore(buckets, histogram.lowest(), histogram.highest(), histogram.sum());
    ASSERT_TRUE(restored) << count;
    EXPECT_EQ(*restored, histogram) << count;
  }
}

TEST(Histogram, WhatNoneCanHaveToldIsRefused) {
  using Buckets = std::vector<Histogram::Bucket>;
  struct Row {
    const char* name;
    Buckets buckets;
    std::uint64_t lowest, highest;
    double sum;
  };
  const Row rows[] = {
      {"bounds of nothing", {}, 1, 1, 1},
      {"an empty bucket", {{5, 0}}, 5, 5, 0},
      {"a bucket twice", {{5, 1}, {5, 1}}, 5, 5, 10},
      {"not in order", {{7, 1}, {5, 1}}, 5, 7, 12},
      {"lowest elsewhere", {{5, 1}, {7, 1}}, 4, 7, 12},
      {"highest elsewhere", {{5, 1}, {7, 1}}, 5, 8, 12},
      {"bounds turned round", {{1000, 2}}, 1001, 1000, 2001},
      {"too many", {{5, UINT64_MAX}, {7, 1}}, 5, 7, 12},
      {"a sum below zero", {{5, 1}}, 5, 5, -1},
      {"no sum", {{5, 1}}, 5, 5, std::nan("")},
  };
  for (const Row& row : rows) {
    EXPECT_FALSE(Histogram::restore(row.buckets, row.lowest, row.highest, row.sum)) << row.name;
  }
}

}  // namespace
}  // namespace parsec::engine
