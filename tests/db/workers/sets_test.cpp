// Calls that share a statement, through a worker and a real PostgreSQL: each has its own outcome.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "db/driver/call_set.h"
#include "tests/db/database_fixture.h"

namespace parsec::db {
namespace {

using testing::open_connection;
using testing::run_sql;

class Sets : public ::testing::Test {
 protected:
  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);

  static std::uint64_t submit(TestDatabase& database, int key, std::string_view note = "n") {
    return database.submit(set_add, static_cast<std::uint64_t>(key),
                           [=](Request& r) { fill_log(r, key, note); });
  }
  std::string keys_with(std::string_view note) {
    return run_sql(admin,
                   "SELECT coalesce(string_agg(key::text, ',' ORDER BY key), '') FROM log"
                   " WHERE note = '" +
                       std::string{note} + "'");
  }
};

TEST_F(Sets, WritesThatWaitTogetherAreOne) {
  TestDatabase database{conninfo};
  for (int i = 0; i < 200; ++i) submit(database, i);
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 200U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*), count(DISTINCT key) FROM log"), "200");
  EXPECT_GT(database.counter("sets"), 0U);
  EXPECT_GT(database.counter("set_calls"), 100U);
  EXPECT_LT(database.counter("executions"), 60U);
}

TEST_F(Sets, OneThatFailsDoesNotTouchTheOthers) {
  TestDatabase database{conninfo};
  std::vector<std::uint64_t> failing;
  for (int i = 0; i < 40; ++i) {
    const bool fails = i % 10 == 3;
    const auto tag = submit(database, i, fails ? "x" : "n");
    if (fails) failing.push_back(tag);
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::failed), 4U);
  for (const auto tag : failing) EXPECT_EQ(database.reply(tag).sqlstate, "P0042");
  EXPECT_EQ(database.count(Outcome::ok), 36U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "36");
  EXPECT_GT(database.counter("set_calls"), 0U);
}

TEST_F(Sets, WhatASetCannotTellIsCalledAlone) {
  TestDatabase database{conninfo};
  for (int i = 0; i < 20; ++i) submit(database, i, i == 7 ? "alone" : "n");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 20U);
  EXPECT_EQ(keys_with("alone"), "7");
  EXPECT_EQ(database.counter("dropped_results"), 0U);
}

TEST_F(Sets, EqualCallsKeepTheirOrder) {
  TestDatabase database{conninfo};
  for (int i = 0; i < 60; ++i) submit(database, i % 6, "alone");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 60U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "60");
}

TEST_F(Sets, ReadsHaveEachItsOwnAnswer) {
  TestDatabase database{conninfo};
  const auto submit_read = [&](std::int64_t key) {
    return database.submit(set_double, 0, [key](Request& r) { r.int8(key); });
  };
  submit_read(1);  // how long its results are is known from now on
  database.finish();
  std::map<std::uint64_t, std::int64_t> wanted;
  for (std::int64_t key = 0; key < 300; ++key) wanted[submit_read(key)] = 2 * key;
  database.finish();
  for (const auto& [tag, twice] : wanted) {
    EXPECT_EQ(database.reply(tag).text, std::to_string(twice));  // of 13, too
  }
  EXPECT_GT(database.counter("set_calls"), 100U);
}

TEST_F(Sets, WhoWaitsForALockInASetWaitsApart) {
  Settings settings = test_settings(conninfo);
  settings.lane.shared_lock_timeout = std::chrono::milliseconds{50};
  TestDatabase database{settings};
  run_sql(admin, "SELECT pg_advisory_lock(5)");
  std::uint64_t waiting = 0;
  for (int i = 0; i < 10; ++i) {
    const auto tag = submit(database, i);
    if (i == 5) waiting = tag;
  }
  database.database->gateway(0).flush();
  EXPECT_TRUE(eventually([&] {
    database.poll();
    return database.count(Outcome::ok) >= 9;
  }));
  EXPECT_FALSE(database.replies.contains(waiting));
  run_sql(admin, "SELECT pg_advisory_unlock(5)");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 10U);
  EXPECT_EQ(run_sql(admin, "SELECT count(*) FROM log"), "10");
}

}  // namespace
}  // namespace parsec::db
