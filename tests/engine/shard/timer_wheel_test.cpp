// The wheel against a plain sorted list of deadlines, and the corners where wheels go wrong.
#include "engine/shard/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

const TimePoint start = TimePoint{} + 1234567us;

std::vector<std::uint32_t> expired(TimerWheel& wheel, TimePoint now) {
  std::vector<std::uint32_t> slots;
  while (const auto slot = wheel.pop_expired(now)) slots.push_back(*slot);
  return slots;
}

TEST(TimerWheel, FiresOnceNeverEarlyAndAtMostATickLate) {
  for (const Duration after : {0ms, 1ms, 15ms, 16ms, 17ms, 1000ms, 16'384ms, 16'385ms, 90'000ms}) {
    TimerWheel wheel(start);
    const TimePoint now = start + 7ms;
    wheel.set(3, now, after);
    EXPECT_TRUE(expired(wheel, now + after - 1us).empty()) << after.count();
    EXPECT_EQ(expired(wheel, now + after + 2 * TimerWheel::tick), std::vector{3u});
    EXPECT_FALSE(wheel.is_set(3));
    EXPECT_TRUE(expired(wheel, now + after + 200s).empty());
    EXPECT_EQ(wheel.next_wake_up(), std::nullopt);
  }
}

TEST(TimerWheel, ReplacesAndClears) {
  TimerWheel wheel(start);
  wheel.set(1, start, 100ms);
  wheel.set(1, start, 5000ms);  // later: stays in its bucket until the hand comes by
  wheel.set(2, start, 5000ms);
  wheel.set(2, start, 100ms);  // earlier
  wheel.set(4, start, 100ms);
  wheel.clear(4);
  wheel.clear(4);
  wheel.clear(70'000);
  EXPECT_EQ(wheel.size(), 2u);
  EXPECT_EQ(expired(wheel, start + 1s), std::vector{2u});
  EXPECT_TRUE(expired(wheel, start + 4999ms).empty());
  EXPECT_EQ(expired(wheel, start + 5100ms), std::vector{1u});
}

TEST(TimerWheel, ADeadlineSetWhileExpiringDoesNotFireInTheSameCall) {
  TimerWheel wheel(start);
  wheel.set(1, start, 10ms);
  const TimePoint now = start + 1s;
  int fired = 0;
  while (const auto slot = wheel.pop_expired(now)) {
    ASSERT_LT(++fired, 3);
    wheel.set(*slot, now, 0ms);
  }
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(expired(wheel, now + 2 * TimerWheel::tick), std::vector{1u});
}

TEST(TimerWheel, ASlotClearedWhileItsBucketIsBeingEmptiedDoesNotFire) {
  TimerWheel wheel(start);
  for (std::uint32_t slot = 0; slot < 3; ++slot) wheel.set(slot, start, 10ms);
  const auto first = wheel.pop_expired(start + 1s);
  ASSERT_TRUE(first.has_value());
  for (std::uint32_t slot = 0; slot < 3; ++slot) wheel.clear(slot);
  EXPECT_TRUE(expired(wheel, start + 1s).empty());
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, WakesInTimeForEveryDeadline) {
  TimerWheel wheel(start);
  wheel.set(0, start, 40'000ms);
  TimePoint now = start;
  int wake_ups = 0;
  while (expired(wheel, now).empty()) {
    const auto next = wheel.next_wake_up();
    ASSERT_TRUE(next.has_value());
    ASSERT_GT(*next, now);
    now = *next;
    ASSERT_LT(++wake_ups, 10);
  }
  EXPECT_GE(now, start + 40'000ms);
  EXPECT_LE(now, start + 40'000ms + 2 * TimerWheel::tick);
}

TEST(TimerWheel, SurvivesLongSleepsAndYearsOfUptime) {
  TimerWheel wheel(start);
  TimePoint now = start;
  for (int month = 0; month < 40; ++month) {
    wheel.set(9, now, 5000ms);
    wheel.set(8, now, std::chrono::days{1});
    EXPECT_EQ(expired(wheel, now + 5050ms), std::vector{9u});
    const auto next = wheel.next_wake_up();
    ASSERT_TRUE(next.has_value());
    EXPECT_GT(*next, now);
    now += std::chrono::days{30};
    EXPECT_EQ(expired(wheel, now), std::vector{8u});
  }
}

TEST(TimerWheel, CutsAbsurdlyLongDeadlines) {
  TimerWheel wheel(start);
  wheel.set(1, start, Duration::max() / 2);
  EXPECT_TRUE(expired(wheel, start + std::chrono::days{299}).empty());
  EXPECT_EQ(expired(wheel, start + std::chrono::days{301}), std::vector{1u});
}

TEST(TimerWheel, AgreesWithASortedListOverRandomOperations) {
  std::mt19937 random(20240601);
  for (int round = 0; round < 20; ++round) {
    TimerWheel wheel(start);
    std::map<std::uint32_t, TimePoint> model;
    TimePoint now = start;
    for (int step = 0; step < 5000; ++step) {
      const auto slot = static_cast<std::uint32_t>(random() % 200);
      switch (random() % 8) {
        case 0:
          wheel.clear(slot);
          model.erase(slot);
          break;
        case 1:
        case 2:
          now += std::chrono::microseconds(random() % (random() % 50 == 0 ? 40'000'000 : 30'000));
          for (std::uint32_t fired : expired(wheel, now)) {
            ASSERT_TRUE(model.contains(fired));
            ASSERT_LE(model[fired], now) << "early";
            model.erase(fired);
          }
          for (const auto& [late, when] : model) {
            ASSERT_GT(when + 2 * TimerWheel::tick, now) << "late: " << late;
          }
          break;
        default: {
          const Duration after{random() % (random() % 4 == 0 ? 60'000 : 300)};
          wheel.set(slot, now, after);
          model[slot] = now + after;
        }
      }
      ASSERT_EQ(wheel.size(), model.size());
      for (const auto& [other, when] : model) ASSERT_TRUE(wheel.is_set(other));
    }
  }
}

}  // namespace
}  // namespace parsec::engine
