#include "db/schema/id_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/db/database_fixture.h"
#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::run_sql;

TEST(IdWatch, TellsWhatIsSeenWhileTheServerRuns) {
  const std::string conninfo = testing::fresh_database();
  Connection connection = testing::open_connection(conninfo);
  const testing::LogCapture log;
  IdWatch watch{{conninfo, "tests", {}}, 10ms, {}};
  EXPECT_EQ(watch.summary(), "database ids: unknown\n");
  run_sql(connection, "SELECT setval('public.message__id_seq', 1610612736)");
  EXPECT_TRUE(eventually([&] { return watch.summary().contains("used=75.000%"); }));
  EXPECT_THAT(watch.summary(), HasSubstr("most_used=public.message"));
  EXPECT_TRUE(eventually(
      [&] { return log.text().contains("75 % of the ids of public.message are used"); }));
  run_sql(connection,
          "INSERT INTO public.organization (_id, organization_id, bootstrap_token)"
          " VALUES (7, 'Org', 't')");
  EXPECT_TRUE(eventually([&] {
    return log.text().contains("public.organization__id_seq (next 1, public.organization has 7)");
  }));
}

TEST(IdWatch, EndsAtOnceAndOutlivesADatabaseThatIsAway) {
  IdWatch away{{"host=/nowhere dbname=none", "tests", {}}, 1ms, {}};
  IdWatch asleep{{"host=/nowhere dbname=none", "tests", {}}, 1h, {}};
  asleep.stop();
  away.stop();
  EXPECT_EQ(away.summary(), "database ids: unknown\n");
}

}  // namespace
}  // namespace parsec::db
