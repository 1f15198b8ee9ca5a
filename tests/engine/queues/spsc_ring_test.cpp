// The ring alone on one thread, then between two threads (run this under the tsan preset, too).
#include "engine/queues/spsc_ring.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

namespace parsec::engine {
namespace {

TEST(SpscRing, IsFirstInFirstOutAndBounded) {
  SpscRing<int> ring(4);
  EXPECT_EQ(ring.capacity(), 4u);
  EXPECT_TRUE(ring.empty());
  int value = -1;
  EXPECT_FALSE(ring.try_pop(value));
  EXPECT_EQ(value, -1);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.try_push(i));
  EXPECT_FALSE(ring.try_push(99));
  EXPECT_EQ(ring.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(ring.try_pop(value));
    EXPECT_EQ(value, i);
  }
  EXPECT_FALSE(ring.try_pop(value));
}

TEST(SpscRing, ARefusedPushLeavesTheRingAsItWas) {
  SpscRing<int> ring(1);
  ASSERT_TRUE(ring.try_push(1));
  ASSERT_FALSE(ring.try_push(2));
  int value = 0;
  ASSERT_TRUE(ring.try_pop(value));
  EXPECT_EQ(value, 1);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.try_push(3));
}

TEST(SpscRing, WrapsAroundAtEveryFillLevel) {
  SpscRing<std::uint32_t> ring(8);
  std::uint32_t pushed = 0;
  std::uint32_t popped = 0;
  for (std::size_t level = 1; level <= ring.capacity(); ++level) {
    for (int round = 0; round < 20; ++round) {
      while (ring.size() < level) ASSERT_TRUE(ring.try_push(pushed++));
      std::uint32_t value = 0;
      ASSERT_TRUE(ring.try_pop(value));
      ASSERT_EQ(value, popped++);
    }
  }
}

/// As many items as fit into a time: on a busy machine every full or empty ring costs a time slice.
bool time_is_up(std::uint64_t step) {
  static const auto patience = std::chrono::milliseconds{500};
  thread_local std::chrono::steady_clock::time_point start;
  if (step == 0) start = std::chrono::steady_clock::now();
  return step % 256 == 255 && std::chrono::steady_clock::now() - start > patience;
}

TEST(SpscRing, KeepsOrderAndContentBetweenTwoThreads) {
  struct Numbered {
    std::uint64_t number;
    std::uint64_t check;
  };
  constexpr std::uint64_t most = 2'000'000;
  constexpr std::uint64_t end = UINT64_MAX;
  SpscRing<Numbered> ring(256);
  std::uint64_t pushed = 0;
  std::thread producer([&] {
    const auto push = [&](Numbered item) {
      while (!ring.try_push(item)) std::this_thread::yield();
    };
    for (; pushed < most && !time_is_up(pushed); ++pushed) push({pushed, ~pushed});
    push({end, 0});
  });
  std::uint64_t wrong = 0;
  std::uint64_t popped = 0;
  for (Numbered item{};;) {
    if (!ring.try_pop(item)) {
      std::this_thread::yield();
      continue;
    }
    if (item.number == end) break;
    wrong += item.number != popped || item.check != ~popped;
    ++popped;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(popped, pushed);
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, HandsOverWhatAPointerPointsTo) {
  // The push publishes the pointee as well: what database requests rely on.
  constexpr std::uint64_t most = 200'000;
  SpscRing<std::uint64_t*> there(64);
  SpscRing<std::uint64_t*> back(64);
  std::thread worker([&] {
    for (std::uint64_t* value = nullptr;;) {
      if (!there.try_pop(value)) {
        std::this_thread::yield();
        continue;
      }
      if (value == nullptr) return;
      *value += 1;
      while (!back.try_push(value)) std::this_thread::yield();
    }
  });
  std::vector<std::uint64_t> values(32, 0);
  std::vector<std::uint64_t*> idle;
  for (std::uint64_t& value : values) idle.push_back(&value);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (bool sending = true; sending || received < sent;) {
    while (sending && !idle.empty() && there.try_push(idle.back())) {
      idle.pop_back();
      sending = ++sent < most && !time_is_up(sent - 1);
    }
    std::uint64_t* value = nullptr;
    if (back.try_pop(value)) {
      idle.push_back(value);
      ++received;
    } else {
      std::this_thread::yield();
    }
  }
  ASSERT_TRUE(there.try_push(nullptr));
  worker.join();
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::uint64_t{0}), sent);
}

TEST(SpscRing, IndicesOfTheTwoSidesAreOnDifferentLines) {
  EXPECT_EQ(alignof(SpscRing<int>), cache_line_size);
  EXPECT_EQ(sizeof(SpscRing<int>), 3 * cache_line_size);
}

}  // namespace
}  // namespace parsec::engine
