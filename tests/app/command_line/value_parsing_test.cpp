#include "app/command_line/value_parsing.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

namespace parsec::app {
namespace {

TEST(ParseNumber, TakesDecimalNumbersWithinTheBounds) {
  EXPECT_EQ(parse_number("0"), 0U);
  EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_number("5", 5, 7), 5U);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number("4", 5, 7), std::nullopt);
  EXPECT_EQ(parse_number("8", 5, 7), std::nullopt);
}

TEST(ParseBoolean, TakesWordsInAnyCase) {
  for (const char* text : {"1", "true", "True", "t", "YES", "y", "on"}) {
    EXPECT_EQ(parse_boolean(text), true) << text;
  }
  for (const char* text : {"0", "false", "FALSE", "f", "no", "N", "off"}) {
    EXPECT_EQ(parse_boolean(text), false) << text;
  }
  for (const char* text : {"", "2", "maybe", "true "}) {
    EXPECT_EQ(parse_boolean(text), std::nullopt) << text;
  }
}

TEST(ParseSize, TakesUnits) {
  const std::map<std::string, std::optional<std::uint64_t>> rows{
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"64KiB", 64 << 10},
      {"64k", 64 << 10},
      {"16MiB", 16 << 20},
      {"1GiB", 1 << 30},
      {"", std::nullopt},
      {"KiB", std::nullopt},
      {"1 KiB", std::nullopt},
      {"1.5MiB", std::nullopt},
      {"1TiB", std::nullopt},
      {"-1", std::nullopt},
      {"17179869184GiB", std::nullopt},  // 2^64
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(parse_size(text), expected) << text;
}

TEST(ParseSeconds, TakesThreeDecimals) {
  const std::map<std::string, std::optional<int>> rows{{"0", 0},
                                                       {"10", 10'000},
                                                       {"0.5", 500},
                                                       {"1.025", 1025},
                                                       {"86400", 86'400'000},
                                                       {"86401", std::nullopt},
                                                       {"", std::nullopt},
                                                       {".", std::nullopt},
                                                       {"1.", std::nullopt},
                                                       {".5", std::nullopt},
                                                       {"1.0001", std::nullopt},
                                                       {"-1", std::nullopt},
                                                       {"1s", std::nullopt}};
  for (const auto& [text, expected] : rows) {
    const auto parsed = parse_seconds(text);
    ASSERT_EQ(parsed.has_value(), expected.has_value()) << text;
    if (expected) {
      EXPECT_EQ(parsed->count(), *expected) << text;
    }
  }
}

TEST(ParseDatetime, TakesIso8601) {
  const std::map<std::string, std::string> rows{
      {"2030-12-31", "2030-12-31T00:00:00Z"},
      {"2030-12-31T23:59", "2030-12-31T23:59:00Z"},
      {"2030-12-31T23:59:58", "2030-12-31T23:59:58Z"},
      {"2030-12-31 23:59:58Z", "2030-12-31T23:59:58Z"},
      {"2030-12-31T23:59:58.5Z", "2030-12-31T23:59:58.500000Z"},
      {"2030-12-31T23:59:58+02:00", "2030-12-31T21:59:58Z"},
      {"2030-12-31T23:59:58-0130", "2031-01-01T01:29:58Z"},
      {"2028-02-29", "2028-02-29T00:00:00Z"},
  };
  for (const auto& [text, expected] : rows) {
    const auto parsed = parse_datetime(text);
    ASSERT_TRUE(parsed) << text;
    const auto again = parse_datetime(expected);
    ASSERT_TRUE(again) << expected;
    EXPECT_EQ(*parsed, *again) << text << " is " << parsed->text();
  }
  EXPECT_EQ(parse_datetime("1970-01-01T00:00:01Z")->microseconds, 1'000'000);
  for (const char* text :
       {"", "2030", "2030-13-01", "2029-02-29", "2030-12-31T", "2030-12-31T24:00",
        "2030-12-31T23:60", "2030-12-31Tnoon", "2030-12-31Z1", "31-12-2030", "2030-12-31T23:59 Z",
        "0001-01-01T00:00+01:00"}) {
    EXPECT_EQ(parse_datetime(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace parsec::app
