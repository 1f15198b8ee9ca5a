#include "protocol/bytes/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace parsec::protocol {
namespace {

TEST(Random, UniqueIdsAre32HexadecimalDigits) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto id = unique_id();
    EXPECT_EQ(id.size(), 32u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), id.npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Random, FillsEverything) {
  std::array<std::byte, 48> first{}, second{};
  fill_random(first);
  fill_random(second);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace parsec::protocol
