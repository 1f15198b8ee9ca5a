#include "bench/load/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/source_tree.h"

namespace parsec::bench {
namespace {

TEST(Scenario, ThoseOfTheSuiteAreRead) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::source_path("bench/scenarios"))) {
    if (entry.path().stem() == "neighbours") continue;  // several in one: neighbours_scenario_test
    const auto scenario = Scenario::load(entry.path());
    ASSERT_TRUE(scenario) << scenario.error();
    EXPECT_EQ(scenario->name, entry.path().stem());
    EXPECT_FALSE(scenario->description.empty());
    ++count;
  }
  EXPECT_GE(count, 19);
}

TEST(Scenario, EveryMember) {
  const auto scenario = Scenario::parse(R"({"name": "n", "connections": 7, "zipf": 0.5,
    "population": {"organizations": 2, "users": 3, "devices": 4, "realms": 5, "vlobs": 6},
    "commands": [{"command": "block_read", "weight": 2.5, "bytes": 1000}, {"command": "ping"}]})");
  ASSERT_TRUE(scenario) << scenario.error();
  EXPECT_EQ(scenario->connections, 7u);
  EXPECT_EQ(scenario->zipf, 0.5);
  EXPECT_EQ(scenario->population.devices, 4u);
  EXPECT_EQ(scenario->population.vlobs, 6u);
  ASSERT_EQ(scenario->commands.size(), 2u);
  EXPECT_EQ(scenario->commands[0].command, Command::block_read);
  EXPECT_EQ(scenario->commands[0].weight, 2.5);
  EXPECT_EQ(scenario->commands[0].bytes, 1000u);
  EXPECT_TRUE(scenario->uses(Command::ping));
  EXPECT_FALSE(scenario->uses(Command::vlob_read));
}

TEST(Scenario, ConnectionsThatOnlyStay) {
  const auto scenario = Scenario::parse(R"({"name": "n", "subscribers": 3, "idle": 4,
    "connections": 2, "population": {"users": 2}, "commands": [{"command": "fan_out"}]})");
  ASSERT_TRUE(scenario) << scenario.error();
  EXPECT_EQ(scenario->all_connections(), 9u);
}

TEST(Scenario, ASmallPartOfItCanBeDone) {
  auto scenario = Scenario::parse(R"({"name": "n", "subscribers": 3, "population": {"devices": 2},
    "commands": [{"command": "fan_out"}]})");
  ASSERT_TRUE(scenario) << scenario.error();
  scenario->shrink();
  EXPECT_TRUE(scenario->check());
}

TEST(Scenario, SizesAreNamedWhereACommandIsThereMoreThanOnce) {
  const auto scenario = Scenario::parse(R"({"name": "n", "commands": [{"command": "ping"},
    {"command": "block_read", "bytes": 10}, {"command": "block_read", "bytes": 20}]})");
  ASSERT_TRUE(scenario) << scenario.error();
  EXPECT_EQ(scenario->label(scenario->commands[0]), "ping");
  EXPECT_EQ(scenario->label(scenario->commands[2]), "block_read of 20 bytes");
}

TEST(Scenario, WhatIsWrongIsToldWithItsPlace) {
  struct Row {
    const char* json;
    const char* error;
  };
  const Row rows[] = {
      {"[]", "must be an object"},
      {R"({"name": "n", "commands": [{"command": "fan_out"}]})",
       "subscribers: fan_out needs at least one"},
      {R"({"name": "n", "subscribers": 1, "population": {"organizations": 2},
          "commands": [{"command": "fan_out"}]})",
       "population.organizations: must be 1 for fan_out"},
      {R"({"name": "n", "subscribers": 1, "commands": [{"command": "fan_out"}]})",
       "population.devices: fan_out needs two, one of which updates"},
      {R"({"name": "n"})", "commands: is missing"},
      {R"({"name": "n", "commands": []})", "commands: must be a list of at least one"},
      {R"({"name": "n", "commands": [{"command": "block_create", "bytes": 1048577}]})",
       "commands[0].bytes: must be a whole number from 0 to 1048576"},
      {R"({"commands": [{"command": "ping"}]})", "name: is missing"},
      {R"({"name": "n", "colour": 1, "commands": [{"command": "ping"}]})", "colour: is not known"},
      {R"({"name": "n", "connections": 0, "commands": [{"command": "ping"}]})",
       "connections: must be a whole number from 1 to 1000000"},
      {R"({"name": "n", "zipf": -1, "commands": [{"command": "ping"}]})",
       "zipf: must be at least 0"},
      {R"({"name": "n", "population": {"cats": 1}, "commands": [{"command": "ping"}]})",
       "population.cats: is not known"},
      {R"({"name": "n", "population": {"users": 1.5}, "commands": [{"command": "ping"}]})",
       "population.users: must be a whole number from 1 to 100000"},
      {R"({"name": "n", "commands": [{"command": "ping"}, {"command": "pong"}]})",
       "commands[1].command: there is no command `pong`"},
      {R"({"name": "n", "commands": [{"command": "ping", "weight": 0}]})",
       "commands[0].weight: must be above 0"},
      {R"({"name": "n", "commands": [{"command": "ping", "wait": 0}]})",
       "commands[0].wait: is not known"},
  };
  for (const Row& row : rows) {
    const auto scenario = Scenario::parse(row.json);
    ASSERT_FALSE(scenario) << row.json;
    EXPECT_EQ(scenario.error(), row.error);
  }
  EXPECT_TRUE(Scenario::parse("{").error().starts_with("not JSON: "));
  EXPECT_EQ(Scenario::load("/no/such/file").error(), "cannot read /no/such/file");
  EXPECT_EQ(Scenario::load("/tmp").error(), "cannot read /tmp: it is a directory");
}

TEST(DealOut, EvenlyWithoutAnExponent) {
  EXPECT_EQ(deal_out(5, 3, 0), (std::vector<std::uint32_t>{0, 1, 2, 0, 1}));
}

TEST(DealOut, ByRankWithOne) {
  const auto dealt = deal_out(1100, 3, 1);  // 1 : 1/2 : 1/3
  const auto count = [&](std::uint32_t organization) {
    return std::ranges::count(dealt, organization);
  };
  EXPECT_EQ(count(0), 600);
  EXPECT_EQ(count(1), 300);
  EXPECT_EQ(count(2), 200);
  // So is every part of them.
  EXPECT_NEAR(static_cast<double>(std::count(dealt.begin(), dealt.begin() + 110, 0U)), 60, 1);
}

}  // namespace
}  // namespace parsec::bench
