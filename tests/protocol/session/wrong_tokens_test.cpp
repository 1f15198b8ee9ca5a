#include "protocol/session/wrong_tokens.h"

#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

using namespace std::chrono_literals;

TEST(WrongTokens, EachCostsMoreThanTheOneBefore) {
  WrongTokens tokens{500ms, 3000ms};
  const engine::TimePoint now{1h};
  EXPECT_EQ(tokens.add("192.0.2.1", now).pause, 500ms);
  EXPECT_EQ(tokens.add("192.0.2.1", now).pause, 1000ms);
  EXPECT_EQ(tokens.add("192.0.2.1", now).pause, 2000ms);
  for (int i = 0; i < 100; ++i) tokens.add("192.0.2.1", now);
  EXPECT_EQ(tokens.add("192.0.2.1", now).pause, 3000ms);
  EXPECT_EQ(tokens.add("192.0.2.1", now).count, 105U);
}

TEST(WrongTokens, AnotherAddressBeginsAnew) {
  WrongTokens tokens{500ms, 3000ms};
  for (int i = 0; i < 5; ++i) tokens.add("192.0.2.1", {});
  EXPECT_EQ(tokens.add("192.0.2.2", {}).pause, 500ms);
}

TEST(WrongTokens, OfIpv6ItsNetwork) {
  WrongTokens tokens{500ms, 3000ms};
  tokens.add("2001:db8:1:2::1", {});
  EXPECT_EQ(tokens.add("2001:db8:1:2::2", {}).count, 2U);
  EXPECT_EQ(tokens.add("2001:db8:1:3::1", {}).count, 1U);
}

TEST(WrongTokens, AreForgotten) {
  WrongTokens tokens{500ms, 3000ms};
  engine::TimePoint now{1h};
  for (int i = 0; i < 5; ++i) tokens.add("192.0.2.1", now);
  now += WrongTokens::forgotten_after + 1s;
  EXPECT_EQ(tokens.add("192.0.2.1", now).pause, 500ms);
}

TEST(WrongTokens, AddressesWithoutEndTakeNoMemoryWithoutEnd) {
  WrongTokens tokens{500ms, 3000ms};
  for (std::size_t i = 0; i < 5 * WrongTokens::most_addresses; ++i) {
    EXPECT_EQ(tokens.add(std::to_string(i), {}).count, 1U);
  }
}

}  // namespace
}  // namespace parsec::protocol
