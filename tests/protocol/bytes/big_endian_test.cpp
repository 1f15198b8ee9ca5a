#include "protocol/bytes/big_endian.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace parsec {
namespace {

TEST(BigEndian, LoadsAndStoresUnaligned) {
  std::array<std::byte, 9> bytes{};
  store_big_endian(&bytes[1], std::uint64_t{0x0102030405060708});
  for (std::size_t i = 1; i < 9; ++i) EXPECT_EQ(bytes[i], std::byte(i));
  EXPECT_EQ(load_big_endian<std::uint64_t>(&bytes[1]), 0x0102030405060708u);
  EXPECT_EQ(load_big_endian<std::uint32_t>(&bytes[1]), 0x01020304u);
  EXPECT_EQ(load_big_endian<std::uint16_t>(&bytes[3]), 0x0304u);
  EXPECT_EQ(load_big_endian<std::uint8_t>(&bytes[8]), 0x08u);
}

}  // namespace
}  // namespace parsec
