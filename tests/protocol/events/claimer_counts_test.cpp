#include "protocol/events/claimer_counts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace parsec::testing {
namespace {

using protocol::ClaimerCounts;
using protocol::InvitationKey;
using Status = ClaimerCounts::Status;

const InvitationKey key{"Org", Uuid{{std::byte{1}}}};

/// 'R' READY, 'I' IDLE, '-' nothing.
char what(const std::optional<ClaimerCounts::Announcement>& announcement) {
  if (!announcement) return '-';
  EXPECT_EQ("greeter", announcement->greeter);
  return announcement->status == Status::ready ? 'R' : 'I';
}

struct Counts : ClaimerCounts {
  char come() { return what(join(key, "greeter")); }
  char go() { return what(leave(key)); }
  char told(bool again = false) { return what(announced(key, again)); }
};

TEST(ClaimerCounts, ReadyWithEachIdleWithTheLast) {
  Counts counts;
  EXPECT_EQ('R', counts.come());
  EXPECT_EQ('-', counts.told());
  EXPECT_EQ('R', counts.come());
  EXPECT_EQ('-', counts.told());
  EXPECT_EQ('-', counts.go());
  EXPECT_EQ('I', counts.go());
  EXPECT_EQ(1U, counts.size());
  EXPECT_EQ('-', counts.told());
  EXPECT_EQ(0U, counts.size());
}

TEST(ClaimerCounts, OneAnnouncementAtATimeAndTheLastOneIsTrue) {
  Counts counts;
  EXPECT_EQ('R', counts.come());
  EXPECT_EQ('-', counts.go());
  EXPECT_EQ('-', counts.come());
  EXPECT_EQ('-', counts.go());
  EXPECT_EQ('I', counts.told());
  EXPECT_EQ('-', counts.come());
  EXPECT_EQ('R', counts.told());
  EXPECT_EQ('-', counts.told());
  EXPECT_EQ(1U, counts.size());
}

TEST(ClaimerCounts, WhatWasNotToldIsToldAgainAsItIsNow) {
  Counts counts;
  EXPECT_EQ('R', counts.come());
  EXPECT_EQ('R', counts.told(true));
  EXPECT_EQ('-', counts.go());
  EXPECT_EQ('I', counts.told(true));
  EXPECT_EQ('I', counts.told(true));
  EXPECT_EQ('-', counts.told());
  EXPECT_EQ(0U, counts.size());
}

TEST(ClaimerCounts, TokensBelongToTheirOrganization) {
  Counts counts;
  EXPECT_EQ('R', counts.come());
  EXPECT_EQ('R', what(counts.join({"Other", key.token}, "greeter")));
  EXPECT_EQ(2U, counts.size());
}

TEST(ClaimerCounts, OfManyThreadsTheLastAnnouncementIsTrue) {
  Counts counts;
  std::atomic<int> under_way = 0;
  std::atomic<char> last = '-';
  const auto tell = [&](char next) {
    while (next != '-') {
      EXPECT_EQ(1, ++under_way);
      last = next;
      --under_way;
      next = counts.told();
    }
  };
  std::vector<std::thread> shards;
  for (int i = 0; i < 4; ++i) {
    shards.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        tell(counts.come());
        tell(counts.go());
      }
    });
  }
  for (auto& shard : shards) shard.join();
  EXPECT_EQ('I', last.load());
  EXPECT_EQ(0U, counts.size());
}

}  // namespace
}  // namespace parsec::testing
