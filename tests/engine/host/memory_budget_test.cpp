#include "engine/host/memory_budget.h"

#include <gtest/gtest.h>

#include <utility>

#include "engine/queues/waker.h"

namespace parsec::engine {
namespace {

constexpr std::int64_t mebibyte = 1 << 20;
using Pressure = MemoryBudget::Pressure;

TEST(MemoryBudget, PressureGrowsWithWhatIsHeld) {
  MemoryBudget budget{100 * mebibyte, 2};
  MemoryBudget::Share one{budget};
  MemoryBudget::Share other{budget};
  EXPECT_EQ(budget.pressure(), Pressure::none);
  one.add(40 * mebibyte);
  other.add(39 * mebibyte);
  EXPECT_EQ(budget.pressure(), Pressure::none);
  other.add(mebibyte);
  EXPECT_EQ(budget.pressure(), Pressure::high);
  one.add(15 * mebibyte);
  EXPECT_EQ(budget.pressure(), Pressure::too_high);
  one.add(-50 * mebibyte);
  EXPECT_EQ(budget.pressure(), Pressure::none);
}

TEST(MemoryBudget, ShardsTellInSteps) {
  MemoryBudget budget{100 * mebibyte, 1};
  MemoryBudget::Share share{budget};
  share.add(1000);
  EXPECT_EQ(budget.used(), 0);
  EXPECT_EQ(share.held(), 1000);
  share.tell();
  EXPECT_EQ(budget.used(), 1000);
  share.add(300'000);
  EXPECT_EQ(budget.used(), 301'000);
}

TEST(MemoryBudget, WhatAShardHeldIsGoneWithIt) {
  MemoryBudget budget{100 * mebibyte, 1};
  {
    MemoryBudget::Share share{budget};
    share.add(mebibyte);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(MemoryBudget, TellsHowMuchMustGo) {
  MemoryBudget budget{100 * mebibyte, 1};
  MemoryBudget::Share share{budget};
  for (const auto& [pressure, held] : {std::pair{Pressure::too_high, 97}, {Pressure::high, 90}}) {
    share.add(held * mebibyte - share.held());
    EXPECT_GE(budget.pressure(), pressure);
    share.add(-static_cast<std::int64_t>(budget.excess_over(pressure)));
    share.tell();
    EXPECT_LT(budget.pressure(), pressure);
    EXPECT_EQ(budget.excess_over(pressure), 0U);
  }
}

TEST(MemoryBudget, OneShardWakesTheOthers) {
  MemoryBudget budget{mebibyte, 3};
  Waker own;
  Waker other;
  budget.set_waker(0, &own);
  budget.set_waker(1, &other);
  own.park();
  other.park();
  budget.wake_others(0);
  EXPECT_FALSE(own.drain());
  EXPECT_TRUE(other.drain());
}

TEST(MemoryBudget, OneShardHasTheLargestHolder) {
  MemoryBudget budget{mebibyte, 3};
  EXPECT_FALSE(budget.is_largest(0, 0));
  EXPECT_TRUE(budget.is_largest(1, 100));
  EXPECT_FALSE(budget.is_largest(0, 99));
  EXPECT_TRUE(budget.is_largest(0, 100));
  EXPECT_FALSE(budget.is_largest(1, 100));
  EXPECT_TRUE(budget.is_largest(2, 101));
}

}  // namespace
}  // namespace parsec::engine
