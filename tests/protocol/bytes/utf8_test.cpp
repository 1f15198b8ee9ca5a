#include "protocol/bytes/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/hex.h"

namespace parsec::protocol {
namespace {

struct Row {
  std::string hex;
  bool valid;
};

// RFC 3629 §4, the syntax of each length at its bounds.
const Row rows[] = {
    {"", true},          {"00", true},          {"7f", true},        {"80", false},
    {"bf", false},       {"c080", false},       {"c1bf", false},     {"c280", true},
    {"dfbf", true},      {"c2", false},         {"c241", false},     {"c2c2", false},
    {"e09fbf", false},   {"e0a080", true},      {"ecbfbf", true},    {"ed9fbf", true},
    {"eda080", false},   {"edbfbf", false},     {"ee8080", true},    {"efbfbf", true},
    {"e0a0", false},     {"e0a041", false},     {"e041a0", false},   {"f08fbfbf", false},
    {"f0908080", true},  {"f3bfbfbf", true},    {"f48fbfbf", true},  {"f4908080", false},
    {"f5808080", false}, {"f09080", false},     {"f0908041", false}, {"f0904180", false},
    {"f0419080", false}, {"f888808080", false}, {"ff", false},       {"fe", false},
};

TEST(Utf8, BoundsOfEveryLength) {
  for (const auto& row : rows) EXPECT_EQ(is_utf8(from_hex(row.hex)), row.valid) << row.hex;
}

TEST(Utf8, WhereverTheBlocksBegin) {
  for (const auto& row : rows) {
    if (row.hex.empty()) continue;
    for (std::size_t before = 0; before < 70; ++before) {
      for (const std::size_t after : {0u, 1u, 31u, 40u}) {
        const auto text = std::string(before, 'a') + from_hex(row.hex) + std::string(after, 'b');
        ASSERT_EQ(is_utf8(text), row.valid) << row.hex << " behind " << before;
      }
    }
  }
}

TEST(Utf8, EveryCharacterAndNoOther) {
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
              static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
              static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    std::string_view rest = text;
    const auto taken = take_character(rest);
    ASSERT_EQ(is_utf8(text), !surrogate) << c;
    ASSERT_EQ(taken.has_value(), !surrogate) << c;
    if (taken) {
      ASSERT_EQ(std::uint32_t{*taken}, c);
    }
    ASSERT_EQ(rest.empty(), !surrogate);
  }
}

TEST(Utf8, TakesCharacterByCharacter) {
  std::string_view text = "aé日";
  EXPECT_EQ(take_character(text), U'a');
  EXPECT_EQ(take_character(text), U'é');
  EXPECT_EQ(take_character(text), U'日');
  EXPECT_FALSE(take_character(text));
}

}  // namespace
}  // namespace parsec::protocol
