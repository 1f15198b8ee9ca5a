// db/blocks/raid_layout.h: the formulas of db/storage.md §4, by hand and by an implementation of
// their own.
#include "db/blocks/raid_layout.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::db {
namespace {

using Chunks = std::vector<std::string>;

Chunks chunks_of(std::string_view block, std::size_t nodes) {
  Chunks result;
  for (const auto& chunk : raid5_chunks(as_bytes(block), nodes)) {
    result.emplace_back(as_text(chunk));
  }
  return result;
}

std::optional<std::string> block_of(const std::vector<std::optional<std::string>>& chunks) {
  std::vector<std::optional<std::vector<std::byte>>> bytes;
  for (const auto& chunk : chunks) {
    bytes.emplace_back();
    if (!chunk) continue;
    const auto octets = as_bytes(*chunk);
    bytes.back().emplace(octets.begin(), octets.end());
  }
  const auto block = raid5_block(bytes);
  if (!block) return std::nullopt;
  return std::string{as_text(*block)};
}

TEST(RaidLayout, Raid0IsTheRestOfA128BitNumber) {
  struct Row {
    const char* id;
    std::size_t nodes;
    std::size_t node;
  };
  // int(uuid) % n, as Python computes it.
  const Row rows[] = {
      {"00000000-0000-0000-0000-000000000000", 3, 0},
      {"00000000-0000-0000-0000-000000000005", 3, 2},
      {"00000000-0000-0001-0000-000000000000", 3, 1},
      {"00000000-0000-0001-0000-000000000000", 7, 2},
      {"ffffffff-ffff-ffff-ffff-ffffffffffff", 2, 1},
      {"ffffffff-ffff-ffff-ffff-ffffffffffff", 7, 3},
      {"00112233-4455-6677-8899-aabbccddeeff", 10, 5},
      {"00112233-4455-6677-8899-aabbccddeeff", 1, 0},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(raid0_node(*Uuid::parse(row.id), row.nodes), row.node) << row.id << row.nodes;
  }
}

TEST(RaidLayout, Raid5Chunks) {
  using namespace std::string_literals;
  EXPECT_EQ(chunks_of("", 3), (Chunks{"\0\0"s, "\0\0"s, "\0\0"s}));
  EXPECT_EQ(chunks_of("abcd", 3), (Chunks{"\0\0\0\4"s, "abcd"s, "abc\x60"s}));
  EXPECT_EQ(chunks_of("abc", 3), (Chunks{"\0\0\0\3"s, "abc\0"s, "abc\3"s}));
  EXPECT_EQ(chunks_of("abcde", 4), (Chunks{"\0\0\0"s, "\5ab"s, "cde"s, "\x66\x05\x07"s}));
  const auto large = chunks_of(std::string(0x01'02'03, 'x'), 3);
  EXPECT_EQ(large[0].substr(0, 5), "\0\1\2\3x"s);
  EXPECT_EQ(large[0].size(), (0x01'02'03 + 4 + 1) / 2);
}

TEST(RaidLayout, Raid5BlocksComeBackWithoutAnyOneChunk) {
  for (std::size_t nodes = 3; nodes <= 6; ++nodes) {
    for (std::size_t size = 0; size < 50; ++size) {
      std::string block;
      for (std::size_t i = 0; i < size; ++i) block += static_cast<char>(i * 37 + size);
      const auto chunks = chunks_of(block, nodes);
      for (std::size_t missing = 0; missing <= nodes; ++missing) {
        std::vector<std::optional<std::string>> there(chunks.begin(), chunks.end());
        if (missing < nodes) there[missing].reset();
        EXPECT_EQ(block_of(there), block) << nodes << " " << size << " " << missing;
      }
    }
  }
}

TEST(RaidLayout, Raid5ChunksThatDoNotFitTogether) {
  using namespace std::string_literals;
  EXPECT_EQ(block_of({"\0\0\0\1"s, "abc"s, std::nullopt}), std::nullopt);
  EXPECT_EQ(block_of({"\0\0\0\5"s, "abcd"s, std::nullopt}), std::nullopt);  // longer than there is
  EXPECT_EQ(block_of({"\xFF\xFF\xFF\xFF"s, "abcd"s, std::nullopt}), std::nullopt);
  EXPECT_EQ(block_of({"a"s, "b"s, std::nullopt}), std::nullopt);  // not even a length
  EXPECT_EQ(block_of({""s, ""s, ""s}), std::nullopt);
}

}  // namespace
}  // namespace parsec::db
