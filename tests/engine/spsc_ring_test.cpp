// The ring alone on one thread, then between two threads (run this under the tsan preset, too).
#include "engine/spsc_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
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

TEST(SpscRing, KeepsOrderAndContentBetweenTwoThreads) {
  struct Item {
    std::uint64_t number;
    std::uint64_t check;
  };
  constexpr std::uint64_t count = 2'000'000;
  SpscRing<Item> ring(256);
  std::thread producer([&ring] {
    for (std::uint64_t i = 0; i < count; ++i) {
      while (!ring.try_push({i, ~i})) std::this_thread::yield();
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t expected = 0; expected < count;) {
    Item item{};
    if (!ring.try_pop(item)) {
      std::this_thread::yield();
      continue;
    }
    wrong += item.number != expected || item.check != ~expected;
    ++expected;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, HandsOverWhatAPointerPointsTo) {
  // The push publishes the pointee as well: what database requests rely on.
  constexpr int count = 200'000;
  SpscRing<int*> there(64);
  SpscRing<int*> back(64);
  std::thread worker([&] {
    for (int done = 0; done < count;) {
      int* value = nullptr;
      if (!there.try_pop(value)) {
        std::this_thread::yield();
        continue;
      }
      *value += 1;
      while (!back.try_push(value)) std::this_thread::yield();
      ++done;
    }
  });
  std::vector<int> values(32, 0);
  std::vector<int*> idle;
  for (int& value : values) idle.push_back(&value);
  int sent = 0;
  for (int received = 0; received < count;) {
    while (sent < count && !idle.empty() && there.try_push(idle.back())) {
      idle.pop_back();
      ++sent;
    }
    int* value = nullptr;
    if (back.try_pop(value)) {
      idle.push_back(value);
      ++received;
    } else {
      std::this_thread::yield();
    }
  }
  worker.join();
  int sum = 0;
  for (int value : values) sum += value;
  EXPECT_EQ(sum, count);
}

TEST(SpscRing, IndicesOfTheTwoSidesAreOnDifferentLines) {
  EXPECT_EQ(alignof(SpscRing<int>), cache_line_size);
  EXPECT_EQ(sizeof(SpscRing<int>), 3 * cache_line_size);
}

}  // namespace
}  // namespace parsec::engine
