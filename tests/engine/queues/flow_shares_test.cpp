#include "engine/queues/flow_shares.h"

#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

constexpr std::uint64_t room = 1024;

/// As many as it may have, one after the other.
std::uint64_t fill(FlowShares& shares, std::uint64_t& taken, std::uint64_t organization) {
  std::uint64_t count = 0;
  while (shares.admits(organization, 0, {room - taken, 1}) && taken < room) {
    shares.add(organization, 0);
    ++taken;
    ++count;
  }
  return count;
}

TEST(FlowShares, NobodyTakesAllAlone) {
  FlowShares shares;
  std::uint64_t taken = 0;
  EXPECT_EQ(fill(shares, taken, 1), room / 2);
  EXPECT_EQ(fill(shares, taken, 2), room / 4);
  EXPECT_EQ(fill(shares, taken, 3), room / 8);
}

TEST(FlowShares, WhoHasNothingIsAdmitted) {
  FlowShares shares;
  std::uint64_t taken = 0;
  for (std::uint64_t organization = 1; organization <= 9; ++organization) {
    fill(shares, taken, organization * 0x9E3779B97F4A7C15);
  }
  ASSERT_LT(taken, room);
  EXPECT_TRUE(shares.admits(77, 0, {1, 1}));
}

TEST(FlowShares, BytesCountToo) {
  FlowShares shares;
  shares.add(1, 600);
  EXPECT_FALSE(shares.admits(1, 600, {10, 1000}));
  EXPECT_TRUE(shares.admits(1, 400, {10, 1000}));
  shares.remove(1, 600);
  EXPECT_EQ(shares.taken_by(1).requests, 0U);
  EXPECT_TRUE(shares.admits(1, 600, {10, 1000}));
}

TEST(FlowShares, OneSharedCounterCountsNothingTooMuch) {
  FlowShares shares;
  for (int i = 0; i < 100; ++i) shares.add(5, 10);
  EXPECT_EQ(shares.taken_by(5 + 1024).requests, 0U);  // the same first counter, another second one
  EXPECT_EQ(shares.taken_by(5).bytes, 1000U);
}

}  // namespace
}  // namespace parsec::engine
