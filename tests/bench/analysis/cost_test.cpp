#include "bench/analysis/cost.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

/// 1,000 answers in 2 s.
Measurement measured(std::string command, std::uint32_t connections, std::uint64_t server_bytes) {
  Measurement measurement;
  measurement.seconds = 2;
  measurement.connections = connections;
  CommandResult one;
  one.command = std::move(command);
  one.replies = {{"ok", 1000}};
  one.completed = 1000;
  one.sent_bytes = 200'000;
  one.received_bytes = 50'000;
  measurement.commands.push_back(std::move(one));
  measurement.server = ProcessUsage{.cpu_seconds = 0.1, .resident_bytes = server_bytes};
  measurement.postgresql = ProcessUsage{.cpu_seconds = 0.4, .resident_bytes = 100'000'000};
  measurement.database = DatabaseUsage{.commits = 500,
                                       .wal_bytes = 3'000'000,
                                       .wal_syncs = 250,
                                       .statements = 1000,
                                       .size_growth_bytes = 2'000'000};
  return measurement;
}

Result result_of(Command command, std::uint32_t connections, std::uint64_t server_bytes) {
  Result result;
  result.scenario.name = "scenario_of_" + std::string{name(command)};
  result.scenario.population.organizations = 10;
  result.scenario.population.realms = 3;
  result.scenario.commands = {{.command = command, .weight = 1, .bytes = 800}};
  result.environment.cores = 4;
  result.environment.memory_bytes = 1 << 30;
  const Measurement one = measured(std::string{name(command)}, connections, server_bytes);
  result.run = {one, one};
  return result;
}

TEST(Cost, OfARequestOverAllRepeats) {
  const Result result = result_of(Command::vlob_update, 10, 0);
  const RequestCost cost = cost_of(result.run);
  EXPECT_EQ(cost.answered, 2000u);
  EXPECT_DOUBLE_EQ(cost.per_second, 500);
  EXPECT_DOUBLE_EQ(*cost.server_cpu_seconds, 100e-6);
  EXPECT_DOUBLE_EQ(*cost.postgresql_cpu_seconds, 400e-6);
  EXPECT_DOUBLE_EQ(cost.database->commits, 0.5);
  EXPECT_DOUBLE_EQ(cost.database->wal_bytes, 3000);
  EXPECT_DOUBLE_EQ(cost.database->wal_syncs, 0.25);
  EXPECT_DOUBLE_EQ(cost.database->statements, 1);
  EXPECT_DOUBLE_EQ(cost.database->growth_bytes, 2000);
  EXPECT_DOUBLE_EQ(cost.sent_bytes, 200);
  EXPECT_DOUBLE_EQ(cost.received_bytes, 50);
}

TEST(Cost, WhatOneRepeatDoesNotTellIsNotKnown) {
  Result result = result_of(Command::ping, 10, 0);
  result.run[0].server.reset();
  result.run[1].database.reset();
  const RequestCost cost = cost_of(result.run);
  EXPECT_FALSE(cost.server_cpu_seconds);
  EXPECT_TRUE(cost.postgresql_cpu_seconds);
  EXPECT_FALSE(cost.database);
}

TEST(Cost, ByScenarioAndByItsOnlyCommand) {
  const Result results[] = {result_of(Command::vlob_update, 1000, 32'000'000),
                            result_of(Command::ping, 11'000, 52'000'000)};
  const auto costs = costs_of(results);
  ASSERT_TRUE(costs) << costs.error();
  EXPECT_EQ(costs->activities.size(), 4u);
  EXPECT_TRUE(costs->activities.at("vlob_update").stores_payload);
  EXPECT_EQ(costs->activities.at("scenario_of_vlob_update").payload_bytes, 800);
  EXPECT_FALSE(costs->activities.at("ping").stores_payload);
  ASSERT_TRUE(costs->connections);
  EXPECT_DOUBLE_EQ(costs->connections->bytes_each, 2000);
  EXPECT_DOUBLE_EQ(costs->connections->bytes_without, 30'000'000);
  EXPECT_EQ(costs->postgresql_bytes, 100'000'000u);
  EXPECT_EQ(costs->cores, 4u);
  EXPECT_EQ(costs->realms, 30);
}

TEST(Cost, OfAConnectionNeedsTwoNumbersOfThem) {
  const Result same[] = {result_of(Command::ping, 10, 100), result_of(Command::vlob_read, 10, 200)};
  EXPECT_FALSE(costs_of(same)->connections);
  const Result falls[] = {result_of(Command::ping, 10, 200),
                          result_of(Command::vlob_read, 20, 100)};
  EXPECT_FALSE(costs_of(falls)->connections);
}

TEST(Cost, WhatIsMissingIsTold) {
  EXPECT_EQ(costs_of({}).error(), "A plan needs at least one result");
  Result one = result_of(Command::ping, 10, 0);
  one.run[0].database.reset();
  EXPECT_EQ(costs_of({&one, 1}).error(),
            "The result of scenario_of_ping lacks PostgreSQL's counters: measure with --db");
  one.run[0].postgresql.reset();
  EXPECT_TRUE(costs_of({&one, 1}).error().contains("lacks PostgreSQL's CPU"));
  one.run[0].server.reset();
  EXPECT_TRUE(costs_of({&one, 1}).error().contains("lacks the server's CPU"));
  one.run = {Measurement{}};
  one.run[0].seconds = 1;
  EXPECT_TRUE(costs_of({&one, 1}).error().contains("has no answers"));
  const Result twice[] = {result_of(Command::ping, 10, 0), result_of(Command::ping, 20, 0)};
  EXPECT_EQ(costs_of(twice).error(), "Two results measure ping: give one of them");
}

TEST(Cost, OfAConnectionAsItWasOpened) {
  std::vector<Result> results{result_of(Command::ping, 10, 5'000'000),
                              result_of(Command::vlob_read, 1000, 9'000'000)};
  for (Measurement& measurement : results[1].run) measurement.server_bytes_per_connection = 2000;
  const auto costs = costs_of(results);
  ASSERT_TRUE(costs) << costs.error();
  EXPECT_DOUBLE_EQ(costs->connections->bytes_each, 2000);
  EXPECT_DOUBLE_EQ(costs->connections->bytes_without, 7'000'000);
}

}  // namespace
}  // namespace parsec::bench
