#include "protocol/pages/static_files.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/bytes/big_endian.h"
#include "tests/protocol/hex.h"

namespace parsec::protocol {
namespace {

TEST(StaticFiles, AreFoundByExactName) {
  EXPECT_EQ(find_static_file("base.css")->content_type, "text/css;charset=utf-8");
  EXPECT_EQ(find_static_file("favicon.svg")->content_type, "image/svg+xml");
  for (const auto* name : {"", "base", "base.css/", "/base.css", "Base.css", "base.css%00"}) {
    EXPECT_FALSE(find_static_file(name)) << name;
  }
}

TEST(StaticFiles, FaviconIsAnIcoFile) {
  const auto icon = find_static_file("favicon.ico");
  ASSERT_TRUE(icon);
  EXPECT_EQ(icon->content_type, "image/x-icon");
  const auto hex = to_hex(as_bytes(icon->content));
  // One picture of 16 by 16 in 32 bits, 1128 bytes of bitmap behind 22 of headers.
  EXPECT_EQ(hex.substr(0, 44), "00000100010010100000010020006804000016000000");
  EXPECT_EQ(icon->content.size(), 22u + 1128u);
  EXPECT_EQ(hex.substr(44, 24), "280000001000000020000000");
}

}  // namespace
}  // namespace parsec::protocol
