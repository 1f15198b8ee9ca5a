// Members that join and leave an audience, against a set that does the same.
#include "protocol/events/audience.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <vector>

namespace parsec::protocol {
namespace {

using People = std::array<int, 300>;

std::set<const int*> members(const Audience<int>& audience) {
  return {audience.members().begin(), audience.members().end()};
}

TEST(Audience, EverybodyLeavesInAnyOrder) {
  People people{};
  std::mt19937 random{7};
  for (const std::size_t count : {1UZ, 2UZ, 31UZ, 32UZ, 33UZ, 34UZ, 300UZ}) {
    SCOPED_TRACE(count);
    Audience<int> audience;
    std::vector<int*> order;
    std::set<const int*> expected;
    for (std::size_t i = 0; i < count; ++i) {
      audience.add(people[i]);
      order.push_back(&people[i]);
      expected.insert(&people[i]);
    }
    std::ranges::shuffle(order, random);
    for (int* const leaving : order) {
      EXPECT_EQ(expected, members(audience));
      EXPECT_EQ(expected.size(), audience.size());
      audience.remove(*leaving);
      expected.erase(leaving);
    }
    EXPECT_TRUE(audience.empty());
  }
}

TEST(Audience, ComingAndGoingAroundTheSizeThatIsSearched) {
  People people{};
  Audience<int> audience;
  std::set<const int*> expected;
  std::mt19937 random{11};
  for (int step = 0; step < 20'000; ++step) {
    int& person = people[random() % 64];
    if (expected.contains(&person)) {
      audience.remove(person);
      expected.erase(&person);
    } else {
      audience.add(person);
      expected.insert(&person);
    }
    ASSERT_EQ(expected.size(), audience.size());
    if (step % 16 == 0) {
      ASSERT_EQ(expected, members(audience));
    }
  }
}

TEST(Audience, WhoIsNotThereCannotLeave) {
  People people{};
  for (const std::size_t count : {3UZ, 100UZ}) {
    Audience<int> audience;
    for (std::size_t i = 0; i < count; ++i) audience.add(people[i]);
    audience.remove(people[count]);
    EXPECT_EQ(count, audience.size());
  }
}

}  // namespace
}  // namespace parsec::protocol
