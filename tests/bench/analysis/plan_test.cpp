// Plans computed by hand.
#include "bench/analysis/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;
constexpr double gib = 1024.0 * 1024 * 1024;

Costs::Activity activity(double server_us, double postgresql_us, double wal, double growth,
                         bool stores) {
  Costs::Activity made;
  made.cost = {.answered = 1000,
               .per_second = 5000,
               .server_cpu_seconds = server_us * 1e-6,
               .postgresql_cpu_seconds = postgresql_us * 1e-6,
               .database = RequestCost::Database{.commits = 0.5,
                                                 .wal_bytes = wal,
                                                 .wal_syncs = wal > 0 ? 0.1 : 0,
                                                 .statements = 1,
                                                 .growth_bytes = growth},
               .sent_bytes = 1000,
               .received_bytes = 250};
  made.payload_bytes = 800;
  made.stores_payload = stores;
  return made;
}

Costs costs() {
  Costs made;
  made.activities = {{"vlob_read", activity(50, 100, 0, 0, false)},
                     {"vlob_update", activity(100, 300, 3000, 2000, true)}};
  made.connections = Costs::Connections{.bytes_each = 1000, .bytes_without = 50'000'000};
  made.postgresql_bytes = 200'000'000;
  made.realms = 100;
  made.cores = 2;
  made.memory_bytes = 8ULL << 30;
  return made;
}

/// 10,000 devices, 3,600 connected; an activity of 1 per hour is 1 per second, 3 in the busiest
/// hour, 36,000 a day.
Deployment deployment() {
  Deployment made;
  made.name = "d";
  made.organizations = 100;
  made.users_per_organization = 50;
  made.devices_per_user = 2;
  made.realms_per_organization = 2;
  made.connected_share = 0.36;
  made.peak_factor = 3;
  made.active_hours_per_day = 10;
  made.per_device_and_hour = {{"vlob_read", 100}, {"vlob_update", 20}};
  made.retention_days = 1000;
  made.hot_days = 5;
  made.wal_kept_days = 2;
  made.utilization = 0.5;
  return made;
}

TEST(Plan, ByHand) {
  const auto plan = make_plan(deployment(), costs());
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_DOUBLE_EQ(plan->deployment.devices(), 10'000);
  EXPECT_DOUBLE_EQ(plan->deployment.connected(), 3600);
  ASSERT_EQ(plan->activities.size(), 2u);
  EXPECT_EQ(plan->activities[0].name, "vlob_read");
  EXPECT_DOUBLE_EQ(plan->activities[0].per_second, 300);
  EXPECT_DOUBLE_EQ(plan->activities[1].per_second, 60);
  EXPECT_DOUBLE_EQ(plan->requests_per_second, 360);
  // 300 * 50 µs + 60 * 100 µs = 21 ms a second, at half busy.
  EXPECT_NEAR(plan->server_cores, 0.042, 1e-12);
  // 300 * 100 µs + 60 * 300 µs = 48 ms.
  EXPECT_NEAR(plan->postgresql_cores, 0.096, 1e-12);
  EXPECT_DOUBLE_EQ(plan->server_memory_bytes, 50'000'000 + 3600 * 1000);
  // 20 per second on average, 36,000 s a day: 720,000 updates.
  EXPECT_DOUBLE_EQ(plan->wal_bytes_per_day, 720'000.0 * 3000);
  EXPECT_DOUBLE_EQ(plan->growth_bytes_per_day, 720'000.0 * 2000);
  EXPECT_DOUBLE_EQ(plan->postgresql_memory_bytes, 200'000'000 + 5 * 1.44e9);
  EXPECT_DOUBLE_EQ(plan->disk_bytes, 1000 * 1.44e9 + 2 * 2.16e9);
  EXPECT_DOUBLE_EQ(plan->received_bits_per_second, 8.0 * 360 * 1000);
  EXPECT_DOUBLE_EQ(plan->sent_bits_per_second, 8.0 * 360 * 250);
  EXPECT_DOUBLE_EQ(plan->replication_bits_per_second, 0);
  EXPECT_DOUBLE_EQ(plan->syncs_per_second, 6);
  EXPECT_EQ(plan->notes.size(), 1u);  // what network means
}

TEST(Plan, WithoutAMachineThatOfTheMeasurementIsCompared) {
  const auto plan = make_plan(deployment(), costs());
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->measured_machine);
  ASSERT_EQ(plan->resources.size(), 2u);
  EXPECT_EQ(plan->limit()->name, "memory");
  EXPECT_NEAR(plan->limit()->needed, (53.6e6 + 7.4e9) / gib, 1e-9);
  EXPECT_DOUBLE_EQ(plan->limit()->available, 8);
  EXPECT_NEAR(plan->resources[1].margin(), 2 / 0.138, 1e-9);
}

TEST(Plan, TheScarcestResourceOfAMachineLimits) {
  Deployment on_machine = deployment();
  on_machine.machine = Machine{.server_cores = 1,
                               .postgresql_cores = 1,
                               .memory_gib = 64,
                               .disk_gib = 1000,
                               .network_mbit_per_second = 100};
  const auto plan = make_plan(on_machine, costs());
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->measured_machine);
  ASSERT_EQ(plan->resources.size(), 5u);
  EXPECT_EQ(plan->limit()->name, "disk");
  EXPECT_NEAR(plan->limit()->margin(), 1000 / ((1.44e12 + 4.32e9) / gib), 1e-9);
  for (std::size_t i = 1; i < plan->resources.size(); ++i) {
    EXPECT_LE(plan->resources[i - 1].margin(), plan->resources[i].margin());
  }
  // What is not said of the machine is not compared.
  on_machine.machine = Machine{.disk_gib = 1};
  EXPECT_EQ(make_plan(on_machine, costs())->resources.size(), 1u);
}

TEST(Plan, LargerPayloadsAreWrittenAndSent) {
  Deployment larger = deployment();
  larger.payload_bytes = {{"vlob_update", 1800}, {"vlob_read", 1800}};
  const auto plan = make_plan(larger, costs());
  ASSERT_TRUE(plan);
  EXPECT_DOUBLE_EQ(plan->wal_bytes_per_day, 720'000.0 * 4000);
  EXPECT_DOUBLE_EQ(plan->growth_bytes_per_day, 720'000.0 * 3000);
  // A read stores nothing: what it returns is what was measured.
  EXPECT_DOUBLE_EQ(plan->received_bits_per_second, 8.0 * (300 * 1000 + 60 * 2000));
}

TEST(Plan, ReplicasGetTheWal) {
  Deployment replicated = deployment();
  replicated.replicas = 2;
  const auto plan = make_plan(replicated, costs());
  ASSERT_TRUE(plan);
  EXPECT_DOUBLE_EQ(plan->replication_bits_per_second, 8.0 * 60 * 3000 * 2);
  EXPECT_DOUBLE_EQ(plan->disk_bytes, make_plan(deployment(), costs())->disk_bytes);  // of each
}

TEST(Plan, WhatIsFarFromWhatWasMeasuredIsSaid) {
  Deployment far = deployment();
  far.per_device_and_hour["vlob_read"] = 3400;  // 10,200 per second; 5,000 were measured
  far.realms_per_organization = 11;             // 1,100; 100 were measured
  const auto plan = make_plan(far, costs());
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->notes.size(), 3u);
  EXPECT_THAT(plan->notes[0], HasSubstr("vlob_read: 10200 per second are needed, 5000 were"));
  EXPECT_THAT(plan->notes[1], HasSubstr("has 1100 realms, 100 were measured"));
}

TEST(Plan, WhatWasNotMeasuredIsAnError) {
  Deployment other = deployment();
  other.per_device_and_hour["block_read"] = 1;
  EXPECT_EQ(make_plan(other, costs()).error(),
            "per_device_and_hour.block_read: none of the results measures it");
  Costs without = costs();
  without.connections.reset();
  EXPECT_THAT(make_plan(deployment(), without).error(), HasSubstr("bytes_per_connection"));
  Deployment said = deployment();
  said.bytes_per_connection = 24'000;
  EXPECT_DOUBLE_EQ(make_plan(said, without)->server_memory_bytes, 3600 * 24'000);
}

TEST(Plan, SaysWhenIdsOf32BitsAreUsedUp) {
  Costs measured = costs();
  // 720,000 updates a day, as far as a deployment of 20 an hour goes; two rows each.
  measured.activities.at("vlob_update").ids = {{"vlob_atom", 2}, {"realm_vlob_update", 1}};
  const auto plan = make_plan(deployment(), measured);
  ASSERT_TRUE(plan) << plan.error();
  ASSERT_EQ(plan->ids.size(), 2u);
  EXPECT_EQ(plan->ids.front().table, "vlob_atom");
  EXPECT_NEAR(plan->ids.front().per_day, 2 * 20 * 36'000, 1);
  EXPECT_NEAR(plan->ids.front().days(), 2147483647.0 / 1'440'000, 0.1);
  // 1,491 days, half of it before the 1,000 of retention are over; the other table's is not.
  EXPECT_THAT(plan->notes, ::testing::Contains(HasSubstr("vlob_atom writes 1440000 rows a day")));
  EXPECT_THAT(plan->notes, ::testing::Not(::testing::Contains(HasSubstr("realm_vlob_update"))));
}

TEST(Plan, SaysWhatWasNotAnswered) {
  Costs measured = costs();
  measured.activities.at("vlob_read").failures = "32 % of the requests were not answered ok";
  const auto plan = make_plan(deployment(), measured);
  ASSERT_TRUE(plan) << plan.error();
  EXPECT_THAT(plan->notes, ::testing::Contains(HasSubstr("vlob_read: in its measurement 32 %")));
}

}  // namespace
}  // namespace parsec::bench
