#include "engine/types.h"

#include <gtest/gtest.h>

namespace parsec {
namespace {

constexpr std::string_view hyphenated = "00112233-4455-6677-8899-aabbccddeeff";
constexpr std::string_view plain = "00112233445566778899aabbccddeeff";

TEST(Uuid, BothFormsAndAnyCaseNameTheSame) {
  const auto uuid = Uuid::parse(hyphenated);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->bytes[0], std::byte{0x00});
  EXPECT_EQ(uuid->bytes[1], std::byte{0x11});
  EXPECT_EQ(uuid->bytes[15], std::byte{0xff});
  EXPECT_EQ(uuid->text(), hyphenated);
  EXPECT_EQ(uuid->hex(), plain);
  EXPECT_EQ(Uuid::parse(plain), uuid);
  EXPECT_EQ(Uuid::parse("00112233-4455-6677-8899-AABBCCDDEEFF"), uuid);
  EXPECT_EQ(Uuid::from(as_bytes("\x01")), Uuid{{std::byte{1}}});
}

TEST(Uuid, OtherTextsAreNone) {
  for (const std::string_view text :
       {"", "0", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefff",
        "00112233-4455-6677-8899aabbccddeeff-", "0011223344556677-8899-aabb-ccddeeff1",
        "00112233445566778899aabbccddeefg", "0011223344556677 899aabbccddeeff"}) {
    EXPECT_FALSE(Uuid::parse(text)) << text;
  }
}

TEST(DateTime, Text) {
  const struct {
    std::int64_t microseconds;
    std::string_view text;
  } rows[] = {
      {0, "1970-01-01T00:00:00.000000Z"},
      {-1, "1969-12-31T23:59:59.999999Z"},
      {1609459200'123456, "2021-01-01T00:00:00.123456Z"},
      {1709164800'000000, "2024-02-29T00:00:00.000000Z"},
      {DateTime::min_microseconds, "0001-01-01T00:00:00.000000Z"},
      {DateTime::max_microseconds, "9999-12-31T23:59:59.999999Z"},
  };
  for (const auto& row : rows) EXPECT_EQ(DateTime{row.microseconds}.text(), row.text);
}

}  // namespace
}  // namespace parsec
