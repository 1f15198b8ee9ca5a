#include "bench/interrupt.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

TEST(Interruptible, TellsOfOneAndForgetsItAtTheEnd) {
  EXPECT_FALSE(interrupted());
  {
    const Interruptible interruptible;
    EXPECT_FALSE(interrupted());
    std::raise(SIGINT);
    EXPECT_TRUE(interrupted());
  }
  EXPECT_FALSE(interrupted());
}

TEST(InterruptibleDeathTest, TheSecondEndsTheProgram) {
  EXPECT_EXIT(
      {
        const Interruptible interruptible;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace parsec::bench
