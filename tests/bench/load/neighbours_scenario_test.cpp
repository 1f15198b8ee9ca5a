#include "bench/load/neighbours_scenario.h"

#include <gtest/gtest.h>

#include "tests/support/source_tree.h"

namespace parsec::bench {
namespace {

TEST(NeighboursScenario, ThatOfTheSuiteHasEveryRow) {
  auto scenario = NeighboursScenario::load(testing::source_path("bench/scenarios/neighbours.json"));
  ASSERT_TRUE(scenario) << scenario.error();
  ASSERT_EQ(scenario->victims.size(), 2u);
  EXPECT_TRUE(scenario->victims[0].scenario.uses(Command::vlob_read));
  EXPECT_TRUE(scenario->victims[1].scenario.uses(Command::vlob_update));
  ASSERT_EQ(scenario->hogs.size(), 6u);
  EXPECT_EQ(scenario->hogs[0].scenario.population.vlobs, 12'000u);
  EXPECT_TRUE(scenario->hogs[0].scenario.commands[0].from_start);
  EXPECT_EQ(scenario->hogs[1].scenario.population.users, 2'000u);
  EXPECT_EQ(scenario->hogs[2].scenario.population.blocks, 10'000u);
  EXPECT_TRUE(scenario->hogs[5].holds_realm);
  scenario->shrink();
  EXPECT_LE(scenario->hogs[0].scenario.population.vlobs, 10u);
  EXPECT_LE(scenario->hogs[4].in_flight, 4u);
  EXPECT_EQ(scenario->keep_hogs({"nobody"}).error(), "there is no hog `nobody` in neighbours");
  ASSERT_TRUE(scenario->keep_hogs({"vlobs of 1 MiB"}));
  EXPECT_EQ(scenario->hogs.size(), 1u);
}

TEST(NeighboursScenario, WhatIsWrongIsToldWithItsPlace) {
  const std::string good = R"({"name": "a", "commands": [{"command": "ping"}]})";
  struct Row {
    std::string victims, hogs;
    const char* error;
  };
  const Row rows[] = {
      {"", good, "victims: must be a list of at least one"},
      {good, "", "hogs: must be a list of at least one"},
      {good + "," + good, good, "victims[1].name: is there twice"},
      {good, R"({"name": "a", "in_flight": 0, "commands": [{"command": "ping"}]})",
       "hogs[0].in_flight: must be a whole number from 1 to 10000"},
      {good, R"({"name": "a", "commands": [{"command": "ping", "bytes": -1}]})",
       "hogs[0].commands[0].bytes: must be a whole number from 0 to 1048576"},
      {good, R"({"name": "a", "commands": [{"command": "fan_out"}]})",
       "hogs[0].subscribers: fan_out needs at least one"},
      {R"({"name": "a", "holds_realm": true, "commands": [{"command": "ping"}]})", good,
       "victims[0].holds_realm: is for hogs"},
  };
  for (const Row& row : rows) {
    const auto scenario = NeighboursScenario::parse(R"({"name": "n", "victims": [)" + row.victims +
                                                    R"(], "hogs": [)" + row.hogs + "]}");
    ASSERT_FALSE(scenario) << row.error;
    EXPECT_EQ(scenario.error(), row.error);
  }
}

}  // namespace
}  // namespace parsec::bench
