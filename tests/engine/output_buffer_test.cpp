#include "engine/output_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace parsec::engine {
namespace {

std::string text_of(const OutputBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

TEST(OutputBuffer, AppendsAndGrows) {
  OutputBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0u) << "an idle connection holds nothing";
  buffer.append("");
  EXPECT_EQ(buffer.capacity(), 0u);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    buffer.append("some bytes");
    buffer.push('!');
    expected += "some bytes!";
  }
  EXPECT_EQ(text_of(buffer), expected);
}

TEST(OutputBuffer, ReservedBytesCountOnceCommitted) {
  OutputBuffer buffer;
  buffer.append("head ");
  std::byte* place = buffer.reserve(100);
  place[0] = std::byte{'x'};
  EXPECT_EQ(buffer.size(), 5u);
  buffer.commit(1);
  EXPECT_EQ(text_of(buffer), "head x");
  buffer.truncate(4);
  EXPECT_EQ(text_of(buffer), "head");
}

TEST(OutputBuffer, GivesItsMemoryBack) {
  OutputBuffer buffer;
  buffer.append("x");
  buffer.clear();
  EXPECT_GT(buffer.capacity(), 0u);
  buffer.release();
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(OutputBuffer, MovesLeaveNothingBehind) {
  OutputBuffer from;
  from.append("bytes");
  OutputBuffer to(std::move(from));
  EXPECT_EQ(from.capacity(), 0u);
  EXPECT_EQ(text_of(to), "bytes");
  OutputBuffer other;
  other.append("other");
  std::swap(to, other);
  EXPECT_EQ(text_of(to), "other");
  EXPECT_EQ(text_of(other), "bytes");
}

}  // namespace
}  // namespace parsec::engine
