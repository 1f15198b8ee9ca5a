// What workers hold of results, counted in the memory budget; over a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "engine/host/memory_budget.h"
#include "tests/db/database_fixture.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using engine::MemoryBudget;
using ::testing::AllOf;
using ::testing::Gt;
using ::testing::Lt;
using testing::open_connection;
using testing::run_sql;

constexpr std::int64_t mebibyte = 1 << 20;
/// Threads tell what they hold in steps of 256 KiB.
constexpr std::int64_t slack = mebibyte;

const Function two_mebibytes{"two_mebibytes", "SELECT repeat('x', 2 << 20)", 0, Access::read};
const Function held_two{
    "held_two", "SELECT repeat('x', 2 << 20), pg_advisory_xact_lock_shared(4711)", 0, Access::read};
const Function small{"small", "SELECT 'small'", 0, Access::read};
const Function blob_size{"blob_size", "SELECT length($1::bytea)::text", 1, Access::read};

void of_another(Request& request) { request.flow = {1, 1}; }

class WorkerMemory : public ::testing::Test {
 protected:
  Settings settings(std::uint32_t connections = 2) {
    Settings result = test_settings(conninfo);
    result.memory = &memory;
    result.min_connections = result.max_connections = connections;
    return result;
  }
  /// The one lane is busy until open_gate(): what is submitted meanwhile is one batch.
  void close_gate(TestDatabase& database) {
    run_sql(admin, "SELECT pg_advisory_lock(4712)::text");
    database.submit(gate, 0);
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] { return database.counter("executions") == 1; }));
  }
  void open_gate() { run_sql(admin, "SELECT pg_advisory_unlock(4712)::text"); }

  const Function gate{"gate", "SELECT 'open' FROM pg_advisory_xact_lock_shared(4712)", 0,
                      Access::read};
  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);
  MemoryBudget memory{std::size_t{256 * mebibyte}, 1};
};

TEST_F(WorkerMemory, ResultsCountUntilTheShardHasTakenThem) {
  {
    TestDatabase database{settings()};
    database.submit(two_mebibytes, 0);
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] { return database.counter("ok") == 1; }));
    EXPECT_THAT(memory.used(), Gt(4 * mebibyte - slack));  // with libpq's buffer
    database.finish();
    EXPECT_THAT(memory.used(), Lt(4 * mebibyte));
  }
  EXPECT_EQ(memory.used(), 0);
}

TEST_F(WorkerMemory, WhatIsHeldDoesNotGrowWithWhatWasServed) {
  TestDatabase database{settings(4)};
  for (int i = 0; i < 200; ++i) {
    database.submit(two_mebibytes, static_cast<std::uint64_t>(i));
    database.submit(blob_size, static_cast<std::uint64_t>(i),
                    [](Request& request) { request.bytes(as_bytes(std::string(300'000, 'b'))); });
    if (i % 20 == 0) database.finish();
  }
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 400U);
  // libpq's buffers: of three lanes, for rows of 2 MiB and batches of 2 MiB each.
  EXPECT_THAT(memory.used(), AllOf(Gt(-slack), Lt(3 * 12 * mebibyte)));
}

TEST_F(WorkerMemory, ParametersCountWhileTheyWait) {
  TestDatabase database{settings()};
  close_gate(database);
  const auto before = memory.used();
  database.submit(blob_size, 0, [](Request& request) {
    request.bytes(as_bytes(std::string(8 * mebibyte, 'b')));
  });
  EXPECT_THAT(memory.used() - before, Gt(8 * mebibyte - slack));
  open_gate();
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 2U);
}

TEST_F(WorkerMemory, ABatchKeepsSoManyBytesAndReadsTheRestAlone) {
  Settings limited = settings();
  limited.lane.segment_result_bytes = 5 * mebibyte;
  limited.lane.kept_buffer_bytes = SIZE_MAX;
  TestDatabase database{limited};
  close_gate(database);
  for (int i = 0; i < 30; ++i) database.submit(two_mebibytes, 0);
  database.database->gateway(0).flush();
  open_gate();
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 31U);
  EXPECT_EQ(database.counter("dropped_results"), 28U);
  // From now on it is known: two to a batch.
  for (int i = 0; i < 30; ++i) database.submit(two_mebibytes, 0);
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 61U);
  EXPECT_EQ(database.counter("dropped_results"), 28U);
}

TEST_F(WorkerMemory, WhenItIsShortLargeResultsComeOneAtATimeAndSmallOnesGoOn) {
  TestDatabase database{settings(8)};
  database.call(held_two, 0);  // its size is known from here on
  MemoryBudget::Share other{memory};
  other.add(static_cast<std::int64_t>(memory.limit() / 20 * 17));
  run_sql(admin, "SELECT pg_advisory_lock(4711)::text");
  for (std::uint64_t i = 0; i < 10; ++i) database.submit(held_two, i);
  database.database->gateway(0).flush();
  const auto waiting = [&] {
    return run_sql(admin,
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
                   " AND NOT granted");
  };
  EXPECT_TRUE(eventually([&] { return waiting() == "1"; }));
  for (int i = 0; i < 5; ++i) {
    const auto tag = database.submit(small, 0, of_another);
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] { return database.poll(), database.replies.contains(tag); }));
  }
  EXPECT_EQ(waiting(), "1");
  run_sql(admin, "SELECT pg_advisory_unlock(4711)::text");
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 16U);
}

TEST_F(WorkerMemory, WhenItIsUsedUpLargeResultsWaitUntilThereIsSome) {
  TestDatabase database{settings(4)};
  database.call(two_mebibytes, 0);
  MemoryBudget::Share other{memory};
  other.add(static_cast<std::int64_t>(memory.limit()));
  const auto executions = database.counter("executions");
  database.submit(two_mebibytes, 0);
  for (int i = 0; i < 5; ++i) {
    const auto tag = database.submit(small, 0, of_another);
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] { return database.poll(), database.replies.contains(tag); }));
  }
  EXPECT_EQ(database.counter("executions"), executions + 5);
  other.add(-other.held());
  database.finish();
  EXPECT_EQ(database.count(Outcome::ok), 7U);
}

TEST_F(WorkerMemory, BuffersThatGrewGoBackWhenItIsShort) {
  TestDatabase database{settings(3)};
  const Function large{"large", "SELECT repeat('x', 12 << 20)", 0, Access::read};
  database.call(large, 0);
  EXPECT_THAT(memory.used(), Gt(12 * mebibyte));
  MemoryBudget::Share other{memory};
  other.add(static_cast<std::int64_t>(memory.limit() / 10 * 9));
  EXPECT_TRUE(eventually([&] { return memory.used() - other.held() < slack; }));
  EXPECT_EQ(database.counter("losses"), 0U);
  EXPECT_EQ(database.call(small, 0).text, "small");
}

TEST_F(WorkerMemory, NothingIsForgottenWhenConnectionsAreLost) {
  std::optional<TestDatabase> running{settings(4)};
  TestDatabase& database = *running;
  const Function slow{"slow", "SELECT repeat('x', 2 << 20) FROM pg_sleep(0.05)", 0, Access::read};
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 20; ++i) database.submit(slow, i);
    database.database->gateway(0).flush();
    EXPECT_TRUE(eventually([&] {
      return run_sql(admin,
                     "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0%'"
                     " AND state = 'active' AND application_name = 'parsec'") == "t";
    }));
    run_sql(admin,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name ="
            " 'parsec' AND query NOT LIKE 'LISTEN%' AND datname = current_database()");
    database.finish();
  }
  EXPECT_GT(database.counter("losses"), 0U);
  running.reset();
  EXPECT_EQ(memory.used(), 0);
}

}  // namespace
}  // namespace parsec::db
