// What runs next, and what must not keep others from it: with made-up jobs and lanes.
#include "db/workers/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/db/made_jobs.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::made_handshake;
using testing::made_heavy;
using testing::made_list;
using testing::made_read;
using testing::made_solo;
using testing::made_write;
using ::testing::SizeIs;

class ScheduleTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t lane_count = 6;

  void add(const Function& function, std::uint64_t organization, int count,
           std::uint64_t first_route = 0, std::size_t bytes = 0) {
    for (int i = 0; i < count; ++i) {
      schedule.push_back(jobs.make(function, {organization, 0},
                                   first_route + static_cast<std::uint64_t>(i), bytes));
    }
  }

  /// Starts what may start, on lanes that stay busy.
  void start_all() {
    for (;;) {
      std::vector<Job> segment;
      const auto work =
          schedule.take({up, up - static_cast<std::uint32_t>(busy.size())}, now, segment);
      if (!work) return;
      std::size_t lane = 0;
      while (busy.contains(lane)) ++lane;
      schedule.started(lane, *work, segment);
      busy[lane] = {*work, segment};
    }
  }
  void end(std::size_t lane, TimePoint::duration time = 100us) {
    schedule.note_executed(busy.at(lane).work, busy.at(lane).segment, time);
    schedule.finished(lane);
    busy.erase(lane);
  }
  /// That is how large an organization's results are.
  void know_results(const Function& function, std::uint64_t organization, std::size_t bytes) {
    Job job = jobs.make(function, {organization, 0});
    job.result_bytes = bytes;
    for (int i = 0; i < 50; ++i) schedule.note_executed(Work::heavy_read, {&job, 1}, 100us);
  }
  std::size_t lanes_with(Work work) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(busy, [&](const auto& entry) { return entry.second.work == work; }));
  }
  std::vector<std::uint64_t> organizations(std::size_t lane) const {
    std::vector<std::uint64_t> result;
    for (const Job& job : busy.at(lane).segment) {
      result.push_back(job.request->flow.organization);
    }
    return result;
  }
  std::optional<std::size_t> lane_with(Work work) const {
    for (const auto& [lane, running] : busy) {
      if (running.work == work) return lane;
    }
    return std::nullopt;
  }

  struct Running {
    Work work;
    std::vector<Job> segment;
  };
  testing::MadeJobs jobs;
  LaneLimits limits;
  SessionLimits session;
  Schedule schedule{limits, session, lane_count};
  std::uint32_t up = lane_count;
  TimePoint now{1h};
  std::map<std::size_t, Running> busy;
};

TEST_F(ScheduleTest, NothingWaitsNothingStarts) {
  start_all();
  EXPECT_TRUE(busy.empty());
  EXPECT_FALSE(schedule.waits_for_lane({0, 0}));
}

TEST_F(ScheduleTest, HeavyReadsNeverTakeAllLanes) {
  for (std::uint64_t organization = 1; organization <= 50; ++organization) {
    add(made_heavy, organization, 10);
  }
  start_all();
  EXPECT_EQ(lanes_with(Work::heavy_read), 2U);
  add(made_read, 99, 1);
  add(made_write, 99, 1);
  start_all();
  EXPECT_EQ(lanes_with(Work::read), 1U);
  EXPECT_EQ(lanes_with(Work::write), 1U);
}

TEST_F(ScheduleTest, OneOrganizationHasOneHeavyReadAtATime) {
  add(made_heavy, 1, 50);
  start_all();
  EXPECT_EQ(lanes_with(Work::heavy_read), 1U);
  add(made_heavy, 2, 1);
  start_all();
  EXPECT_EQ(lanes_with(Work::heavy_read), 2U);
}

TEST_F(ScheduleTest, WhateverWaitsReadsAndWritesFindALane) {
  for (up = 3; up <= lane_count; ++up) {
    for (std::uint64_t organization = 1; organization <= 100; ++organization) {
      add(made_heavy, organization, 1);
      add(made_write, organization, 1, 1000 * organization, 100 << 10);
      schedule.push_locked(jobs.make(made_write, {organization, 0}, organization), now);
    }
    start_all();
    EXPECT_LT(busy.size(), up - 1);
    add(made_read, 200, 1000);
    start_all();
    EXPECT_LT(busy.size(), up);
    add(made_write, 200, 1, 7777777);
    start_all();
    EXPECT_EQ(lanes_with(Work::write), 1U) << up;
    EXPECT_GE(lanes_with(Work::read), 1U) << up;
    while (!busy.empty()) {
      schedule.finished(busy.begin()->first);
      busy.erase(busy.begin());
    }
    schedule.extract_if([](const Job&) { return true; });
  }
}

TEST_F(ScheduleTest, WithOneLaneAllKindsTakeTurns) {
  up = 1;
  add(made_heavy, 1, 100);
  add(made_read, 2, 1000);
  add(made_write, 3, 1000);
  add(made_write, 4, 100, 0, 100 << 10);
  std::map<Work, int> turns;
  for (int i = 0; i < 12; ++i) {
    start_all();
    ASSERT_EQ(busy.size(), 1U);
    ++turns[busy[0].work];
    end(0);
  }
  EXPECT_EQ(turns[Work::heavy_read], 3);
  EXPECT_EQ(turns[Work::read], 3);
  EXPECT_EQ(turns[Work::write], 3);
  EXPECT_EQ(turns[Work::large_write], 3);
}

TEST_F(ScheduleTest, HandshakesGetHalfOfABatchOfReads) {
  up = 2;  // one lane for reads
  add(made_read, 1, 200);
  add(made_handshake, 2, 200);
  start_all();
  ASSERT_THAT(busy[0].segment, SizeIs(limits.segment_requests));
  const auto taken = organizations(0);
  EXPECT_EQ(std::ranges::count(taken, 2U), 32);
}

TEST_F(ScheduleTest, ALongLineOfReadsLetsAnotherOrganizationInNext) {
  up = 2;
  add(made_read, 1, 1000);
  add(made_read, 2, 1);
  start_all();
  EXPECT_THAT(organizations(0), ::testing::Contains(2));
}

TEST_F(ScheduleTest, ReadsAreDealtOutToTwoThirdsOfTheLanes) {
  add(made_read, 1, 48);
  start_all();
  EXPECT_EQ(lanes_with(Work::read), lane_count - lane_count / 3);
  for (const auto& [lane, running] : busy) EXPECT_THAT(running.segment, SizeIs(12));
}

TEST_F(ScheduleTest, ABatchOfReadsIsBoundedByItsTime) {
  up = 2;
  add(made_read, 1, 1);
  start_all();
  end(0, 3ms);
  for (int i = 0; i < 10; ++i) {  // until it is known
    add(made_read, 1, 1);
    start_all();
    end(0, 3ms);
  }
  add(made_read, 1, 100);
  start_all();
  EXPECT_THAT(busy[0].segment, SizeIs(3));
}

TEST_F(ScheduleTest, ABatchOfReadsIsBoundedByItsResults) {
  know_results(made_read, 1, limits.segment_result_bytes / 8);
  add(made_read, 1, 100);
  start_all();
  for (const auto& [lane, running] : busy) EXPECT_THAT(running.segment, SizeIs(4));
}

TEST_F(ScheduleTest, WhenMemoryIsShortOneLargeResultIsUnderWay) {
  using Pressure = engine::MemoryBudget::Pressure;
  know_results(made_read, 1, 2 * limits.large_result_bytes);
  know_results(made_heavy, 2, 2 * limits.large_result_bytes);
  add(made_read, 1, 10);
  add(made_heavy, 2, 2);
  schedule.note_pressure(Pressure::too_high);
  start_all();
  EXPECT_THAT(busy, SizeIs(0));
  add(made_list, 3, 5);  // small, as far as is known
  start_all();
  EXPECT_THAT(organizations(0), Each(3U));
  schedule.note_pressure(Pressure::high);
  start_all();
  std::size_t large = 0;
  for (const auto& [lane, running] : busy) {
    for (const Job& job : running.segment) large += job.request->flow.organization != 3;
  }
  EXPECT_EQ(large, 1U);
  schedule.note_pressure(Pressure::none);
  start_all();
  EXPECT_EQ(schedule.waiting(Work::read), 0U);
}

TEST_F(ScheduleTest, AListThatTookLongIsAHeavyReadForItsOrganizationAlone) {
  add(made_list, 1, 1);
  add(made_list, 2, 1);
  up = 2;
  start_all();
  end(0, 200us);
  for (int i = 0; i < 3; ++i) {
    add(made_list, 1, 1);
    start_all();
    end(0, 40ms);
  }
  EXPECT_EQ(schedule.waiting(), 0U);
  add(made_list, 1, 5);
  add(made_list, 2, 5);
  EXPECT_EQ(schedule.waiting(Work::heavy_read), 5U);
  EXPECT_EQ(schedule.waiting(Work::read), 5U);
  // And no longer, when it is quick again.
  for (int i = 0; i < 20 && schedule.waiting(Work::heavy_read) > 0; ++i) {
    start_all();
    end(busy.begin()->first, 100us);
  }
  add(made_list, 1, 1);
  EXPECT_EQ(schedule.waiting(Work::heavy_read), 0U);
}

TEST_F(ScheduleTest, ABatchThatTookTooLongIsLookedInto) {
  up = 2;
  add(made_list, 1, 2);
  add(made_read, 2, 2);
  start_all();
  ASSERT_THAT(busy[0].segment, SizeIs(4));
  end(0, 500ms);
  add(made_list, 1, 1);
  add(made_read, 2, 1);
  EXPECT_EQ(schedule.waiting(Work::heavy_read), 1U);
  EXPECT_EQ(schedule.waiting(Work::read), 1U);
}

TEST_F(ScheduleTest, LargeWritesShareNoBatchWithSmallOnes) {
  add(made_write, 1, 10, 0, 200 << 10);
  add(made_write, 2, 3, 100);
  start_all();
  ASSERT_EQ(lanes_with(Work::large_write), 1U);
  EXPECT_THAT(busy[*lane_with(Work::large_write)].segment, SizeIs(2));  // 512 KiB
  EXPECT_THAT(organizations(*lane_with(Work::write)), Each(2));
}

TEST_F(ScheduleTest, LargeWritesOfOrganizationsAlternateByTheirBytes) {
  add(made_write, 1, 20, 0, 500 << 10);
  add(made_write, 2, 20, 100, 50 << 10);
  std::map<std::uint64_t, std::size_t> bytes;
  for (int i = 0; i < 8; ++i) {
    start_all();
    ASSERT_EQ(busy.size(), 1U);
    std::size_t carried = 0;
    for (const Job& job : busy.begin()->second.segment) {
      bytes[job.request->flow.organization] += job.request->size_bytes();
      carried += job.request->size_bytes();
    }
    end(busy.begin()->first, std::chrono::microseconds{carried / 50});
  }
  EXPECT_GT(bytes[1], 0U);
  EXPECT_GT(bytes[2], bytes[1] / 4);
}

TEST_F(ScheduleTest, WritesOfOneRouteAreUnderWayOnOneLane) {
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));
  start_all();
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));
  schedule.push_back(jobs.make(made_write, {1, 1}, 8));
  start_all();
  EXPECT_EQ(lanes_with(Work::write), 2U);
  EXPECT_EQ(schedule.waiting(Work::write), 1U);
  EXPECT_EQ(busy[1].segment.front().request->route, 8U);
  end(0);
  start_all();
  EXPECT_EQ(busy[0].segment.front().request->route, 7U);
}

TEST_F(ScheduleTest, ABatchOfWritesIsSortedByRoute) {
  for (const std::uint64_t route : {9U, 3U, 7U, 3U}) {
    schedule.push_back(jobs.make(made_write, {route, 0}, route));
  }
  start_all();
  std::vector<std::uint64_t> routes;
  for (const Job& job : busy[0].segment) routes.push_back(job.request->route);
  EXPECT_THAT(routes, ElementsAre(3, 3, 7, 9));
  EXPECT_LT(busy[0].segment[0].sequence, busy[0].segment[1].sequence);
}

TEST_F(ScheduleTest, SoloWritesShareNothing) {
  add(made_solo, 1, 1);
  add(made_write, 2, 3, 10);
  start_all();
  for (const auto& [lane, running] : busy) {
    const bool has_solo = std::ranges::any_of(
        running.segment, [](const Job& job) { return job.access() == Access::solo_write; });
    if (has_solo) {
      EXPECT_THAT(running.segment, SizeIs(1));
    }
  }
  EXPECT_EQ(lanes_with(Work::write), 2U);
}

// --- Locks

TEST_F(ScheduleTest, WhoRanIntoALockWaitsApartAndSoDoOthersOfTheRoute) {
  EXPECT_TRUE(schedule.push_locked(jobs.make(made_write, {1, 0}, 7), now));
  schedule.push_back(jobs.make(made_write, {1, 1}, 7));
  schedule.push_back(jobs.make(made_write, {1, 1}, 8));
  start_all();
  ASSERT_EQ(lanes_with(Work::locked), 1U);
  EXPECT_THAT(busy[*lane_with(Work::locked)].segment, SizeIs(1));
  ASSERT_EQ(lanes_with(Work::write), 1U);
  EXPECT_EQ(busy[*lane_with(Work::write)].segment.front().request->route, 8U);
  EXPECT_EQ(schedule.waiting(Work::locked), 1U);
  EXPECT_EQ(schedule.timeouts_of(Work::write).lock, limits.shared_lock_timeout);
  EXPECT_EQ(schedule.timeouts_of(Work::locked).lock, limits.lock_turn);
}

TEST_F(ScheduleTest, ARouteIsAsEverWhenOneGotThrough) {
  schedule.push_locked(jobs.make(made_write, {1, 0}, 7), now);
  start_all();
  end(*lane_with(Work::locked), 700ms);
  EXPECT_EQ(schedule.locked_routes(), 0U);
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));
  start_all();
  EXPECT_EQ(lanes_with(Work::write), 1U);
}

TEST_F(ScheduleTest, ManyLockedRoutesMakeAnOrganizationSuspect) {
  for (const std::uint64_t route : {1U, 2U, 3U}) {
    schedule.push_locked(jobs.make(made_write, {1, 0}, route), now);
  }
  schedule.push_back(jobs.make(made_write, {1, 0}, 4));
  schedule.push_back(jobs.make(made_write, {2, 0}, 5));
  start_all();
  ASSERT_EQ(lanes_with(Work::write), 1U);
  EXPECT_THAT(organizations(*lane_with(Work::write)), ElementsAre(2));
  EXPECT_EQ(schedule.waiting(Work::locked), 3U);
}

TEST_F(ScheduleTest, WhenManyOrganizationsMeetLocksBatchesWaitForThem) {
  for (std::uint64_t organization = 1; organization <= 5; ++organization) {
    schedule.push_locked(jobs.make(made_write, {organization, 0}, organization), now);
  }
  EXPECT_EQ(schedule.timeouts_of(Work::write).lock, limits.lock_patience);
}

TEST_F(ScheduleTest, PatienceEnds) {
  Job job = jobs.make(made_write, {1, 0}, 7);
  job.locked_since = now;
  now += limits.lock_patience - 1ms;
  EXPECT_TRUE(schedule.push_locked(job, now));
  now += 1ms;
  EXPECT_FALSE(schedule.push_locked(job, now));
}

TEST_F(ScheduleTest, ASuspicionEndsByItself) {
  schedule.push_locked(jobs.make(made_write, {1, 0}, 7), now);
  schedule.extract_if([](const Job&) { return true; });
  now += limits.lock_patience + 1ms;
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));
  start_all();
  EXPECT_EQ(lanes_with(Work::write), 1U);
}

TEST_F(ScheduleTest, AsksForAnotherLaneOnlyIfItWouldHelp) {
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));
  start_all();
  schedule.push_back(jobs.make(made_write, {1, 0}, 7));  // waits for the other's commit
  up = 2;
  start_all();
  EXPECT_EQ(schedule.waiting(), 1U);
  EXPECT_FALSE(schedule.waits_for_lane({3, 2}));
  add(made_read, 2, 1);
  EXPECT_TRUE(schedule.waits_for_lane({1, 0}));
}

}  // namespace
}  // namespace parsec::db
