#include "bench/report/units.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

TEST(Units, ThreeDigitsThatCount) {
  EXPECT_EQ(quantity(0), "0");
  EXPECT_EQ(quantity(0.0789123), "0.0789");
  EXPECT_EQ(quantity(1), "1.00");
  EXPECT_EQ(quantity(4.5649), "4.56");
  EXPECT_EQ(quantity(9.999), "10.0");
  EXPECT_EQ(quantity(45.67), "45.7");
  EXPECT_EQ(quantity(999.6), "1,000");
  EXPECT_EQ(quantity(12345), "12,300");
  EXPECT_EQ(quantity(1234567), "1,230,000");
  EXPECT_EQ(quantity(-12345), "-12,300");
}

TEST(Units, Counts) {
  EXPECT_EQ(count(0), "0");
  EXPECT_EQ(count(999), "999");
  EXPECT_EQ(count(1000), "1,000");
  EXPECT_EQ(count(1234567.4), "1,234,567");
}

TEST(Units, BytesAndDurations) {
  EXPECT_EQ(bytes(512), "512 B");
  EXPECT_EQ(bytes(1536), "1.50 KiB");
  EXPECT_EQ(bytes(25.0 * 1024 * 1024 * 1024), "25.0 GiB");
  EXPECT_EQ(bytes(1e30).substr(bytes(1e30).size() - 3), "PiB");
  EXPECT_EQ(duration(0), "0 ns");
  EXPECT_EQ(duration(12'345), "12.3 µs");
  EXPECT_EQ(duration(999'900), "1.00 ms");
  EXPECT_EQ(duration(7.89e9), "7.89 s");
  EXPECT_EQ(percent(0.456), "46 %");
}

}  // namespace
}  // namespace parsec::bench
