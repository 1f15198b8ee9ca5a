#include "db/driver/peer_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "tests/db/database_fixture.h"
#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::run_sql;

Connection session(const std::string& conninfo, const std::string& application_name) {
  auto connection = Connection::open({conninfo, application_name, {}});
  EXPECT_TRUE(connection);
  return std::move(*connection);
}

bool has_ended(Connection& connection) {
  PQconsumeInput(connection.native());
  return PQstatus(connection.native()) != CONNECTION_OK;
}

Settings quick_watch(const std::string& conninfo) {
  Settings settings = test_settings(conninfo);
  settings.watch = {.interval = 50ms, .stalled_session_age = 300ms, .probe_limit = 10s};
  return settings;
}

// A server that stopped amid a batch: its kernel keeps the connection, PostgreSQL its locks.
TEST(PeerWatch, AStalledServerDoesNotKeepItsLocks) {
  const std::string conninfo = database_with_log();
  const testing::LogCapture log;
  Connection stalled = session(conninfo, "parsec");
  run_sql(stalled, "BEGIN");
  run_sql(stalled, "LOCK TABLE log IN EXCLUSIVE MODE");
  TestDatabase database{quick_watch(conninfo)};
  const auto reply = database.call(add_shared, 1, [](Request& r) { fill_log(r, 1, "x"); });
  EXPECT_EQ(reply.outcome, Outcome::ok);
  EXPECT_TRUE(eventually([&] { return has_ended(stalled); }));
  EXPECT_THAT(log.text(), HasSubstr("of a Parsec server at this machine"));
}

// As our batches are: PostgreSQL calls the session active, for it waits for the Sync.
TEST(PeerWatch, AmidAPipelineToo) {
  const std::string conninfo = database_with_log();
  Connection watch = session(conninfo, "parsec");
  Connection stalled = session(conninfo, "parsec");
  Connection idle = session(conninfo, "parsec");
  Connection stranger = session(conninfo, "psql");
  run_sql(stranger, "BEGIN; SELECT 1");
  ASSERT_EQ(PQenterPipelineMode(stalled.native()), 1);
  ASSERT_EQ(PQsendQueryParams(stalled.native(), "SELECT pg_advisory_xact_lock(7)", 0, nullptr,
                              nullptr, nullptr, nullptr, 0),
            1);
  ASSERT_EQ(PQsendFlushRequest(stalled.native()), 1);
  ASSERT_EQ(PQflush(stalled.native()), 0);
  const auto look = [&](std::chrono::milliseconds age) {
    return end_stalled_sessions(watch, age).value_or(-1);
  };
  EXPECT_EQ(look(1h), 0);
  EXPECT_TRUE(eventually([&] { return look(1ms) == 1; }));
  run_sql(watch, "SELECT pg_advisory_lock(7)");  // given up
  EXPECT_FALSE(has_ended(idle));
  EXPECT_FALSE(has_ended(stranger));
}

TEST(PeerWatch, ProbesReachTheListenerAndNobodyElse) {
  const std::string conninfo = database_with_log();
  const testing::LogCapture log;
  TestDatabase database{quick_watch(conninfo)};
  auto probe = std::make_shared<Probe>();
  PeerWatch watch{{conninfo, "parsec", {}}, {50ms, 1h, 50ms}, probe};
  // Nobody of this probe listens: as behind a pooler that works per transaction.
  EXPECT_TRUE(watch.check_notifications());
  probe->on_listening(true);
  const auto deaf = watch.check_notifications();
  ASSERT_FALSE(deaf);
  EXPECT_THAT(deaf.error(), HasSubstr("pool_mode = session"));
  watch.start();
  EXPECT_TRUE(eventually([&] { return probe->take_missing(); }));
  watch.stop();
  EXPECT_TRUE(database.sink.heard().empty());
  EXPECT_EQ(database.counter("notifications"), 0U);
  EXPECT_EQ(database.counter("listen_losses"), 0U);
}

TEST(PeerWatch, EndsAtOnceAndOutlivesADatabaseThatIsAway) {
  PeerWatch away{
      {"host=/nowhere dbname=none", "tests", {}}, {1ms, 1ms, 1ms}, std::make_shared<Probe>()};
  EXPECT_TRUE(away.check_notifications());
  away.start();
  away.stop();
}

}  // namespace
}  // namespace parsec::db
