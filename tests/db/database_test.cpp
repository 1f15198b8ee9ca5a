// The database goes away, comes back, or answers no more: what becomes of requests, and that
// nothing is executed twice.
#include "db/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "tests/db/database_fixture.h"
#include "tests/support/gate.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::open_connection;
using testing::run_sql;

constexpr const char* terminate_others =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()";

class Faults : public ::testing::Test {
 protected:
  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);
  testing::Gate gate{testing::private_cluster().directory().native()};

  /// The same database through the gate.
  std::string gated() const {
    return std::regex_replace(conninfo, std::regex("host=[^ ]+"), "host=" + gate.directory());
  }
  std::string log_count() { return run_sql(admin, "SELECT count(*) FROM log"); }
};

// --- Lost connections ------------------------------------------------------------------------

TEST_F(Faults, TerminatedUnderLoad) {
  TestDatabase database{conninfo};
  std::int64_t key = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i) {
      database.submit(add_shared, static_cast<std::uint64_t>(i % 5),
                      [&](Request& r) { fill_log(r, ++key, "n"); });
      database.submit(log_size, 0);
    }
    database.database->gateway(0).flush();
    run_sql(admin, terminate_others);
    database.poll();
  }
  database.finish();
  // Everything was answered; what was acknowledged is there, and nothing is there twice.
  EXPECT_EQ(database.replies.size(), 4000U);
  EXPECT_EQ(database.count(Outcome::failed), 0U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) - count(DISTINCT key) FROM log"), "0");
  const auto stored = std::stoul(log_count());
  std::size_t writes_ok = 0;
  for (const auto& [tag, reply] : database.replies) {
    writes_ok += reply.outcome == Outcome::ok && tag % 2 == 1;
  }
  EXPECT_LE(writes_ok, stored);
  EXPECT_LE(stored, writes_ok + database.count(Outcome::unknown));
  EXPECT_GT(database.counter("losses"), 0U);
  EXPECT_EQ(database.call(add_shared, 0, [&](Request& r) { fill_log(r, ++key, "n"); }).outcome,
            Outcome::ok);
}

TEST_F(Faults, AWriteWhoseAnswerIsLostIsUnknown) {
  TestDatabase database{gated()};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  gate.hold_answers(true);
  const auto tag = database.submit(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); });
  database.database->gateway(0).flush();
  ASSERT_TRUE(eventually([&] { return log_count() == "2"; }));  // it is committed
  gate.cut();
  gate.hold_answers(false);
  database.finish();
  EXPECT_EQ(database.reply(tag).outcome, Outcome::unknown);
  EXPECT_EQ(log_count(), "2");
  EXPECT_EQ(database.call(add_shared, 0, [](Request& r) { fill_log(r, 3, "n"); }).outcome,
            Outcome::ok);
  EXPECT_EQ(log_count(), "3");
}

TEST_F(Faults, AWriteThatMayHaveArrivedIsUnknown) {
  TestDatabase database{gated()};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  gate.hold_requests(true);
  const auto segments = database.counter("segments");
  const auto tag = database.submit(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); });
  database.database->gateway(0).flush();
  ASSERT_TRUE(eventually([&] { return database.counter("segments") > segments; }));
  gate.cut();
  gate.hold_requests(false);
  database.finish();
  EXPECT_EQ(database.reply(tag).outcome, Outcome::unknown);
  EXPECT_EQ(log_count(), "1");
}

TEST_F(Faults, ReadsFollowToTheNextConnection) {
  TestDatabase database{gated()};
  database.call(log_size, 0);
  gate.hold_answers(true);
  const auto segments = database.counter("segments");
  for (int i = 0; i < 10; ++i) database.submit(log_size, 0);
  database.database->gateway(0).flush();
  ASSERT_TRUE(eventually([&] { return database.counter("segments") > segments; }));
  gate.cut();
  gate.hold_answers(false);
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 11U);
  EXPECT_GT(database.counter("resends"), 0U);
}

TEST_F(Faults, AWriteThatPostgresqlRolledBackIsSentAgain) {
  TestDatabase database{conninfo};
  const Function slow_add{"slow_add",
                          "INSERT INTO public.log (key) SELECT $1::bigint FROM pg_sleep(0.2)"
                          " RETURNING _id",
                          1, Access::shared_write};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  const auto tag = database.submit(slow_add, 0, [](Request& r) { r.int8(2); });
  database.database->gateway(0).flush();
  ASSERT_TRUE(eventually([&] {
    return run_sql(admin,
                   "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                   " AND datname = current_database()") == "1";
  }));
  run_sql(admin, terminate_others);
  database.finish();
  EXPECT_EQ(database.reply(tag).outcome, Outcome::ok);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log WHERE key = 2"), "1");
}

// --- The database is away --------------------------------------------------------------------

TEST_F(Faults, NewWorkIsTurnedAwayInTime) {
  TestDatabase database{gated()};
  database.call(log_size, 0);
  gate.refuse(true);
  gate.cut();
  const auto before = std::chrono::steady_clock::now();
  const auto read = database.submit(log_size, 0);
  const auto write = database.submit(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  database.finish();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_EQ(database.reply(read).outcome, Outcome::unavailable);
  EXPECT_NE(database.reply(write).outcome, Outcome::ok);
  EXPECT_EQ(database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); }).outcome,
            Outcome::unavailable);
  gate.refuse(false);
  EXPECT_TRUE(eventually([&] { return database.call(log_size, 0).outcome == Outcome::ok; }));
  EXPECT_TRUE(eventually([&] {
    return database.call(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); }).outcome ==
           Outcome::ok;
  }));
  EXPECT_EQ(log_count(), "1");
}

TEST_F(Faults, AServerThatDoesNotAnswerIsGivenUp) {
  Settings settings = test_settings(gated());
  settings.lane.silence = 200ms;
  TestDatabase database{settings};
  database.call(log_size, 0);
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  gate.hold_requests(true);
  const auto read = database.submit(log_size, 0);
  const auto write = database.submit(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); });
  database.finish();
  EXPECT_EQ(database.reply(write).outcome, Outcome::unknown);
  EXPECT_EQ(database.reply(read).outcome, Outcome::unavailable);
  gate.hold_requests(false);
  EXPECT_TRUE(eventually([&] { return database.call(log_size, 0).outcome == Outcome::ok; }));
}

TEST(Restart, OfTheServer) {
  testing::PrivatePostgres postgres;
  {
    auto connection = open_connection(postgres.conninfo());
    ASSERT_TRUE(migrate(connection, {}).ok());
    run_sql(connection,
            "CREATE TABLE public.log (_id serial PRIMARY KEY, key bigint, note text);"
            "CREATE FUNCTION parsec_functions.add_log(key bigint, note text) RETURNS int LANGUAGE "
            "sql AS"
            " 'INSERT INTO public.log (key, note) VALUES ($1, $2) RETURNING _id'");
  }
  TestDatabase database{postgres.conninfo()};
  std::int64_t key = 0;
  const auto add = [&] {
    return database.call(add_shared, 0, [&](Request& r) { fill_log(r, ++key, "n"); }).outcome;
  };
  EXPECT_EQ(add(), Outcome::ok);
  for (const auto shutdown :
       {EmbeddedCluster::Shutdown::fast, EmbeddedCluster::Shutdown::immediate}) {
    const auto gaps = database.sink.count("gap");
    postgres.stop(shutdown);
    EXPECT_NE(add(), Outcome::ok);
    postgres.start();
    EXPECT_TRUE(eventually([&] { return add() == Outcome::ok; }));
    EXPECT_TRUE(eventually([&] { return database.sink.count("gap") > gaps; }));
  }
  auto admin = open_connection(postgres.conninfo());
  EXPECT_EQ(run_sql(admin, "SELECT count(*) - count(DISTINCT key) FROM public.log"), "0");
  EXPECT_GE(std::stoul(run_sql(admin, "SELECT count(*) FROM public.log")),
            database.count(Outcome::ok));
}

TEST_F(Faults, AServerThatBecameReadOnlyIsLeft) {
  Settings settings = test_settings(conninfo);
  settings.min_connections = settings.max_connections = 2;  // one of them listens
  TestDatabase database{settings};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  const std::string name = run_sql(admin, "SELECT current_database()");
  // As after a failover: sessions see it at once, new ones are refused by target_session_attrs.
  run_sql(admin, "ALTER DATABASE " + name + " SET default_transaction_read_only = on");
  const Function make_read_only{"make_read_only",
                                "SELECT set_config('default_transaction_read_only',"
                                "'on', false)",
                                0, Access::solo_write};
  database.call(make_read_only, 0);
  const auto refused = database.call(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); });
  EXPECT_EQ(refused.outcome, Outcome::unavailable);
  run_sql(admin, "ALTER DATABASE " + name + " RESET default_transaction_read_only");
  EXPECT_TRUE(eventually([&] {
    return database.call(add_shared, 0, [](Request& r) { fill_log(r, 3, "n"); }).outcome ==
           Outcome::ok;
  }));
}

// --- Start and stop --------------------------------------------------------------------------

TEST(Start, SaysWhatIsWrong) {
  RecordingSink sink;
  Settings settings = test_settings("postgresql://u:secret@%2Fnowhere/db");
  auto started = Database::start(settings, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("Cannot connect to the database"));
  EXPECT_EQ(started.error().find("secret"), std::string::npos);

  started = Database::start(test_settings(testing::empty_database()), sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("parsec backend migrate"));

  settings.max_connections = 1;
  started = Database::start(settings, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("at least 2"));
}

TEST(Start, RefusesADatabaseThatTakesNoWrites) {
  const std::string conninfo = database_with_log();
  {
    auto admin = open_connection(conninfo);
    run_sql(admin, "ALTER DATABASE " + run_sql(admin, "SELECT current_database()") +
                       " SET default_transaction_read_only = on");
  }
  RecordingSink sink;
  for (const auto& [attributes, why] :
       {std::pair{"", "session is read-only"},
        std::pair{" target_session_attrs=any", "takes no writes"}}) {
    const auto refused = Database::start(test_settings(conninfo + attributes), sink);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error(), HasSubstr(why));
  }
}

TEST(Start, RefusesANewerSchemaUnlessTold) {
  const std::string conninfo = database_with_log();
  auto admin = open_connection(conninfo);
  run_sql(admin, "INSERT INTO migration VALUES (6, 'new', now())");
  RecordingSink sink;
  Settings settings = test_settings(conninfo);
  const auto refused = Database::start(settings, sink);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("newer"));
  settings.allow_newer_schema = true;
  EXPECT_TRUE(Database::start(settings, sink));
}

TEST(Start, TriesAsOftenAsTold) {
  RecordingSink sink;
  Settings settings = test_settings("postgresql://%2Fnowhere/db");
  settings.first_tries_number = 3;
  settings.first_tries_sleep = 50ms;
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(Database::start(settings, sink));
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, 100ms);
}

TEST(Start, OnAMigratedDatabaseIsFast) {
  const std::string conninfo = database_with_log();
  const auto before = std::chrono::steady_clock::now();
  TestDatabase database{conninfo};
  EXPECT_EQ(database.call(log_size, 0).outcome, Outcome::ok);
  const auto took = std::chrono::steady_clock::now() - before;
  RecordProperty("milliseconds", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 2s);  // far less; the machine may be busy
}

TEST(Stop, FinishesWhatIsUnderWay) {
  const std::string conninfo = database_with_log();
  {
    TestDatabase database{conninfo};
    for (int i = 0; i < 300; ++i) {
      database.submit(add_shared, static_cast<std::uint64_t>(i),
                      [&](Request& r) { fill_log(r, i, "n"); });
    }
    database.database->gateway(0).flush();
  }
  auto admin = open_connection(conninfo);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "300");
}

TEST(Stop, DoesNotWaitForever) {
  const std::string conninfo = database_with_log();
  auto admin = open_connection(conninfo);
  run_sql(admin, "BEGIN; LOCK TABLE log");
  const auto before = std::chrono::steady_clock::now();
  {
    Settings settings = test_settings(conninfo);
    settings.stop_grace = 200ms;
    TestDatabase database{settings};
    database.submit(add_shared, 0, [](Request& r) { fill_log(r, 0, "n"); });
    database.database->gateway(0).flush();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST(Stop, WhileTheDatabaseIsAway) {
  const std::string conninfo = database_with_log();
  testing::Gate gate{testing::private_cluster().directory().native()};
  const auto before = std::chrono::steady_clock::now();
  {
    TestDatabase database{
        std::regex_replace(conninfo, std::regex("host=[^ ]+"), "host=" + gate.directory())};
    gate.hold_answers(true);  // attempts to connect get no answer
    gate.cut();
    database.submit(add_shared, 0, [](Request& r) { fill_log(r, 0, "n"); });
    database.database->gateway(0).flush();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 4s);
}

}  // namespace
}  // namespace parsec::db
