// Names, types and labels of all metrics: to the letter, as the chapter lists them, and as
// Prometheus wants them.
#include "app/monitoring/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/app/golden.h"
#include "tests/support/source_tree.h"

namespace parsec::app {
namespace {

std::vector<std::string> listing() {
  std::istringstream text{metrics_listing()};
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(Metrics, AreAsInTheGoldenFile) {
  parsec::testing::expect_golden("metrics.txt", metrics_listing());
}

/// The table of app/administration.md §2: what explains a label does not count.
TEST(Metrics, AreAsTheChapterLists) {
  std::ifstream file{parsec::testing::source_path("app/administration.md")};
  const std::regex row{R"(\| `(\w+)` \| (gauge|counter|histogram) \| (.*) \|)"};
  std::vector<std::string> promised;
  for (std::string line; std::getline(file, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    std::string labels;
    // `kind, reason: client, …; operation: create, …`: names are what stands before a colon, or a
    // list without one.
    std::istringstream parts{found[3]};
    for (std::string part; std::getline(parts, part, ';');) {
      std::string names = part.substr(0, part.find(": "));
      if (names.starts_with(' ')) names.erase(0, 1);
      if (names != "–") labels += (labels.empty() ? " " : ", ") + names;
    }
    promised.push_back(found[1].str() + " " + found[2].str() + labels);
  }
  EXPECT_EQ(listing(), promised);
}

TEST(Metrics, FollowPrometheusRules) {
  std::set<std::string> names;
  for (const std::string& line : listing()) {
    const std::string name = line.substr(0, line.find(' '));
    EXPECT_TRUE(std::regex_match(name, std::regex{"(parsec|process)_[a-z0-9_]+"})) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
    const bool is_counter = line.find(" counter") != line.npos;
    EXPECT_EQ(name.ends_with("_total"), is_counter) << line;
    for (const char* forbidden : {"organization", "user", "device", "realm", "address", "token"}) {
      const std::string labels = line.substr(name.size());
      EXPECT_EQ(labels.find(forbidden), labels.npos) << line;
    }
  }
}

TEST(Metrics, WithoutAServerTellOfTheProgramAlone) {
  engine::Exposition text{engine::Exposition::Format::openmetrics};
  const Readiness starting{.reasons = {"starting"}, .level = {}};
  write_metrics(text, {.readiness = starting});
  const std::string all = text.finish();
  EXPECT_NE(all.find("parsec_build_info{version=\""), all.npos) << all;
  EXPECT_NE(all.find("\nparsec_ready 0\n"), all.npos) << all;
  EXPECT_NE(all.find("\nparsec_not_ready{reason=\"starting\"} 1\n"), all.npos) << all;
  EXPECT_EQ(all.find("parsec_connections"), all.npos) << all;
  EXPECT_TRUE(all.ends_with("\n# EOF\n")) << all;
}

}  // namespace
}  // namespace parsec::app
