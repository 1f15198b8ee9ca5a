#include "bench/population/payload.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "bench/load/scenario.h"

namespace parsec::bench {
namespace {

TEST(Payload, HasItsSizeAndIsAlwaysTheSame) {
  for (const std::uint32_t size : {0U, 1U, 7U, 500U, 65'536U, most_payload_bytes}) {
    EXPECT_EQ(payload(size, 5).size(), size);
    EXPECT_EQ(payload(size, 5), payload(size, 5));
  }
}

TEST(Payload, DiffersByItsNumber) {
  std::set<Octets> all;
  for (std::uint64_t number = 0; number < 1000; ++number) all.insert(payload(100, number));
  EXPECT_EQ(all.size(), 1000u);
}

TEST(Payload, HasNothingThatRepeats) {
  // Four bytes in a row occur once, as chance has it: there is nothing for a compressor to refer
  // to.
  const Octets bytes = payload(65'536, 1);
  std::set<std::array<std::byte, 4>> seen;
  for (std::size_t i = 0; i + 4 <= bytes.size(); ++i) {
    seen.insert({bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]});
  }
  EXPECT_GT(seen.size(), 65'500u);
  std::array<int, 256> counts{};
  for (const std::byte byte : bytes) ++counts[std::to_integer<std::size_t>(byte)];
  for (const int count : counts) EXPECT_NEAR(count, 256, 100);
}

}  // namespace
}  // namespace parsec::bench
