// Which threads have not turned over, and that a sleeping one is none of them.
#include "engine/host/heartbeats.h"

#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

TEST(Heartbeats, TellWhichThreadHasNotTurnedOver) {
  Heartbeat first;
  Heartbeat second;
  const WatchedThread one{"one", first};
  const WatchedThread two{"two", second};
  const TimePoint now = Clock::now();
  first.beat(now);
  second.beat(now - 12s);
  const auto stalls = stalled_threads(10s, now);
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_EQ(stalls[0].thread, "two");
  EXPECT_EQ(stalls[0].since, 12s);

  second.beat(now);
  EXPECT_TRUE(stalled_threads(10s, now).empty());
  EXPECT_EQ(stalled_threads(10s, now + 10s).size(), 2u) << "at the limit";
}

TEST(Heartbeats, BeginningCountsAsATurn) {
  Heartbeat heart;
  const WatchedThread watched{"new", heart};
  EXPECT_TRUE(stalled_threads(10s, Clock::now()).empty());
}

TEST(Heartbeats, WhoEndedIsNotMissed) {
  Heartbeat heart;
  { const WatchedThread watched{"short", heart}; }
  EXPECT_TRUE(stalled_threads(0s, Clock::now() + 1h).empty());
}

}  // namespace
}  // namespace parsec::engine
