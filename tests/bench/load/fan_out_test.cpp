#include "bench/load/fan_out.h"

#include <gtest/gtest.h>

#include <thread>

namespace parsec::bench {
namespace {

using engine::TimePoint;
using namespace std::chrono_literals;

constexpr TimePoint start{1s};

/// One author, whose device also listens once; two other subscribers, and one elsewhere.
class FanOutTest : public ::testing::Test {
 protected:
  const std::vector<Placed> all{
      {.device = {0, 0, 0}, .role = Role::active, .number = 0},
      {.device = {0, 0, 0}, .role = Role::subscriber, .number = 0},
      {.device = {0, 0, 1}, .role = Role::subscriber, .number = 1},
      {.device = {0, 1, 0}, .role = Role::subscriber, .number = 2},
      {.device = {1, 1, 0}, .role = Role::subscriber, .number = 3},
      {.device = {0, 2, 0}, .role = Role::idle, .number = 0},
  };
  FanOut fan_out{all};
  std::mt19937_64 random{1};
  const Uuid vlob = FanOut::vlob_of(0, random);
};

TEST_F(FanOutTest, IsOverWhenTheLastOneHasHeard) {
  ASSERT_EQ(fan_out.audience(0), 2u);
  fan_out.begin(0, vlob, 2);
  EXPECT_EQ(fan_out.saw(vlob, 2, start), std::nullopt);
  EXPECT_FALSE(fan_out.is_over(0));
  EXPECT_EQ(fan_out.saw(vlob, 2, start + 5ms), std::optional{0u});
  EXPECT_TRUE(fan_out.is_over(0));
  EXPECT_EQ(fan_out.take(0), std::optional{start + 5ms});
  EXPECT_FALSE(fan_out.is_over(0));
}

TEST_F(FanOutTest, WhatIsOfAnotherRunDoesNotCount) {
  fan_out.begin(0, vlob, 2);
  const Uuid unknown = FanOut::vlob_of(7, random);
  EXPECT_EQ(fan_out.saw(unknown, 2, start), std::nullopt);
  EXPECT_EQ(fan_out.saw(vlob, 1, start), std::nullopt);
  EXPECT_EQ(fan_out.saw(vlob, 2, start), std::nullopt);
  EXPECT_EQ(fan_out.saw(vlob, 1, start), std::nullopt);
  EXPECT_FALSE(fan_out.is_over(0));
  EXPECT_EQ(fan_out.saw(vlob, 2, start), std::optional{0u});
  EXPECT_EQ(fan_out.saw(vlob, 2, start), std::nullopt);  // nobody is missing any more
}

TEST_F(FanOutTest, WhenSubscribersComeAndGoNothingIsKnown) {
  fan_out.disturb();  // nothing is under way
  fan_out.begin(0, vlob, 2);
  fan_out.saw(vlob, 2, start);
  fan_out.disturb();
  EXPECT_TRUE(fan_out.is_over(0));
  EXPECT_EQ(fan_out.take(0), std::nullopt);
  fan_out.begin(0, vlob, 3);
  fan_out.saw(vlob, 3, start);
  fan_out.saw(vlob, 3, start);
  fan_out.disturb();  // all had heard already
  EXPECT_EQ(fan_out.take(0), std::optional{start});
}

TEST_F(FanOutTest, SubscribersOnSeveralThreads) {
  std::vector<Placed> many{{.device = {0, 0, 0}, .role = Role::active, .number = 0}};
  constexpr std::uint32_t each = 5000;
  for (std::uint32_t i = 0; i < 2 * each; ++i) {
    many.push_back({.device = {0, 1, i}, .role = Role::subscriber, .number = i});
  }
  FanOut wide{many};
  wide.begin(0, vlob, 2);
  std::atomic<int> last{0};
  const auto hear = [&] {
    for (std::uint32_t i = 0; i < each; ++i) last += wide.saw(vlob, 2, start) ? 1 : 0;
  };
  std::thread other{hear};
  hear();
  other.join();
  EXPECT_EQ(last, 1);
  EXPECT_EQ(wide.take(0), std::optional{start});
}

}  // namespace
}  // namespace parsec::bench
