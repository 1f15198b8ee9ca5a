// Secrets are compared whole.
#include "protocol/bytes/secret.h"

#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

TEST(SameSecret, ComparesAllOfThem) {
  EXPECT_TRUE(same_secret("s3cr3t", "s3cr3t"));
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_FALSE(same_secret("s3cr3t", "s3cr3"));
  EXPECT_FALSE(same_secret("s3cr3t", "s3cr3t "));
  EXPECT_FALSE(same_secret("s3cr3t", ""));
  using namespace std::string_view_literals;
  EXPECT_FALSE(same_secret("a\0b"sv, "a\0c"sv));
}

}  // namespace
}  // namespace parsec::protocol
