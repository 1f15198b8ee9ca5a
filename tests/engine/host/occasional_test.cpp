#include "engine/host/occasional.h"

#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

TEST(Occasional, SaysHowOftenNowAndThen) {
  Occasional occasional{30s};
  std::chrono::steady_clock::time_point now{1h};
  EXPECT_EQ(occasional.add(now), 1U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(occasional.add(now + 29s), std::nullopt);
  EXPECT_EQ(occasional.add(now + 30s), 11U);
  EXPECT_EQ(occasional.add(now + 31s), std::nullopt);
}

}  // namespace
}  // namespace parsec::engine
