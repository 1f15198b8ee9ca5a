// The fuzz targets of tests/fuzz as ordinary tests: each gets its corpus, then a bounded number of
// mutations of it from a fixed seed. A target ends the process when it finds something.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/source_tree.h"

extern "C" {
int fuzz_msgpack(const std::uint8_t* data, std::size_t size);
int fuzz_frames(const std::uint8_t* data, std::size_t size);
int fuzz_http_head(const std::uint8_t* data, std::size_t size);
int fuzz_certificate(const std::uint8_t* data, std::size_t size);
}

namespace parsec {
namespace {

using Target = int (*)(const std::uint8_t*, std::size_t);

int run(Target target, const std::string& input) {
  return target(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::vector<std::string> corpus_of(const std::string& name) {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path{testing::source_path("tests/fuzz/corpus")} / name;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream text;
    text << file.rdbuf();
    corpus.push_back(text.str());
  }
  return corpus;
}

/// Some of: another octet, a flipped bit, octets removed, repeated, or taken from another input.
std::string mutate(std::string input, const std::vector<std::string>& corpus,
                   std::mt19937_64& random) {
  for (auto changes = random() % 4 + 1; changes > 0; --changes) {
    if (input.empty()) input = "x";
    const auto at = random() % input.size();
    const auto size = random() % 8 + 1;
    switch (random() % 5) {
      case 0:
        input[at] = static_cast<char>(random());
        break;
      case 1:
        input[at] = static_cast<char>(input[at] ^ 1 << random() % 8);
        break;
      case 2:
        input.erase(at, size);
        break;
      case 3:
        input.insert(at, input.substr(at, size));
        break;
      default: {
        const auto& other = corpus[random() % corpus.size()];
        if (!other.empty()) input.insert(at, other.substr(random() % other.size(), size * 4));
      }
    }
  }
  return input;
}

void replay(Target target, const std::string& name, int mutations) {
  const auto corpus = corpus_of(name);
  ASSERT_FALSE(corpus.empty());
  for (const auto& input : corpus) EXPECT_EQ(run(target, input), 0);
  std::mt19937_64 random{2023};
  for (int i = 0; i < mutations; ++i) {
    run(target, mutate(corpus[random() % corpus.size()], corpus, random));
  }
}

TEST(Fuzz, Msgpack) { replay(fuzz_msgpack, "msgpack", 20'000); }
TEST(Fuzz, Frames) { replay(fuzz_frames, "frames", 10'000); }
TEST(Fuzz, HttpHead) { replay(fuzz_http_head, "http_head", 10'000); }
TEST(Fuzz, Certificate) { replay(fuzz_certificate, "certificate", 5'000); }

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
