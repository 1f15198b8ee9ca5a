#include "bench/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace parsec::bench {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

Words run_with(Words more) {
  Words words{"run", "--addr=parsec://h?no_ssl=true", "--administration-token=t", "--scenario=s"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Of a subcommand that was accepted.
MeasureSettings setup_of(const std::vector<std::string>& words) {
  const auto command = parse_command_line(words);
  if (!command) throw std::runtime_error(command.error().text);
  return std::visit(
      [](const auto& each) -> MeasureSettings {
        if constexpr (requires { each.setup; }) return each.setup;
        throw std::runtime_error("it measures nothing");
      },
      *command);
}

TEST(BenchCommandLine, ClosedLoopByDefault) {
  const MeasureSettings run = setup_of(run_with({}));
  EXPECT_EQ(run.address, "parsec://h?no_ssl=true");
  EXPECT_EQ(run.load.kind, Load::Kind::closed);
  EXPECT_EQ(run.load.in_flight, 1u);
  EXPECT_EQ(run.load.warm_up, 1s);
  EXPECT_EQ(run.load.duration, 5s);
  EXPECT_EQ(run.repeats, 3u);
}

TEST(BenchCommandLine, EveryOption) {
  const MeasureSettings run =
      setup_of(run_with({"--rate=100.5", "--constant", "--warm-up=0.25", "--duration=0.5",
                         "--repeats=2", "--threads=4", "--connections=9", "--db=postgresql:///x",
                         "--server-pid=5", "--postgresql-pid=6", "--population=p"}));
  EXPECT_EQ(run.load.kind, Load::Kind::open);
  EXPECT_EQ(run.load.pattern, ArrivalPattern::constant);
  EXPECT_EQ(run.load.rate, 100.5);
  EXPECT_EQ(run.load.warm_up, 250ms);
  EXPECT_EQ(run.load.duration, 500ms);
  EXPECT_EQ(run.repeats, 2u);
  EXPECT_EQ(run.threads, 4u);
  EXPECT_EQ(run.connections, 9u);
  EXPECT_EQ(run.database_url, "postgresql:///x");
  EXPECT_EQ(run.server, std::vector<pid_t>{5});
  EXPECT_EQ(run.postgresql, std::vector<pid_t>{6});
  EXPECT_EQ(run.population_name, "p");
}

TEST(BenchCommandLine, Search) {
  std::vector<std::string> words = run_with({"--p99=12.5", "--first-rate=7", "--ladder"});
  words.front() = "search";
  const auto parsed = parse_command_line(words);
  ASSERT_TRUE(parsed) << parsed.error().text;
  const auto& search = std::get<SearchCommand>(*parsed);
  EXPECT_EQ(search.p99_bound, 12'500us);
  EXPECT_EQ(search.first_rate, 7);
  EXPECT_TRUE(search.ladder);
  EXPECT_EQ(search.setup.load.kind, Load::Kind::open);
}

TEST(BenchCommandLine, WhatIsWrongIsNamed) {
  struct Row {
    Words words;
    const char* text;
  };
  const Row rows[] = {
      {{}, "subcommand"},
      {{"run"}, "--addr is required"},
      {run_with({"--rate=-1"}), "--rate"},
      {run_with({"--rate=1", "--in-flight=2"}), "--in-flight"},
      {run_with({"--constant"}), "--rate"},
      {run_with({"--speed=1"}), "--speed"},
  };
  for (const char* option : {"--rate", "--warm-up", "--duration", "--patience", "--repeats",
                             "--connections", "--subscribers", "--idle", "--threads", "--pin",
                             "--server-pid", "--postgresql-pid", "--in-flight"}) {
    for (const char* value : {"nan", "inf", "-1", "1e300", "1e8", "x", ""}) {
      SCOPED_TRACE(std::string{option} + "=" + value);
      const auto run = parse_command_line(run_with({std::string{option} + "=" + value}));
      ASSERT_FALSE(run);
      EXPECT_EQ(run.error().exit_code, 2);
      EXPECT_THAT(run.error().text, HasSubstr(option));
    }
  }
  for (const char* option : {"--p99=nan", "--p99=1e300", "--first-rate=nan", "--first-rate=1e8"}) {
    Words words = run_with({option});
    words[0] = "search";
    const auto search = parse_command_line(words);
    ASSERT_FALSE(search) << option;
    EXPECT_THAT(search.error().text, HasSubstr("must be a number from"));
  }
  for (const Row& row : rows) {
    const auto run = parse_command_line(row.words);
    ASSERT_FALSE(run) << row.text;
    EXPECT_EQ(run.error().exit_code, 2);
    EXPECT_THAT(run.error().text, HasSubstr(row.text));
  }
  EXPECT_EQ(parse_command_line({"--help"}).error().exit_code, 0);
}

TEST(BenchCommandLine, Scaling) {
  Words words = run_with({"--connections=1,2,8", "--html=page.html"});
  words[0] = "scaling";
  const auto ceiling = parse_command_line(words);
  ASSERT_TRUE(ceiling) << ceiling.error().text;
  const auto& scaling = std::get<ScalingCommand>(*ceiling);
  EXPECT_EQ(scaling.connections, (std::vector<double>{1, 2, 8}));
  EXPECT_EQ(scaling.output.html, "page.html");
  EXPECT_EQ(scaling.p99_bound, std::nullopt);
  EXPECT_EQ(scaling.setup.load.kind, Load::Kind::closed);
  words.push_back("--p99=20");
  const auto promise = parse_command_line(words);
  ASSERT_TRUE(promise) << promise.error().text;
  EXPECT_EQ(std::get<ScalingCommand>(*promise).p99_bound, 20ms);
  EXPECT_EQ(std::get<ScalingCommand>(*promise).setup.load.kind, Load::Kind::open);
}

TEST(BenchCommandLine, WhatReadsResults) {
  const auto law = parse_command_line({"law", "shards", "1=a.json", "2=b=c.json"});
  ASSERT_TRUE(law) << law.error().text;
  EXPECT_EQ(std::get<LawCommand>(*law).parameter, "shards");
  EXPECT_EQ(std::get<LawCommand>(*law).results,
            (std::vector<std::pair<double, std::string>>{{1, "a.json"}, {2, "b=c.json"}}));
  const auto report = parse_command_line({"report", "a.json", "--html=a.html"});
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(std::get<ReportCommand>(*report).result, "a.json");
  const auto compare = parse_command_line({"compare", "a.json", "b.json"});
  ASSERT_TRUE(compare) << compare.error().text;
  EXPECT_EQ(std::get<CompareCommand>(*compare).after, "b.json");
  const auto plan = parse_command_line({"plan", "d.json", "a.json", "b.json", "--json=p.json"});
  ASSERT_TRUE(plan) << plan.error().text;
  EXPECT_EQ(std::get<PlanCommand>(*plan).results, (Words{"a.json", "b.json"}));
  EXPECT_EQ(std::get<PlanCommand>(*plan).output.json, "p.json");
}

TEST(BenchCommandLine, WhatCannotBeRead) {
  for (const Words& words :
       {Words{"law", "shards", "a.json"}, Words{"law", "shards", "0=a.json"},
        Words{"law", "shards", "inf=a.json"}, Words{"law", "shards", "nan=a.json"},
        Words{"law", "shards", "1x=a.json"}, Words{"law", "shards", "1="}, Words{"law", "shards"},
        Words{"report", "a.json"}, Words{"compare", "a.json"}, Words{"plan", "d.json"}}) {
    SCOPED_TRACE(::testing::PrintToString(words));
    const auto command = parse_command_line(words);
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().exit_code, 2);
    EXPECT_FALSE(command.error().text.empty());
  }
}

}  // namespace
}  // namespace parsec::bench
