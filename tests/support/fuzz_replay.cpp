#include "tests/support/fuzz_replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

int run(FuzzTarget target, const std::string& input) {
  return target(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::vector<std::string> corpus_of(const std::string& name) {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path{source_path("tests/fuzz/corpus")} / name;
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

}  // namespace

void replay(FuzzTarget target, const std::string& name, int mutations) {
  const auto corpus = corpus_of(name);
  ASSERT_FALSE(corpus.empty());
  for (const auto& input : corpus) EXPECT_EQ(run(target, input), 0);
  std::mt19937_64 random{2023};
  for (int i = 0; i < mutations; ++i) {
    run(target, mutate(corpus[random() % corpus.size()], corpus, random));
  }
}

}  // namespace parsec::testing
