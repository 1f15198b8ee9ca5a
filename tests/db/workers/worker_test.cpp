// Requests on their way through a worker: batches, replays, order, retries; over a real PostgreSQL.
#include "db/workers/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/db/database_fixture.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using testing::open_connection;
using testing::run_sql;

class Worker : public ::testing::Test {
 protected:
  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);

  std::string log() {
    return run_sql(admin, "SELECT coalesce(string_agg(note, ',' ORDER BY _id), '') FROM log");
  }
};

TEST_F(Worker, EveryKindOfParameterArrives) {
  TestDatabase database{conninfo};
  const std::string_view texts[] = {"a", "b c"};
  const Bytes blobs[] = {as_bytes("\x01\x02")};
  const Uuid uuids[] = {*Uuid::parse("000102030405060708090a0b0c0d0e0f")};
  const std::int64_t numbers[] = {-1, 2};
  const auto reply = database.call(echo, 0, [&](Request& request) {
    request.text("zoé").bytes(as_bytes("\xff")).boolean(true).int4(-7).int8(1LL << 40);
    request.uuid(uuids[0]).datetime({1609459200'123456});
    request.text_array(texts).bytes_array(blobs).uuid_array(uuids).int8_array(numbers);
    request.null().text_array({});
  });
  EXPECT_EQ(reply.outcome, Outcome::ok);
  EXPECT_EQ(reply.text,
            "zoé|ff|t|-7|1099511627776|00010203-0405-0607-0809-0a0b0c0d0e0f|"
            "2021-01-01 00:00:00.123456+00|{a,\"b c\"}|{\"\\\\x0102\"}|"
            "{00010203-0405-0607-0809-0a0b0c0d0e0f}|{-1,2}|none|0");
}

TEST_F(Worker, AnEmptyValueIsNotNull) {
  const Function is_null{"is_null", "SELECT ($1::text IS NULL)::text", 1, Access::read};
  TestDatabase database{conninfo};
  EXPECT_EQ(database.call(is_null, 0, [](Request& r) { r.text(""); }).text, "false");
  EXPECT_EQ(database.call(is_null, 0, [](Request& r) { r.null(); }).text, "true");
}

TEST_F(Worker, SharedWritesShareCommits) {
  TestDatabase database{conninfo};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 0, "first"); });
  for (int i = 0; i < 500; ++i) {
    database.submit(add_shared, 0, [i](Request& r) { fill_log(r, i, "n"); });
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 501U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "501");
  EXPECT_LE(database.counter("commits"), 30U);  // 8 and some, if nothing stalls
  EXPECT_EQ(run_sql(admin,
                    "SELECT max(count) <= 64 FROM"
                    " (SELECT count(*) FROM log GROUP BY xmin::text) AS transactions"),
            "t");
}

TEST_F(Worker, SoloWritesShareNothing) {
  TestDatabase database{conninfo};
  for (int i = 0; i < 20; ++i) {
    database.submit(i % 2 == 0 ? add_solo : add_shared, 0,
                    [i](Request& r) { fill_log(r, i, i % 2 == 0 ? "solo" : "shared"); });
  }
  database.finish();
  EXPECT_EQ(run_sql(admin,
                    "SELECT count(*) FROM (SELECT FROM log GROUP BY xmin::text"
                    " HAVING bool_or(note = 'solo') AND count(*) > 1) AS mixed"),
            "0");
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "20");
}

TEST_F(Worker, EqualRoutesKeepTheirOrder) {
  Settings settings = test_settings(conninfo);
  settings.workers = 2;
  settings.max_connections = 9;
  TestDatabase database{settings};
  for (int i = 0; i < 2000; ++i) {
    const bool failing = i % 97 == 0;
    const Function& function = i % 31 == 0 ? add_solo : fail_if;
    database.submit(function, static_cast<std::uint64_t>(i % 7), [&](Request& r) {
      fill_log(r, i, failing && &function == &fail_if ? "x" : "n");
    });
    if (i % 50 == 0) database.database->gateway(0).flush();
  }
  database.finish();
  EXPECT_EQ(run_sql(admin,
                    "SELECT count(*) FROM (SELECT key, lag(key) OVER"
                    " (PARTITION BY key % 7 ORDER BY _id) AS before FROM log) AS l"
                    " WHERE before > key"),
            "0");
  EXPECT_EQ(database.count(Outcome::ok) + database.count(Outcome::failed), 2000U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"),
            std::to_string(database.count(Outcome::ok)));
}

TEST_F(Worker, OneThatFailsDoesNotHurtTheOthers) {
  TestDatabase database{conninfo};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 0, "first"); });
  std::vector<std::uint64_t> failing;
  for (int i = 0; i < 60; ++i) {
    const bool fails = i == 0 || i == 7 || i == 8 || i == 59;
    const auto tag =
        database.submit(fail_if, 0, [&](Request& r) { fill_log(r, i, fails ? "x" : "n"); });
    if (fails) failing.push_back(tag);
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::failed), 4U);
  for (const auto tag : failing) {
    EXPECT_EQ(database.reply(tag).outcome, Outcome::failed);
    EXPECT_EQ(database.reply(tag).sqlstate, "P0042");
  }
  EXPECT_EQ(run_sql(admin, "SELECT count(*), count(DISTINCT key) FROM log"), "57");
  EXPECT_EQ(run_sql(admin, "SELECT count(DISTINCT key) FROM log WHERE note = 'n'"), "56");
  EXPECT_GT(database.counter("aborts"), 0U);
  EXPECT_GT(database.counter("replays"), 0U);
}

TEST_F(Worker, ACommitThatFailsIsReplayedOneByOne) {
  run_sql(admin,
          "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
          "  RAISE EXCEPTION 'late' USING ERRCODE = 'P0043'; END $$;"
          "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED"
          " FOR EACH ROW WHEN (NEW.note = 'late') EXECUTE FUNCTION refuse()");
  TestDatabase database{conninfo};
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 0, "first"); });
  for (int i = 0; i < 10; ++i) {
    database.submit(add_shared, 0, [&](Request& r) { fill_log(r, i, i == 5 ? "late" : "n"); });
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::failed), 1U);
  EXPECT_EQ(database.count(Outcome::ok), 10U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "10");
}

TEST_F(Worker, AnUnknownFunctionFailsAlone) {
  const Function unknown{"unknown", "SELECT parsec_ext.nonsense()", 0, Access::shared_write};
  const Function unknown_read{"unknown_read", "SELECT nonsense", 0, Access::read};
  TestDatabase database{conninfo};
  database.submit(add_shared, 0, [](Request& r) { fill_log(r, 1, "n"); });
  const auto write = database.submit(unknown, 0);
  database.submit(add_shared, 0, [](Request& r) { fill_log(r, 2, "n"); });
  const auto read = database.submit(unknown_read, 0);
  database.submit(log_size, 0);
  database.finish();
  EXPECT_EQ(database.reply(write).sqlstate, "42883");
  EXPECT_EQ(database.reply(read).sqlstate, "42703");
  EXPECT_EQ(database.count(Outcome::ok), 3U);
  EXPECT_EQ(database.call(unknown, 0).sqlstate, "42883");
}

TEST_F(Worker, AUniqueViolationIsRetriedABoundedNumberOfTimes) {
  run_sql(admin,
          "CREATE SEQUENCE attempts;"
          "CREATE FUNCTION parsec_ext.taken(times bigint) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
          "  IF nextval('public.attempts') <= times THEN"
          "   RAISE EXCEPTION 'taken' USING ERRCODE = 'unique_violation'; END IF;"
          "  RETURN 'done'; END $$");
  const Function taken{"taken", "SELECT parsec_ext.taken($1)", 1, Access::shared_write};
  Settings settings = test_settings(conninfo);
  settings.lane.retries = 5;
  TestDatabase database{settings};
  EXPECT_EQ(database.call(taken, 0, [](Request& r) { r.int8(3); }).text, "done");
  EXPECT_EQ(database.counter("retries"), 3U);
  run_sql(admin, "ALTER SEQUENCE attempts RESTART");
  const auto reply = database.call(taken, 0, [](Request& r) { r.int8(1000); });
  EXPECT_EQ(reply.outcome, Outcome::failed);
  EXPECT_EQ(reply.sqlstate, "23505");
  EXPECT_EQ(run_sql(admin, "SELECT last_value FROM attempts"), "6");  // once and 5 retries
}

TEST_F(Worker, AReplacedFunctionIsPreparedAgain) {
  run_sql(admin, "CREATE FUNCTION parsec_ext.changing() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  const Function read{"changing_read", "SELECT * FROM parsec_ext.changing()", 0, Access::read};
  const Function write{"changing_write", "SELECT * FROM parsec_ext.changing()", 0,
                       Access::shared_write};
  TestDatabase database{conninfo};
  EXPECT_EQ(database.call(read, 0).integer, 1);
  EXPECT_EQ(database.call(write, 0).integer, 1);
  run_sql(admin,
          "BEGIN; DROP FUNCTION parsec_ext.changing();"
          "CREATE FUNCTION parsec_ext.changing() RETURNS TABLE (x text, y bigint) LANGUAGE sql"
          " AS $$ SELECT 'other', 2::bigint $$; COMMIT");
  for (int i = 0; i < 5; ++i) {
    database.submit(add_shared, 0, [](Request& r) { fill_log(r, 0, "n"); });
    database.submit(write, 0);
    database.submit(read, 0);
  }
  database.finish();
  EXPECT_EQ(database.call(read, 0).text, "other");
  EXPECT_EQ(database.call(write, 0).text, "other");
  EXPECT_EQ(database.count(Outcome::failed), 0U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "5");
}

TEST_F(Worker, ForgottenStatementsArePreparedAgain) {
  // What a pooler in between may do.
  const Function forget{"forget", "SELECT 1", 0, Access::shared_write};
  const Function deallocate{"deallocate", "DEALLOCATE ALL", 0, Access::solo_write};
  TestDatabase database{conninfo};
  EXPECT_EQ(database.call(forget, 0).integer, 1);
  EXPECT_EQ(database.call(deallocate, 0).outcome, Outcome::ok);
  for (int i = 0; i < 5; ++i) database.submit(forget, 0);
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 7U);
}

TEST_F(Worker, TwoServersDoNotDeadlockOnBatches) {
  // Each write locks the row of its route and holds it until the batch is committed.
  run_sql(admin,
          "CREATE TABLE place (route bigint PRIMARY KEY, n int DEFAULT 0);"
          "INSERT INTO place SELECT generate_series(0, 9)");
  const Function lock{"lock_place",
                      "UPDATE public.place SET n = n + 1 WHERE route = $1 RETURNING n", 1,
                      Access::shared_write};
  TestDatabase one{conninfo};
  TestDatabase other{conninfo};
  for (int i = 0; i < 3000; ++i) {
    const auto up = static_cast<std::uint64_t>(i % 10);
    one.submit(lock, up, [&](Request& r) { r.int8(static_cast<std::int64_t>(up)); });
    other.submit(lock, 9 - up, [&](Request& r) { r.int8(static_cast<std::int64_t>(9 - up)); });
    if (i % 64 != 0) continue;
    one.database->gateway(0).flush();
    other.database->gateway(0).flush();
  }
  one.finish();
  other.finish();
  EXPECT_EQ(run_sql(admin, "SELECT sum(n) FROM place"), "6000");
  EXPECT_EQ(one.counter("aborts") + other.counter("aborts"), 0U);
}

TEST_F(Worker, DeadlocksOfOthersAreRetried) {
  // Against the order of routes on purpose: only PostgreSQL's detector ends it.
  run_sql(admin,
          "CREATE TABLE place (route bigint PRIMARY KEY, n int DEFAULT 0);"
          "INSERT INTO place SELECT generate_series(0, 1);"
          "ALTER DATABASE " +
              run_sql(admin, "SELECT current_database()") + " SET deadlock_timeout = '10ms'");
  const Function both{"lock_both", "SELECT parsec_ext.lock_both($1)", 1, Access::solo_write};
  run_sql(admin,
          "CREATE FUNCTION parsec_ext.lock_both(first bigint) RETURNS void LANGUAGE plpgsql AS $$"
          " BEGIN UPDATE public.place SET n = n + 1 WHERE route = first;"
          " UPDATE public.place SET n = n + 1 WHERE route = 1 - first; END $$");
  TestDatabase one{conninfo};
  TestDatabase other{conninfo};
  for (int i = 0; i < 100; ++i) {
    one.submit(both, 0, [](Request& r) { r.int8(0); });
    other.submit(both, 0, [](Request& r) { r.int8(1); });
  }
  one.database->gateway(0).flush();
  other.database->gateway(0).flush();
  one.finish();
  other.finish();
  EXPECT_EQ(one.count(Outcome::ok) + other.count(Outcome::ok), 200U);
  EXPECT_EQ(run_sql(admin, "SELECT min(n) FROM place"), "200");
}

TEST_F(Worker, AFullRingRefusesAndLosesNothing) {
  Settings settings = test_settings(conninfo);
  settings.outstanding_requests = 16;
  TestDatabase database{settings};
  for (int i = 0; i < 500; ++i) {
    database.submit(i % 2 == 0 ? log_size : add_shared, static_cast<std::uint64_t>(i),
                    [i](Request& r) {
                      if (i % 2 != 0) fill_log(r, i, "n");
                    });
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 500U);
  EXPECT_GT(database.counter("ring_full"), 0U);
}

TEST_F(Worker, ARingIsFullUntilItIsHalfEmpty) {
  Settings settings = test_settings(conninfo);
  settings.outstanding_requests = 16;
  TestDatabase database{settings};
  Gateway& gateway = database.database->gateway(0);
  const auto submit = [&](std::uint64_t organization) {
    Request* request = gateway.acquire();
    request->function = &log_size;
    request->flow.organization = organization;
    const bool taken = gateway.submit(request);
    if (!taken) gateway.release(request);
    return taken;
  };
  const auto is_full = [&] { return database.database->state().full_since != TimePoint{}; };
  std::uint64_t organization = 0;
  while (organization < 16) ASSERT_TRUE(submit(++organization));
  EXPECT_FALSE(is_full()) << "nobody was refused";
  EXPECT_FALSE(submit(++organization));
  EXPECT_TRUE(is_full());
  const auto take = [&](int count) {
    for (int taken = 0; taken < count;) {
      gateway.flush();
      if (Request* reply = gateway.next_reply()) gateway.release(reply), ++taken;
    }
    gateway.flush();
  };
  take(7);
  EXPECT_TRUE(is_full());
  take(1);
  EXPECT_FALSE(is_full());
  take(8);
}

TEST_F(Worker, AnOrganizationBeyondItsShareMakesNoRingFull) {
  Settings settings = test_settings(conninfo);
  settings.outstanding_requests = 16;
  TestDatabase database{settings};
  Gateway& gateway = database.database->gateway(0);
  int taken = 0;
  for (;; ++taken) {
    Request* request = gateway.acquire();
    request->function = &log_size;
    request->flow.organization = 7;
    if (gateway.submit(request)) continue;
    gateway.release(request);
    break;
  }
  EXPECT_LT(taken, 16);
  EXPECT_EQ(database.database->state().full_since, TimePoint{});
  while (taken > 0) {
    gateway.flush();
    if (Request* reply = gateway.next_reply()) gateway.release(reply), --taken;
  }
}

TEST_F(Worker, BigRequestsAreBoundedByTheirBytes) {
  Settings settings = test_settings(conninfo);
  settings.outstanding_bytes = 3 << 20;
  TestDatabase database{settings};
  const std::string big(1 << 20, 'b');
  for (int i = 0; i < 20; ++i) {
    database.submit(add_shared, 0, [&](Request& r) { fill_log(r, i, big); });
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 20U);
  EXPECT_EQ(run_sql(admin, "SELECT sum(length(note)) FROM log"), std::to_string(20 << 20));
  EXPECT_GT(database.counter("ring_full"), 0U);
  const std::string huge(8 << 20, 'h');  // above the limit by itself
  EXPECT_EQ(database.call(add_shared, 0, [&](Request& r) { fill_log(r, 1, huge); }).outcome,
            Outcome::ok);
}

TEST_F(Worker, ReadsDoNotWaitForWrites) {
  run_sql(admin, "BEGIN; LOCK TABLE log");
  TestDatabase database{conninfo};
  const auto write = database.submit(add_shared, 0, [](Request& r) { fill_log(r, 0, "n"); });
  database.database->gateway(0).flush();
  const Function one{"one", "SELECT 1", 0, Access::read};
  const auto read = database.submit(one, 0);
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually([&] {
    database.poll();
    return database.replies.contains(read);
  }));
  EXPECT_FALSE(database.replies.contains(write));
  run_sql(admin, "COMMIT");
  database.finish();
  EXPECT_EQ(database.reply(write).outcome, Outcome::ok);
}

TEST_F(Worker, ReadsDoNotWaitForASlowOne) {
  run_sql(admin, "BEGIN; LOCK TABLE log");
  TestDatabase database{conninfo};
  const Function slow{"slow", "SELECT count(*) FROM public.log", 0, Access::heavy_read};
  const Function one{"one", "SELECT 1", 0, Access::read};
  std::vector<std::uint64_t> quick{database.submit(one, 0)};
  const auto waiting = database.submit(slow, 0);
  quick.push_back(database.submit(one, 0));
  database.database->gateway(0).flush();
  for (const auto read : quick) {
    EXPECT_TRUE(eventually([&] {
      database.poll();
      return database.replies.contains(read);
    }));
  }
  EXPECT_FALSE(database.replies.contains(waiting));
  run_sql(admin, "COMMIT");
  database.finish();
  EXPECT_EQ(database.reply(waiting).outcome, Outcome::ok);
}

TEST_F(Worker, ReadsAreDealtOutToTwoThirdsOfTheLanes) {
  Settings settings = test_settings(conninfo);
  settings.min_connections = settings.max_connections = 10;  // one listens
  TestDatabase database{settings};
  EXPECT_TRUE(eventually([&] {
    return run_sql(admin,
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'parsec'") == "10";
  }));
  database.call(add_shared, 0, [](Request& r) { fill_log(r, 0, "all lanes are there"); });
  // Nothing ends before this lock is given back: a lane that took them all would be the only one.
  const Function held_read{"held_read", "SELECT 'held' FROM pg_advisory_xact_lock_shared(4711)", 0,
                           Access::read};
  run_sql(admin, "SELECT pg_advisory_lock(4711)::text");
  for (std::uint64_t i = 0; i < 60; ++i) database.submit(held_read, i);
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually([&] {
    return run_sql(admin,
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                   " AND objid = 4711 AND NOT granted") == "6";
  }));
  run_sql(admin, "SELECT pg_advisory_unlock(4711)::text");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 61U);
}

TEST_F(Worker, TwoConnectionsAreEnough) {
  Settings settings = test_settings(conninfo);
  settings.min_connections = 1;
  settings.max_connections = 2;
  settings.workers = 4;
  TestDatabase database{settings};
  for (int i = 0; i < 200; ++i) {
    database.submit(add_shared, static_cast<std::uint64_t>(i),
                    [&](Request& r) { fill_log(r, i, "n"); });
    database.submit(log_size, static_cast<std::uint64_t>(i));
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 400U);
  EXPECT_EQ(run_sql(admin,
                    "SELECT count(*) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND application_name = 'parsec'"),
            "2");
}

TEST_F(Worker, FewerConnectionsWithoutWork) {
  Settings settings = test_settings(conninfo);
  settings.min_connections = 3;
  settings.max_connections = 10;  // one listens
  TestDatabase database{settings};
  const std::string sql =
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
      " AND application_name = 'parsec'";
  EXPECT_TRUE(eventually([&] { return run_sql(admin, sql) == "3"; }));
  // Reads that end when this lock is given back: each finds the lanes before it busy.
  const Function held_read{"held_read", "SELECT 'held' FROM pg_advisory_xact_lock_shared(4711)", 0,
                           Access::read};
  run_sql(admin, "SELECT pg_advisory_lock(4711)::text");
  for (std::uint64_t i = 0; i < 6; ++i) {
    database.submit(held_read, i);
    database.submit(add_shared, i, [&](Request& r) { fill_log(r, 0, "n"); });
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] { return database.counter("read_segments") > i; }));
  }
  EXPECT_EQ(run_sql(admin, sql), "8");
  run_sql(admin, "SELECT pg_advisory_unlock(4711)::text");
  database.finish();
  EXPECT_EQ(run_sql(admin, sql), "8");
}

}  // namespace
}  // namespace parsec::db
