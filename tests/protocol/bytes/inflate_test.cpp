#include "protocol/bytes/inflate.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/hex.h"
#include "tests/protocol/signing.h"

namespace parsec::protocol {
namespace {

std::string inflated(const std::string& compressed, std::size_t max_bytes = 1000) {
  const auto bytes = inflate(as_bytes(compressed), max_bytes);
  return bytes ? std::string{as_text(*bytes)} : "refused";
}

TEST(Inflate, GivesBackWhatWasCompressed) {
  for (const std::size_t size : {0u, 1u, 1000u}) {
    const std::string text(size, 'x');
    EXPECT_EQ(inflated(testing_support::compress(text)), text);
  }
}

TEST(Inflate, IsBounded) {
  const std::size_t bound = 1'048'576;
  EXPECT_EQ(inflated(testing_support::compress(std::string(bound, 'x')), bound).size(), bound);
  EXPECT_EQ(inflated(testing_support::compress(std::string(bound + 1, 'x')), bound), "refused");
  EXPECT_EQ(inflated(testing_support::compress(std::string(64 << 20, '\0')), bound), "refused");
  EXPECT_EQ(inflated(testing_support::compress("ab"), 1), "refused");
  EXPECT_EQ(inflated(testing_support::compress("ab"), 2), "ab") << "after refusals";
}

TEST(Inflate, OneWholeStreamOnly) {
  const auto whole = testing_support::compress("some text that is compressed");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(inflated(whole.substr(0, size)), "refused") << size;
  }
  EXPECT_EQ(inflated(whole + "x"), "refused");
  EXPECT_EQ(inflated(whole + whole), "refused");
  EXPECT_EQ(inflated("not zlib"), "refused");
  EXPECT_EQ(inflated(from_hex("78bb 00000001 0300 00000001")), "refused") << "preset dictionary";
}

}  // namespace
}  // namespace parsec::protocol
