#include "protocol/session/command.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace parsec::protocol {
namespace {

Command set(int& value, std::shared_ptr<int> held) {
  value = 1;
  co_await std::suspend_always{};
  value = 2 + *held;
}

TEST(Command, StartsSuspendedAndRunsToItsEnd) {
  int value = 0;
  auto command = set(value, std::make_shared<int>(5));
  EXPECT_EQ(value, 0);
  command.resume();
  EXPECT_EQ(value, 1);
  EXPECT_FALSE(command.done());
  command.resume();
  EXPECT_EQ(value, 7);
  EXPECT_TRUE(command.done());
}

TEST(Command, DestroyedWhereItStandsReleasesItsLocals) {
  int value = 0;
  auto held = std::make_shared<int>(5);
  auto command = set(value, held);
  command.resume();
  EXPECT_EQ(held.use_count(), 2);
  command.reset();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(value, 1);
  EXPECT_FALSE(command);
}

using Promise = Command::promise_type;

TEST(CommandFrames, OfAnySizeAreWritable) {
  for (const std::size_t size : {1u, 255u, 256u, 257u, 4096u, 4097u, 100'000u}) {
    std::vector<void*> frames;
    for (int i = 0; i < 300; ++i) {
      auto* bytes = static_cast<char*>(Promise::operator new(size));
      bytes[0] = bytes[size - 1] = 'x';
      frames.push_back(bytes);
    }
    for (void* frame : frames) Promise::operator delete(frame, size);
  }
}

#ifndef __SANITIZE_ADDRESS__
TEST(CommandFrames, AreUsedAgainWithinTheirSizeClass) {
  void* first = Promise::operator new(1000);
  Promise::operator delete(first, 1000);
  void* other = Promise::operator new(2000);
  EXPECT_NE(other, first);
  void* again = Promise::operator new(900);
  EXPECT_EQ(again, first);
  Promise::operator delete(other, 2000);
  Promise::operator delete(again, 900);
}
#endif

}  // namespace
}  // namespace parsec::protocol
