#include "bench/report/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/json_reader.h"

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;

Plan plan() {
  Plan made;
  made.deployment.name = "Example";
  made.deployment.organizations = 100;
  made.deployment.users_per_organization = 50;
  made.deployment.devices_per_user = 2;
  made.deployment.replicas = 1;
  made.deployment.utilization = 0.5;
  made.activities = {{.name = "vlob_read",
                      .per_second = 300,
                      .server_cores = 2.4,
                      .postgresql_cores = 4,
                      .wal_bytes_per_day = 0,
                      .growth_bytes_per_day = 0}};
  made.requests_per_second = 300;
  made.server_cores = 2.4;
  made.postgresql_cores = 4;
  made.server_memory_bytes = 1 << 30;
  made.disk_bytes = 3e12;
  made.sent_bits_per_second = 8e6;
  made.replication_bits_per_second = 2e6;
  made.received_bits_per_second = 3e6;
  made.resources = {{"cores for PostgreSQL", 4, 6, "cores"}, {"disk", 10, 100, "GiB"}};
  made.notes = {"Something is far."};
  return made;
}

TEST(PlanText, SaysWhatIsNeededAndWhatLimits) {
  const std::string text = describe(plan());
  EXPECT_THAT(text, HasSubstr("Example: 100 organizations, 10,000 devices, 10,000 connected"));
  EXPECT_THAT(text, HasSubstr("The machine carries it 1.50 times, which is 150 organizations"));
  EXPECT_THAT(text, HasSubstr("What limits: cores for PostgreSQL (4.00 of 6.00 cores)."));
  // Whole cores: 2.4 are 3.
  EXPECT_THAT(text, HasSubstr("server cores                        3  1.20 busy"));
  EXPECT_THAT(text, HasSubstr("2.73 TiB"));
  EXPECT_THAT(text, HasSubstr("on each of 2 PostgreSQL servers"));
  EXPECT_THAT(text, HasSubstr("10.0 Mbit/s  out, 2.00 of it replication; 3.00 in"));
  EXPECT_THAT(text, HasSubstr("Note: Something is far."));
}

TEST(PlanText, AMachineThatIsTooSmall) {
  Plan small = plan();
  small.resources[0].available = 3;
  EXPECT_THAT(describe(small), HasSubstr("The machine is too small: it carries 75 % of it, which "
                                         "is 75 organizations"));
  small.resources.clear();
  EXPECT_THAT(describe(small), HasSubstr("Nothing is known of a machine"));
}

TEST(PlanText, AsJson) {
  const std::string text = write_plan(plan());
  std::string limit;
  double margin = 0, cores = 0;
  int activities = 0, resources = 0;
  const auto read = JsonReader::document(text, [&](JsonReader& all) {
    all.text("limit", limit);
    all.number("margin", margin, {});
    all.number("server_cores", cores, {});
    all.objects("activities", [&](JsonReader&) { ++activities; });
    all.objects("resources", [&](JsonReader&) { ++resources; });
    return 0;
  });
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(limit, "cores for PostgreSQL");
  EXPECT_EQ(margin, 1.5);
  EXPECT_EQ(cores, 2.4);
  EXPECT_EQ(activities, 1);
  EXPECT_EQ(resources, 2);
}

}  // namespace
}  // namespace parsec::bench
