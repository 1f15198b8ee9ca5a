#include "bench/repeats.h"

#include <gtest/gtest.h>

#include <vector>

namespace parsec::bench {
namespace {

TEST(Repeats, MedianAndSpread) {
  struct Case {
    std::vector<double> runs;
    double median, lowest, highest, spread;
  };
  const Case cases[] = {
      {{4}, 4, 4, 4, 0},
      {{3, 1}, 2, 1, 3, 1},
      {{10, 8, 12}, 10, 8, 12, 0.4},
      {{5, 5, 1000, 4, 6}, 5, 4, 1000, 199.2},  // one disturbed run does not move the median
      {{0, 0, 0}, 0, 0, 0, 0},
      {{4, 1, 3, 2}, 2.5, 1, 4, 1.2},
  };
  for (const Case& expected : cases) {
    const Repeats repeats = summarize(expected.runs);
    EXPECT_DOUBLE_EQ(repeats.median, expected.median);
    EXPECT_DOUBLE_EQ(repeats.lowest, expected.lowest);
    EXPECT_DOUBLE_EQ(repeats.highest, expected.highest);
    EXPECT_DOUBLE_EQ(repeats.spread(), expected.spread);
  }
}

}  // namespace
}  // namespace parsec::bench
