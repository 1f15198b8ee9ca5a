#include "bench/analysis/deployment.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "bench/json_reader.h"
#include "tests/support/source_tree.h"

namespace parsec::bench {
namespace {

constexpr const char* least = R"("name": "n", "organizations": 2, "users_per_organization": 3,
  "devices_per_user": 4, "per_device_and_hour": {"ping": 1})";

std::string with(const std::string& more) { return "{" + std::string{least} + more + "}"; }

TEST(Deployment, EveryMember) {
  const auto made = Deployment::parse(with(R"(, "realms_per_organization": 5,
    "connected_share": 0.5, "peak_factor": 4, "active_hours_per_day": 10,
    "payload_bytes": {"ping": 7}, "retention_days": 100, "hot_days": 2, "wal_kept_days": 3,
    "replicas": 1, "utilization": 0.7, "bytes_per_connection": 24000,
    "machine": {"server_cores": 1, "postgresql_cores": 2, "memory_gib": 3, "disk_gib": 4,
                "network_mbit_per_second": 5})"));
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->name, "n");
  EXPECT_EQ(made->devices(), 24);
  EXPECT_EQ(made->connected(), 12);
  EXPECT_EQ(made->realms_per_organization, 5u);
  EXPECT_EQ(made->peak_factor, 4);
  EXPECT_EQ(made->active_hours_per_day, 10);
  EXPECT_EQ(made->per_device_and_hour.at("ping"), 1);
  EXPECT_EQ(made->payload_bytes.at("ping"), 7);
  EXPECT_EQ(made->retention_days, 100);
  EXPECT_EQ(made->hot_days, 2);
  EXPECT_EQ(made->wal_kept_days, 3);
  EXPECT_EQ(made->replicas, 1u);
  EXPECT_EQ(made->utilization, 0.7);
  EXPECT_EQ(made->bytes_per_connection, 24'000);
  EXPECT_EQ(made->machine->postgresql_cores, 2);
  EXPECT_EQ(made->machine->network_mbit_per_second, 5);
}

TEST(Deployment, MuchHasADefault) {
  const auto made = Deployment::parse(with(""));
  ASSERT_TRUE(made) << made.error();
  EXPECT_FALSE(made->machine);
  EXPECT_FALSE(made->bytes_per_connection);
  EXPECT_EQ(made->connected(), 24);
}

TEST(Deployment, WhatIsWrongIsToldWithItsPlace) {
  struct Row {
    std::string json;
    const char* error;
  };
  const Row rows[] = {
      {"{}", "name: is missing"},
      {R"({"name": "n", "organizations": 0})",
       "organizations: must be a whole number from 1 to 4294967295"},
      {with(R"(, "colour": 1)"), "colour: is not known"},
      {with(R"(, "connected_share": 1.5)"), "connected_share: must be at most 1"},
      {with(R"(, "peak_factor": 0.5)"), "peak_factor: must be at least 1"},
      {with(R"(, "active_hours_per_day": 25)"), "active_hours_per_day: must be at most 24"},
      {with(R"(, "payload_bytes": {"pong": 7})"),
       "payload_bytes.pong: is not in per_device_and_hour"},
      {with(R"(, "payload_bytes": {"ping": -7})"), "payload_bytes.ping: must be at least 0"},
      {with(R"(, "machine": {"gpu": 1})"), "machine.gpu: is not known"},
      {with(R"(, "machine": {"server_cores": 0})"), "machine.server_cores: must be above 0"},
      {R"({"name": "n", "organizations": 1, "users_per_organization": 1, "devices_per_user": 1,
           "per_device_and_hour": {}})",
       "per_device_and_hour: must not be empty"},
  };
  for (const Row& row : rows) {
    const auto made = Deployment::parse(row.json);
    ASSERT_FALSE(made) << row.json;
    EXPECT_EQ(made.error(), row.error);
  }
}

TEST(Deployment, ThoseOfTheSuiteAreRead) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::source_path("bench/deployments"))) {
    const auto made = Deployment::parse(*read_file(entry.path()));
    ASSERT_TRUE(made) << entry.path() << ": " << made.error();
    ++count;
  }
  EXPECT_GE(count, 2);
}

}  // namespace
}  // namespace parsec::bench
