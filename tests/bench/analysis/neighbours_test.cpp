#include "bench/analysis/neighbours.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "bench/analysis/comparison.h"
#include "bench/report/html_report.h"
#include "bench/report/result_json.h"
#include "bench/report/text.h"
#include "tests/bench/report/sample_result.h"

namespace parsec::bench {
namespace {

using namespace std::chrono_literals;

/// What it was asked for, and an answer of that many nanoseconds.
class Fixed : public Driver {
 public:
  std::vector<std::uint64_t> latencies;  // of each measurement
  std::uint64_t failed = 0;
  std::vector<Load> loads;
  std::latch* together = nullptr;  // all that measure at once

  std::expected<Measurement, std::string> measure(const Load& load) override {
    loads.push_back(load);
    if (loads.size() > latencies.size()) return std::unexpected("no more");
    if (together != nullptr && loads.size() == 2) together->arrive_and_wait();
    Measurement measured;
    measured.load = load;
    measured.seconds = 1;
    CommandResult command;
    command.command = "vlob_read";
    command.latency.record(latencies[loads.size() - 1], 100);
    command.replies["ok"] = 100;
    if (failed > 0) command.replies["no_reply"] = failed;
    command.completed = 100;
    measured.commands.push_back(std::move(command));
    return measured;
  }
};

NeighbourVictim victim(std::uint64_t alone, std::uint64_t beside, std::uint64_t failed = 0) {
  Fixed first, second;
  first.latencies = {alone};
  second.latencies = {beside};
  second.failed = failed;
  return {.name = "reads", .alone = {*first.measure({})}, .beside = {*second.measure({})}};
}

TEST(Neighbours, TheHogIsThereWhileTheVictimIsMeasuredBesideIt) {
  std::latch all_three{3};
  Fixed reads, updates, hog;
  reads.latencies = updates.latencies = {1'000'000, 2'000'000};
  hog.latencies = {1, 5'000'000};
  reads.together = updates.together = &all_three;
  // The hog's first measurement is beside the victims' second.
  class Joining : public Driver {
   public:
    Joining(Fixed& fixed, std::latch& latch) : fixed_(fixed), latch_(latch) {}
    std::expected<Measurement, std::string> measure(const Load& load) override {
      latch_.arrive_and_wait();
      return fixed_.measure(load);
    }

   private:
    Fixed& fixed_;
    std::latch& latch_;
  } joining{hog, all_three};
  const NeighbourParty victims[] = {{"reads", reads, 1}, {"updates", updates, 4}};
  NeighbourRow row;
  ASSERT_TRUE(measure_neighbours({"hog", joining, 32}, victims,
                                 Load{.warm_up = 500ms, .duration = 1000ms}, 1, row));
  EXPECT_EQ(hog.loads.at(0).in_flight, 32u);
  EXPECT_EQ(hog.loads.at(0).warm_up + hog.loads.at(0).duration, 1500ms);
  EXPECT_EQ(updates.loads.at(1).in_flight, 4u);
  EXPECT_EQ(updates.loads.at(1).warm_up, 500ms);
  ASSERT_EQ(row.victims.size(), 2u);
  EXPECT_NEAR(effect_of(row.victims[1]).ratio(), 2, 0.05);
}

TEST(Neighbours, WhatWasCompleteIsKept) {
  Fixed reads, hog;
  reads.latencies = {1, 2, 3};  // the second repeat breaks off
  hog.latencies = {1, 1};
  const NeighbourParty victims[] = {{"reads", reads, 1}};
  NeighbourRow row;
  EXPECT_EQ(measure_neighbours({"hog", hog, 1}, victims, {}, 2, row).error(), "no more");
  EXPECT_EQ(row.victims[0].beside.size(), 1u);
  EXPECT_EQ(row.hog_load.size(), 1u);
}

TEST(Neighbours, ThePromise) {
  EXPECT_TRUE(effect_of(victim(1'000'000, 9'900'000)).holds());  // 10 ms at all events
  EXPECT_TRUE(effect_of(victim(3'000'000, 29'000'000)).holds());
  EXPECT_FALSE(effect_of(victim(3'000'000, 31'000'000)).holds());
  EXPECT_FALSE(effect_of(victim(1'000'000, 1'000'000, 1)).holds());
}

TEST(Neighbours, AreInTheFileThePageAndTheComparison) {
  Result before;
  before.scenario = parsec::testing::sample_result().scenario;
  before.neighbours = {
      {.hog = "hog", .hog_load = victim(1, 1).alone, .victims = {victim(1'000'000, 2'000'000)}}};
  const auto again = read_result(write_result(before));
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(effect_of(again->neighbours.at(0).victims.at(0)).beside_p99,
            effect_of(before.neighbours[0].victims[0]).beside_p99);
  EXPECT_NE(html_report(before).find("Beside their neighbours"), std::string::npos);
  Result after = before;
  after.neighbours[0].victims[0] = victim(1'000'000, 80'000'000, 50);
  EXPECT_NE(describe(after.neighbours).find("broken"), std::string::npos);
  const Comparison comparison = compare(before, after);
  ASSERT_EQ(comparison.differences.size(), 3u);
  EXPECT_EQ(comparison.differences[0].what, "reads beside hog, no_reply");
  EXPECT_EQ(comparison.differences[0].verdict, Verdict::worse);
  EXPECT_EQ(comparison.differences[2].what, "reads beside hog, 99th percentile");
  EXPECT_NEAR(comparison.differences[2].ratio(), 40, 1);
  EXPECT_NEAR(comparison.differences[0].after.median, 1.0 / 3, 0.01);
}

}  // namespace
}  // namespace parsec::bench
