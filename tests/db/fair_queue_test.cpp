// Whose turn it is: by organization and its costs, then by user.
#include "db/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "tests/db/made_jobs.h"

namespace parsec::db {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::MadeJobs;
using Verdict = FairQueue::Verdict;
using Decision = FairQueue::Decision;

class FairQueueTest : public ::testing::Test {
 protected:
  Job make(std::uint64_t organization, std::uint64_t user = 0) {
    return jobs.make(testing::made_read, {organization, user});
  }
  void add(std::uint64_t organization, int count, std::uint64_t user = 0) {
    for (int i = 0; i < count; ++i) queue.push_back(make(organization, user));
  }
  /// Organizations in the order in which so many jobs are taken.
  std::vector<std::uint64_t> take(std::size_t count, double cost = 1) {
    std::vector<std::uint64_t> taken;
    queue.take([&](const Job& job) -> Decision {
      if (taken.size() == count) return {Verdict::stop};
      taken.push_back(job.request->flow.organization);
      return {Verdict::take, cost};
    });
    return taken;
  }

  MadeJobs jobs;
  FairQueue queue;
};

TEST_F(FairQueueTest, OfOneUserFirstInFirstOut) {
  add(1, 3);
  std::vector<std::uint64_t> tags;
  queue.take([&](const Job& job) -> Decision {
    tags.push_back(job.request->tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ElementsAre(1, 2, 3));
  EXPECT_TRUE(queue.empty());
}

TEST_F(FairQueueTest, OrganizationsTakeTurns) {
  add(1, 3);
  add(2, 2);
  add(3, 1);
  EXPECT_THAT(take(10), ElementsAre(1, 2, 3, 1, 2, 1));
}

TEST_F(FairQueueTest, TheFirstOfAnotherGoesNextHoweverLongALineIs) {
  add(1, 10000);
  EXPECT_THAT(take(3), ElementsAre(1, 1, 1));
  add(2, 1);
  // At most one that had the same virtual time goes before it.
  EXPECT_THAT(take(2), ::testing::Contains(2));
}

TEST_F(FairQueueTest, CostsWeigh) {
  add(1, 1000);
  add(2, 1000);
  std::map<std::uint64_t, int> taken;
  queue.take([&](const Job& job) -> Decision {
    const auto organization = job.request->flow.organization;
    if (taken[1] + taken[2] == 110) return {Verdict::stop};
    ++taken[organization];
    return {Verdict::take, organization == 1 ? 10.0 : 1.0};
  });
  EXPECT_NEAR(taken[1], 10, 1);
  EXPECT_NEAR(taken[2], 100, 1);
}

TEST_F(FairQueueTest, UsersOfAnOrganizationTakeTurns) {
  add(1, 3, 10);
  add(1, 3, 11);
  std::vector<std::uint64_t> users;
  queue.take([&](const Job& job) -> Decision {
    users.push_back(job.request->flow.user);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(users, ElementsAre(10, 11, 10, 11, 10, 11));
}

TEST_F(FairQueueTest, NobodySavesUpWhileAway) {
  add(1, 100);
  take(50);
  add(2, 100);
  const auto taken = take(20);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(taken, 2U)), 10, 1);
}

TEST_F(FairQueueTest, NobodySavesUpWhileSkipped) {
  add(1, 100);
  add(2, 100);
  int shown = 0;
  queue.take([&](const Job& job) -> Decision {
    if (job.request->flow.organization == 1) return {Verdict::skip};
    return {++shown > 50 ? Verdict::stop : Verdict::take, 1};
  });
  const auto taken = take(20);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(taken, 1U)), 10, 1);
}

TEST_F(FairQueueTest, WhatIsSkippedKeepsItsPlaceAndLetsOthersGo) {
  add(1, 2, 10);
  add(1, 1, 11);
  add(2, 1);
  std::vector<std::uint64_t> tags;
  queue.take([&](const Job& job) -> Decision {
    if (job.request->flow.user == 10) return {Verdict::skip};
    tags.push_back(job.request->tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ::testing::UnorderedElementsAre(3, 4));
  EXPECT_EQ(queue.size(), 2U);
  tags.clear();
  queue.take([&](const Job& job) -> Decision {
    tags.push_back(job.request->tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ElementsAre(1, 2));
}

TEST_F(FairQueueTest, WhatComesBackIsTheFirstOfItsUser) {
  add(1, 1);
  queue.push_front(make(1));
  std::vector<std::uint64_t> tags;
  queue.take([&](const Job& job) -> Decision {
    tags.push_back(job.request->tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ElementsAre(2, 1));
}

TEST_F(FairQueueTest, ExtractsWhatMatches) {
  add(1, 4, 10);
  add(1, 2, 11);
  add(2, 1);
  queue.extract_if([](const Job& job) { return job.request->tag % 2 == 0; });
  EXPECT_EQ(queue.size(), 4U);
  queue.extract_if([](const Job& job) { return job.request->flow.user == 11; });
  EXPECT_THAT(take(10), ElementsAre(1, 2, 1));
  EXPECT_EQ(queue.organizations(), 0U);
  EXPECT_THAT(take(1), IsEmpty());
}

/// Against lists that are looked through.
TEST_F(FairQueueTest, LosesNothingAndKeepsTheOrderOfEachUser) {
  std::minstd_rand random{7};
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::uint64_t>> expected;
  std::size_t size = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::uint64_t organization = random() % 40;
    const std::uint64_t user = random() % 5;
    auto& line = expected[{organization, user}];
    switch (random() % 8) {
      case 0: {
        const std::uint64_t residue = random() % 16;
        const auto matches = [&](std::uint64_t tag) { return tag % 16 == residue; };
        queue.extract_if([&](const Job& job) { return matches(job.request->tag); });
        for (auto& [key, tags] : expected) size -= std::erase_if(tags, matches);
        break;
      }
      case 1:
      case 2:
      case 3: {
        std::size_t most = random() % 12;
        const std::uint64_t skipped = random() % 40;
        queue.take([&](const Job& job) -> Decision {
          if (most == 0) return {Verdict::stop};
          const Request& request = *job.request;
          if (request.flow.organization == skipped) return {Verdict::skip};
          auto& its = expected[{request.flow.organization, request.flow.user}];
          EXPECT_EQ(its.front(), request.tag);
          its.erase(its.begin());
          --size;
          --most;
          return {Verdict::take, static_cast<double>(1 + random() % 100)};
        });
        break;
      }
      case 4: {
        const Job job = make(organization, user);
        queue.push_front(job);
        line.insert(line.begin(), job.request->tag);
        ++size;
        break;
      }
      default: {
        const Job job = make(organization, user);
        queue.push_back(job);
        line.push_back(job.request->tag);
        ++size;
      }
    }
    ASSERT_EQ(queue.size(), size);
  }
}

}  // namespace
}  // namespace parsec::db
