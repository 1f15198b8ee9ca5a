#include "protocol/session/strangers.h"

#include <gtest/gtest.h>

#include <set>

namespace parsec::protocol {
namespace {

engine::ConnectionId id(std::uint32_t slot, std::uint32_t generation = 0) {
  return {slot, generation};
}

class StrangersTest : public ::testing::Test {
 protected:
  std::optional<engine::ConnectionId> add(std::uint32_t slot, std::string_view address) {
    return strangers.add(id(slot), address, limits, [this](engine::ConnectionId connection) {
      return !busy.contains(connection.slot);
    });
  }
  const Strangers::Limits limits{.connections = 4, .of_an_address = 2};
  Strangers strangers;
  std::set<std::uint32_t> busy;
};

TEST_F(StrangersTest, TheOldestMakesRoom) {
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_FALSE(add(i, "127.0.0.1"));
  EXPECT_EQ(add(4, "127.0.0.1"), id(0));
  EXPECT_EQ(add(5, "127.0.0.1"), id(1));
  EXPECT_EQ(strangers.size(), 4U);
}

TEST_F(StrangersTest, NotOneWhoseAnswerIsUnderWay) {
  for (std::uint32_t i = 0; i < 4; ++i) add(i, "127.0.0.1");
  busy = {0, 1};
  EXPECT_EQ(add(4, "127.0.0.1"), id(2));
  busy = {0, 1, 3, 4};
  EXPECT_EQ(add(5, "127.0.0.1"), id(5));  // itself
  EXPECT_EQ(strangers.size(), 4U);
}

TEST_F(StrangersTest, AFewThatStayBusyDoNotStandBeforeManyThatIdle) {
  const Strangers::Limits many{.connections = 100};
  const auto idles = [](engine::ConnectionId connection) { return connection.slot >= 40; };
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_FALSE(strangers.add(id(i), "127.0.0.1", many, idles));
  }
  int turned_away = 0;
  for (std::uint32_t i = 100; i < 200; ++i) {
    const auto leaves = strangers.add(id(i), "127.0.0.1", many, idles);
    ASSERT_TRUE(leaves);
    if (*leaves == id(i)) ++turned_away;
  }
  EXPECT_LE(turned_away, 10);
  EXPECT_EQ(strangers.size(), 100U);
}

TEST_F(StrangersTest, AnAddressHasAShare) {
  EXPECT_FALSE(add(0, "192.0.2.1"));
  EXPECT_FALSE(add(1, "192.0.2.2"));
  EXPECT_FALSE(add(2, "192.0.2.1"));
  EXPECT_EQ(add(3, "192.0.2.1"), id(0));
  busy = {2, 3};
  EXPECT_EQ(add(4, "192.0.2.1"), id(4));
}

TEST_F(StrangersTest, OfIpv6ItsNetwork) {
  add(0, "2001:db8:1:2::1");
  add(1, "2001:db8:1:2:ffff::1");
  EXPECT_EQ(add(2, "2001:db8:1:2::3"), id(0));
  EXPECT_FALSE(add(3, "2001:db8:1:3::1"));
}

TEST_F(StrangersTest, WhoIsKnownCountsNoMore) {
  add(0, "192.0.2.1");
  add(1, "192.0.2.1");
  strangers.remove(id(0));
  strangers.remove(id(0));
  strangers.remove(id(77));
  EXPECT_FALSE(add(2, "192.0.2.1"));
  strangers.remove(id(1, 5));  // another generation
  EXPECT_EQ(strangers.size(), 2U);
}

TEST(AddressShare, SaysWhoCountsTogether) {
  EXPECT_EQ(address_share_of("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(address_share_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(address_share_of("127.0.0.1"), std::nullopt);
  EXPECT_EQ(address_share_of("::1"), std::nullopt);
  EXPECT_EQ(address_share_of("unix"), std::nullopt);
}

}  // namespace
}  // namespace parsec::protocol
