#include "protocol/bytes/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::protocol {
namespace {

struct Row {
  std::string text;
  std::string encoded;
};

// RFC 4648 §10.
const Row rows[] = {{"", ""},
                    {"f", "Zg=="},
                    {"fo", "Zm8="},
                    {"foo", "Zm9v"},
                    {"foob", "Zm9vYg=="},
                    {"fooba", "Zm9vYmE="},
                    {"foobar", "Zm9vYmFy"},
                    {"\xFB\xEF\xFF", "++//"}};

std::string decoded(std::string_view text) {
  const auto bytes = base64_decode(text);
  return bytes ? std::string{as_text(*bytes)} : "refused";
}

TEST(Base64, BothWays) {
  for (const auto& row : rows) {
    EXPECT_EQ(base64_encode(as_bytes(row.text)), row.encoded);
    EXPECT_EQ(decoded(row.encoded), row.text);
  }
}

TEST(Base64, LineBreaksAreSkipped) {
  EXPECT_EQ(decoded("Zm9v\nYmFy\n"), "foobar");
  EXPECT_EQ(decoded("Zm\r\n9v"), "foo");
}

TEST(Base64, WhatIsNotBase64) {
  for (const std::string_view text :
       {"Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9v!", "Zm 9v", "Zh==", "_-__", "=", "\xC3\xA9"}) {
    EXPECT_EQ(decoded(text), "refused") << text;
  }
}

}  // namespace
}  // namespace parsec::protocol
