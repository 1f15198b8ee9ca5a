#include "app/command_line/help.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "app/command_line/command_line.h"
#include "tests/app/golden.h"

namespace parsec::app {
namespace {

Ending ending_of(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream{line};
  for (std::string word; stream >> word;) words.push_back(word);
  const auto result = parse_command_line(words, [](std::string_view) { return std::nullopt; });
  return result ? Ending{-1, "not an ending"} : result.error();
}

struct Page {
  std::string name, line;
};

class Help : public ::testing::TestWithParam<Page> {};

TEST_P(Help, IsAsInTheGoldenFile) {
  const Ending ending = ending_of(GetParam().line);
  EXPECT_EQ(ending.exit_code, 0);
  parsec::testing::expect_golden(GetParam().name + ".txt", ending.text);
}

INSTANTIATE_TEST_SUITE_P(
    Pages, Help,
    ::testing::Values(Page{"help", "--help"}, Page{"help_backend", "backend --help"},
                      Page{"help_backend_run", "backend run --help"},
                      Page{"help_backend_migrate", "backend migrate --help"},
                      Page{"help_core", "core --help"},
                      Page{"help_core_create_organization", "core create_organization --help"},
                      Page{"help_core_stats_organization", "core stats_organization --help"},
                      Page{"help_core_status_organization", "core status_organization --help"}),
    [](const auto& page) { return page.param.name; });

TEST(HelpText, BeginsAsTheGuidesSay) {
  const std::string expected = "Usage: parsec backend [OPTIONS] COMMAND [ARGS]...\n";
  EXPECT_EQ(ending_of("backend --help").text.substr(0, expected.size()), expected);
}

TEST(HelpText, BeatsWhatIsMissingOrWrong) {
  EXPECT_EQ(ending_of("backend run --port nonsense --help").exit_code, 0);
  EXPECT_EQ(ending_of("core create_organization --help").exit_code, 0);
}

TEST(HelpText, NoLineIsLongerThanATerminal) {
  for (const char* line : {"--help", "backend run --help", "core create_organization --help"}) {
    std::istringstream text{ending_of(line).text};
    for (std::string row; std::getline(text, row);) EXPECT_LE(row.size(), 80U) << row;
  }
}

// A group without a command shows its help, but as a complaint.
TEST(HelpText, IsShownWhereACommandIsMissing) {
  for (const char* line : {"", "backend", "core"}) {
    const Ending ending = ending_of(line);
    EXPECT_EQ(ending.exit_code, 2) << line;
    EXPECT_TRUE(ending.text.starts_with("Usage: parsec ")) << ending.text;
    EXPECT_NE(ending.text.find("\nCommands:\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace parsec::app
