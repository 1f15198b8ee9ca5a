// Whose turn it is: by organization and its costs, then by user.
#include "engine/queues/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

namespace parsec::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Item {
  FlowKey flow;
  std::uint64_t tag = 0;  // counted from 1
};
using Queue = FairQueue<Item>;
using Verdict = Queue::Verdict;
using Decision = Queue::Decision;

class FairQueueTest : public ::testing::Test {
 protected:
  Item make(std::uint64_t organization, std::uint64_t user = 0) {
    return {.flow = {organization, user}, .tag = ++made};
  }
  void push_back(const Item& item) { queue.push_back(item.flow, item); }
  void push_front(const Item& item) { queue.push_front(item.flow, item); }
  void add(std::uint64_t organization, int count, std::uint64_t user = 0) {
    for (int i = 0; i < count; ++i) push_back(make(organization, user));
  }
  /// Organizations in the order in which so many jobs are taken.
  std::vector<std::uint64_t> take(std::size_t count, double cost = 1) {
    std::vector<std::uint64_t> taken;
    queue.take([&](const Item& item) -> Decision {
      if (taken.size() == count) return {Verdict::stop};
      taken.push_back(item.flow.organization);
      return {Verdict::take, cost};
    });
    return taken;
  }

  std::uint64_t made = 0;
  Queue queue;
};

TEST_F(FairQueueTest, OfOneUserFirstInFirstOut) {
  add(1, 3);
  std::vector<std::uint64_t> tags;
  queue.take([&](const Item& item) -> Decision {
    tags.push_back(item.tag);
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
  queue.take([&](const Item& item) -> Decision {
    const auto organization = item.flow.organization;
    if (taken[1] + taken[2] == 110) return {Verdict::stop};
    ++taken[organization];
    return {Verdict::take, organization == 1 ? 10.0 : 1.0};
  });
  EXPECT_NEAR(taken[1], 10, 1);
  EXPECT_NEAR(taken[2], 100, 1);
}

/// What something cost is known better when it is over.
TEST_F(FairQueueTest, WhatCostMoreThanWasSaidIsChargedLater) {
  add(1, 100);
  add(2, 100);
  EXPECT_THAT(take(2), ElementsAre(1, 2));
  queue.charge(1, 4);
  EXPECT_THAT(take(6), ElementsAre(2, 2, 2, 2, 1, 2));
  queue.charge(2, -3);
  EXPECT_THAT(take(3), ElementsAre(2, 2, 2));
  queue.charge(3, 1000);  // nothing of it waits
  add(3, 1);
  EXPECT_THAT(take(3), ::testing::Contains(3));
}

TEST_F(FairQueueTest, KeepsWhatCannotBeCopied) {
  FairQueue<std::unique_ptr<int>> owned;
  for (int i = 0; i < 3; ++i) owned.push_back({}, std::make_unique<int>(i));
  using OwnedQueue = decltype(owned);
  std::unique_ptr<int> taken;
  owned.take([&](std::unique_ptr<int>& item) -> OwnedQueue::Decision {
    if (taken) return {OwnedQueue::Verdict::stop};
    taken = std::move(item);
    return {OwnedQueue::Verdict::take, 1};
  });
  EXPECT_EQ(*taken, 0);
  owned.extract_if([](const std::unique_ptr<int>& item) { return *item == 1; });
  EXPECT_EQ(owned.size(), 1U);
}

TEST_F(FairQueueTest, UsersOfAnOrganizationTakeTurns) {
  add(1, 3, 10);
  add(1, 3, 11);
  std::vector<std::uint64_t> users;
  queue.take([&](const Item& item) -> Decision {
    users.push_back(item.flow.user);
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
  queue.take([&](const Item& item) -> Decision {
    if (item.flow.organization == 1) return {Verdict::skip};
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
  queue.take([&](const Item& item) -> Decision {
    if (item.flow.user == 10) return {Verdict::skip};
    tags.push_back(item.tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ::testing::UnorderedElementsAre(3, 4));
  EXPECT_EQ(queue.size(), 2U);
  tags.clear();
  queue.take([&](const Item& item) -> Decision {
    tags.push_back(item.tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ElementsAre(1, 2));
}

TEST_F(FairQueueTest, WhatComesBackIsTheFirstOfItsUser) {
  add(1, 1);
  push_front(make(1));
  std::vector<std::uint64_t> tags;
  queue.take([&](const Item& item) -> Decision {
    tags.push_back(item.tag);
    return {Verdict::take, 1};
  });
  EXPECT_THAT(tags, ElementsAre(2, 1));
}

TEST_F(FairQueueTest, ExtractsWhatMatches) {
  add(1, 4, 10);
  add(1, 2, 11);
  add(2, 1);
  queue.extract_if([](const Item& item) { return item.tag % 2 == 0; });
  EXPECT_EQ(queue.size(), 4U);
  queue.extract_if([](const Item& item) { return item.flow.user == 11; });
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
        queue.extract_if([&](const Item& item) { return matches(item.tag); });
        for (auto& [key, tags] : expected) size -= std::erase_if(tags, matches);
        break;
      }
      case 1:
      case 2:
      case 3: {
        std::size_t most = random() % 12;
        const std::uint64_t skipped = random() % 40;
        queue.take([&](const Item& item) -> Decision {
          if (most == 0) return {Verdict::stop};
          if (item.flow.organization == skipped) return {Verdict::skip};
          auto& its = expected[{item.flow.organization, item.flow.user}];
          EXPECT_EQ(its.front(), item.tag);
          its.erase(its.begin());
          --size;
          --most;
          return {Verdict::take, static_cast<double>(1 + random() % 100)};
        });
        break;
      }
      case 4: {
        const Item item = make(organization, user);
        push_front(item);
        line.insert(line.begin(), item.tag);
        ++size;
        break;
      }
      default: {
        const Item item = make(organization, user);
        push_back(item);
        line.push_back(item.tag);
        ++size;
      }
    }
    ASSERT_EQ(queue.size(), size);
  }
}

}  // namespace
}  // namespace parsec::engine
