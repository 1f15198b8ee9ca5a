#include "bench/analysis/saturation.h"

#include <gtest/gtest.h>

#include "tests/bench/analysis/queueing_driver.h"

namespace parsec::bench {
namespace {

using namespace std::chrono_literals;
using testing::QueueingDriver;

SaturationOptions options() {
  SaturationOptions made;
  made.load.duration = 20'000ms;
  made.repeats = 3;
  return made;
}
const OnRung nobody = [](const Rung&) {};

TEST(Saturation, IsFoundWhereTheQueueSaysSo) {
  // M/M/1: the 99th percentile is ln(100) / (served - rate). 1000 per second, 100 ms: 954.
  QueueingDriver driver{1, 1000};
  const auto found = find_saturation(driver, options(), nobody);
  ASSERT_TRUE(found) << found.error();
  EXPECT_NEAR(found->rate, 954, 60);
  EXPECT_FALSE(found->generator_was_the_limit);
  EXPECT_LE(found->rungs.size(), 12u);
  EXPECT_EQ(driver.measurements, static_cast<int>(3 * found->rungs.size()));
}

TEST(Saturation, WhatIsAnsweredWhenItIsOverIsNotCarried) {
  QueueingDriver driver{1, 1000};
  SaturationOptions patient = options();
  patient.p99_bound = 1h;
  const auto found = find_saturation(driver, patient, nobody);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->rate, 1000, 60);
}

TEST(Saturation, IsFoundBelowTheFirstRate) {
  QueueingDriver driver{1, 1000};
  SaturationOptions high = options();
  high.first_rate = 50'000;
  high.load.duration = 2'000ms;
  const auto found = find_saturation(driver, high, nobody);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->rate, 954, 80);
}

TEST(Saturation, AGeneratorThatCannotDoMoreIsTold) {
  QueueingDriver driver{1, 1000};
  driver.generator_ceiling = 700;
  driver.refuses_above = 700;
  const auto found = find_saturation(driver, options(), nobody);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->generator_was_the_limit);
  EXPECT_LE(found->rate, 700);
  EXPECT_GE(found->rate, 700 / 1.06);
}

TEST(Saturation, AServerThatAnswersNothingWellHasNone) {
  QueueingDriver driver{1, 0.001};
  SaturationOptions brief = options();
  brief.load.duration = 3'000ms;
  const auto found = find_saturation(driver, brief, nobody);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rate, 0);
}

TEST(Saturation, WhatTheDriverSaysIsPassedOn) {
  QueueingDriver driver{1, 1000};
  driver.failure = "The server is gone";
  EXPECT_EQ(find_saturation(driver, options(), nobody).error(), "The server is gone");
  EXPECT_EQ(climb(driver, 100, options(), nobody).error(), "The server is gone");
}

TEST(Saturation, ALadderClimbsToWhereLatencyGrows) {
  QueueingDriver driver{2, 1000};
  int told = 0;
  const auto rungs = climb(driver, 1000, options(), [&told](const Rung&) { ++told; });
  ASSERT_TRUE(rungs);
  ASSERT_EQ(rungs->size(), 10u);
  EXPECT_EQ(told, 10);
  EXPECT_DOUBLE_EQ(rungs->front().rate, 200);
  EXPECT_DOUBLE_EQ(rungs->back().rate, 1100);
  EXPECT_LT(5 * rungs->front().p99().median, rungs->back().p99().median);
  EXPECT_TRUE(rungs->front().keeps(100ms));
  EXPECT_FALSE(rungs->back().keeps(100ms));
}

TEST(Rung, WithoutAnswersNothingIsKept) {
  Measurement nothing;
  nothing.seconds = 1;
  nothing.commands.resize(1);
  const Rung rung{.rate = 1, .repeats = {nothing}};
  EXPECT_FALSE(rung.keeps(100ms));
}

TEST(Confirmed, NoRateFromTheFirstOnThatBrokeOnTheLadder) {
  const auto rung = [](double rate, bool kept) {
    Measurement measured;
    measured.seconds = 1;
    CommandResult command;
    command.sent = command.completed = 10;
    command.replies = {{kept ? "ok" : "no_reply", 10}};
    command.latency.record(1000, 10);
    measured.commands.push_back(command);
    return Rung{.rate = rate, .repeats = {measured}};
  };
  EXPECT_EQ(confirmed(100, {rung(50, true), rung(100, true), rung(110, false)}, 100ms), 100);
  EXPECT_EQ(confirmed(100, {rung(50, true), rung(80, false), rung(90, true)}, 100ms), 50);
  EXPECT_EQ(confirmed(100, {rung(50, false), rung(80, true)}, 100ms), 0);
}

}  // namespace
}  // namespace parsec::bench
