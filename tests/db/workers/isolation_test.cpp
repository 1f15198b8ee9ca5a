// What one organization does, another must not feel: the workers over a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/db/database_fixture.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::open_connection;
using testing::run_sql;

/// Locks the row of its realm, as writes do.
const Function write_place{"write_place",
                           "UPDATE public.place SET n = n + 1 WHERE route = $1 RETURNING n", 1,
                           Access::shared_write};
/// Ends when the advisory lock 4711 is given back.
constexpr const char* held = "SELECT 'held' FROM pg_advisory_xact_lock_shared(4711)";
const Function held_heavy_read{"held_heavy_read", held, 0, Access::heavy_read};
const Function one{"one", "SELECT 1", 0, Access::read};

class Isolation : public ::testing::Test {
 protected:
  Isolation() {
    run_sql(admin,
            "CREATE TABLE place (route bigint PRIMARY KEY, n int DEFAULT 0);"
            "INSERT INTO place SELECT generate_series(0, 99)");
  }

  static TestDatabase::Fill place(std::uint64_t organization, std::uint64_t route) {
    return [=](Request& request) {
      request.flow = {organization, 0};
      request.int8(static_cast<std::int64_t>(route));
    };
  }
  static TestDatabase::Fill of(std::uint64_t organization) {
    return [=](Request& request) { request.flow = {organization, 0}; };
  }
  /// So many wait for the advisory lock.
  auto waiting_for_lock(std::size_t count) {
    return [this, count] {
      return run_sql(admin,
                     "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                     " AND objid = 4711 AND NOT granted") == std::to_string(count);
    };
  }
  auto answered(TestDatabase& database, std::uint64_t tag) {
    return [&database, tag] {
      database.database->gateway(0).flush();
      database.poll();
      return database.replies.contains(tag);
    };
  }

  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);
};

TEST_F(Isolation, ALockedRealmHoldsNobodyElseUp) {
  run_sql(admin, "BEGIN; SELECT FROM place WHERE route = 7 FOR UPDATE");
  Settings settings = test_settings(conninfo);
  settings.lane.lock_turn = 9s;
  TestDatabase database{settings};
  std::vector<std::uint64_t> locked;
  for (int i = 0; i < 20; ++i) locked.push_back(database.submit(write_place, 7, place(7, 7)));
  std::vector<std::uint64_t> others;
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t route = 10; route < 26; ++route) {
      others.push_back(database.submit(write_place, route, place(route, route)));
    }
    locked.push_back(database.submit(write_place, 7, place(7, 7)));
    EXPECT_TRUE(eventually(answered(database, others.back())));
  }
  for (const auto tag : others) {
    EXPECT_TRUE(eventually(answered(database, tag)));
    EXPECT_EQ(database.reply(tag).outcome, Outcome::ok);
  }
  for (const auto tag : locked) EXPECT_FALSE(database.replies.contains(tag));
  // One batch met the lock, and no other after it.
  EXPECT_EQ(database.counter("lock_waits"), 1U);
  run_sql(admin, "COMMIT");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), others.size() + locked.size());
  EXPECT_EQ(run_sql(admin, "SELECT n FROM place WHERE route = 7"), std::to_string(locked.size()));
}

TEST_F(Isolation, PatienceWithALockEnds) {
  Settings settings = test_settings(conninfo);
  settings.lane.shared_lock_timeout = 20ms;
  settings.lane.lock_turn = 50ms;
  settings.lane.lock_patience = 200ms;
  run_sql(admin, "BEGIN; SELECT FROM place WHERE route = 7 FOR UPDATE");
  TestDatabase database{settings};
  const auto reply = database.call(write_place, 7, place(7, 7));
  EXPECT_EQ(reply.outcome, Outcome::failed);
  EXPECT_EQ(reply.sqlstate, "55P03");
  EXPECT_GE(database.counter("lock_waits"), 3U);
  run_sql(admin, "COMMIT");
  EXPECT_EQ(database.call(write_place, 7, place(7, 7)).outcome, Outcome::ok);
}

TEST_F(Isolation, SeveralLockedRealmsWaitInTurn) {
  Settings settings = test_settings(conninfo);
  settings.lane.lock_turn = 50ms;
  run_sql(admin, "BEGIN; SELECT FROM place WHERE route IN (7, 8) FOR UPDATE");
  auto other = open_connection(conninfo);
  run_sql(other, "BEGIN; SELECT FROM place WHERE route = 9 FOR UPDATE");
  TestDatabase database{settings};
  const auto seven = database.submit(write_place, 7, place(7, 7));
  const auto eight = database.submit(write_place, 8, place(8, 8));
  const auto nine = database.submit(write_place, 9, place(9, 9));
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually([&] { return database.counter("lock_waits") >= 6; }));
  run_sql(other, "COMMIT");  // its turn comes though the others are still locked
  EXPECT_TRUE(eventually(answered(database, nine)));
  EXPECT_FALSE(database.replies.contains(seven) || database.replies.contains(eight));
  run_sql(admin, "COMMIT");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 3U);
}

TEST_F(Isolation, ALockedTableMakesWritersWaitTogether) {
  Settings settings = test_settings(conninfo);
  settings.lane.shared_lock_timeout = 20ms;
  TestDatabase database{settings};
  database.call(write_place, 0, place(0, 0));
  run_sql(admin, "BEGIN; LOCK TABLE place");
  for (std::uint64_t route = 10; route < 60; ++route) {
    database.submit(write_place, route, place(route, route));
  }
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually([&] { return database.counter("lock_waits") >= 5; }));
  run_sql(admin, "COMMIT");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 51U);
  EXPECT_LT(database.counter("lock_waits"), 20U);
}

TEST_F(Isolation, HeavyReadsOfOneOrganizationKeepOneConnection) {
  TestDatabase database{conninfo};
  run_sql(admin, "SELECT pg_advisory_lock(4711)::text");
  std::vector<std::uint64_t> heavy;
  for (int i = 0; i < 32; ++i) heavy.push_back(database.submit(held_heavy_read, 0, of(1)));
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually(waiting_for_lock(1)));
  // Reads, writes and the heavy read of another find connections.
  const auto read = database.submit(one, 0, of(2));
  EXPECT_TRUE(eventually(answered(database, read)));
  const auto write = database.submit(write_place, 10, place(2, 10));
  EXPECT_TRUE(eventually(answered(database, write)));
  database.submit(held_heavy_read, 0, of(2));
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually(waiting_for_lock(2)));
  for (const auto tag : heavy) EXPECT_FALSE(database.replies.contains(tag));
  run_sql(admin, "SELECT pg_advisory_unlock(4711)::text");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 35U);
}

TEST_F(Isolation, AHeavyReadHasATimeout) {
  Settings settings = test_settings(conninfo);
  settings.lane.heavy_statement_timeout = 50ms;
  TestDatabase database{settings};
  const Function slow{"slow", "SELECT pg_sleep(60)", 0, Access::heavy_read};
  EXPECT_EQ(database.call(slow, 0).sqlstate, "57014");
  const Function timeout{"timeout", "SHOW statement_timeout", 0, Access::read};
  EXPECT_EQ(database.call(timeout, 0).text, "30s");
}

TEST_F(Isolation, ALongLineOfOneOrganizationLetsAnotherInNext) {
  Settings settings = test_settings(conninfo);
  settings.min_connections = 2;
  settings.max_connections = 2;  // one listens
  TestDatabase database{settings};
  for (std::uint64_t i = 0; i < 500; ++i) database.submit(write_place, i % 50, place(1, i % 50));
  const auto other = database.submit(write_place, 99, place(2, 99));
  database.finish();  // wakes the worker: the line is as long as it gets
  const auto position = std::ranges::find(database.order, other) - database.order.begin();
  EXPECT_LE(position, 2 * 64);
  EXPECT_EQ(database.count(Outcome::ok), 501U);
}

TEST_F(Isolation, AFullRingLetsAnotherOrganizationIn) {
  Settings settings = test_settings(conninfo);
  settings.outstanding_requests = 16;
  run_sql(admin, "SELECT pg_advisory_lock(4711)::text");
  TestDatabase database{settings};
  const Function held_write{"held_write", held, 0, Access::shared_write};
  Gateway& gateway = database.database->gateway(0);
  std::vector<Request*> refused;
  const auto submit = [&](std::uint64_t organization) {
    Request* request = gateway.acquire();
    request->function = &held_write;
    request->flow = {organization, 0};
    const bool accepted = gateway.submit(request);
    if (!accepted) gateway.release(request);
    database.under_way += accepted;
    return accepted;
  };
  int accepted = 0;
  while (submit(1)) ++accepted;
  EXPECT_EQ(accepted, 8);
  EXPECT_TRUE(submit(2));
  EXPECT_FALSE(submit(1));
  run_sql(admin, "SELECT pg_advisory_unlock(4711)::text");
  database.finish();
}

// --- Connections that cannot be had

class FewConnections : public ::testing::Test {
 protected:
  void limit_connections(int count) {
    run_sql(admin,
            "DO $$ BEGIN CREATE ROLE few LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
            "GRANT ALL ON ALL TABLES IN SCHEMA public, parsec_ext TO few;"
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO few;"
            "GRANT USAGE ON SCHEMA parsec_ext TO few;"
            "ALTER ROLE few CONNECTION LIMIT " +
                std::to_string(count));
  }
  Settings settings() {
    Settings result = test_settings(conninfo + " user=few");
    result.min_connections = 2;
    result.max_connections = 9;
    result.workers = 3;
    return result;
  }

  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);
};

TEST_F(FewConnections, WhatIsThereServesEverything) {
  limit_connections(3);
  TestDatabase database{settings()};
  for (std::uint64_t i = 0; i < 300; ++i) {
    database.submit(add_shared, i, [&](Request& r) {
      fill_log(r, static_cast<std::int64_t>(i), "n");
      r.flow = {i % 10, 0};
    });
    database.submit(log_size, i, [&](Request& r) { r.flow = {i % 10, 0}; });
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 600U);
  EXPECT_THAT(database.database->dump(), HasSubstr("connections=0/"));
}

TEST_F(FewConnections, BelowTheMinimumItDoesNotStart) {
  limit_connections(3);
  RecordingSink sink;
  Settings wanted = settings();
  wanted.min_connections = 5;
  wanted.connections_limit = 200ms;
  const auto started = Database::start(wanted, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("Only 3 of at least 5 connections"));
  EXPECT_THAT(started.error(), HasSubstr("too many connections for role \"few\""));
}

TEST_F(FewConnections, OneAloneCannotServe) {
  limit_connections(1);
  RecordingSink sink;
  Settings wanted = settings();
  wanted.connections_limit = 200ms;
  const auto started = Database::start(wanted, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("Only 1 of at least 2 connections"));
}

}  // namespace
}  // namespace parsec::db
