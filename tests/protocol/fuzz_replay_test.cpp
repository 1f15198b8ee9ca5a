// The fuzz targets that the protocol's programs hold, replayed: tests/support/fuzz_replay.h.
#include "tests/support/fuzz_replay.h"

#include <gtest/gtest.h>

extern "C" {
int fuzz_addresses(const std::uint8_t* data, std::size_t size);
int fuzz_block_stores(const std::uint8_t* data, std::size_t size);
int fuzz_certificate(const std::uint8_t* data, std::size_t size);
int fuzz_commands(const std::uint8_t* data, std::size_t size);
int fuzz_frames(const std::uint8_t* data, std::size_t size);
int fuzz_http_head(const std::uint8_t* data, std::size_t size);
int fuzz_mail(const std::uint8_t* data, std::size_t size);
int fuzz_msgpack(const std::uint8_t* data, std::size_t size);
int fuzz_notification(const std::uint8_t* data, std::size_t size);
int fuzz_rows(const std::uint8_t* data, std::size_t size);
int fuzz_sessions(const std::uint8_t* data, std::size_t size);
}

namespace parsec {
namespace {

using testing::replay;

TEST(Fuzz, Addresses) { replay(fuzz_addresses, "addresses", 20'000); }
TEST(Fuzz, BlockStores) { replay(fuzz_block_stores, "block_stores", 10'000); }
TEST(Fuzz, Certificate) { replay(fuzz_certificate, "certificate", 5'000); }
TEST(Fuzz, Commands) { replay(fuzz_commands, "commands", 2'000); }
TEST(Fuzz, Frames) { replay(fuzz_frames, "frames", 10'000); }
TEST(Fuzz, HttpHead) { replay(fuzz_http_head, "http_head", 10'000); }
TEST(Fuzz, Mail) { replay(fuzz_mail, "mail", 1'000); }
TEST(Fuzz, Msgpack) { replay(fuzz_msgpack, "msgpack", 20'000); }
TEST(Fuzz, Notification) { replay(fuzz_notification, "notification", 10'000); }
TEST(Fuzz, Rows) { replay(fuzz_rows, "rows", 10'000); }
TEST(Fuzz, Sessions) { replay(fuzz_sessions, "sessions", 1'000); }

int planted_bug_found = 0;
int planted_bug(const std::uint8_t* data, std::size_t size) {
  if (size > 0 && data[0] == 0xC1) ++planted_bug_found;
  return 0;
}

TEST(Fuzz, FindsAPlantedBug) {
  replay(planted_bug, "msgpack", 20'000);
  EXPECT_GT(planted_bug_found, 0);
}

}  // namespace
}  // namespace parsec
