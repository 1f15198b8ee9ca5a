// The order of events in libpq's pipeline mode, errors at every place included.
#include "db/driver/pipeline.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <poll.h>

#include <memory>
#include <vector>

#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

using Kind = Pipeline::Event::Kind;

const Function one{"one", "SELECT 1", 0, Access::read};
const Function divide{"divide", "SELECT 1 / $1::bigint", 1, Access::read};
const Function broken{"broken", "SELECT nonsense", 0, Access::read};
const Function sleep_long{"sleep_long", "SELECT pg_sleep(60)", 0, Access::read};

class PipelineEvents : public ::testing::Test {
 protected:
  Pipeline pipeline{testing::open_connection(testing::private_cluster().conninfo("postgres"))};

  static std::unique_ptr<Request> request(const Function& function,
                                          std::initializer_list<std::int64_t> parameters = {}) {
    auto made = std::make_unique<Request>();
    made->function = &function;
    for (const auto parameter : parameters) made->int8(parameter);
    return made;
  }

  /// All events up to that many Syncs.
  std::vector<Kind> events(int syncs) {
    std::vector<Kind> kinds;
    while (syncs > 0) {
      EXPECT_NE(pipeline.flush(), Pipeline::Flush::lost);
      Pipeline::Event event = pipeline.next_event();
      if (event.kind != Kind::none) {
        kinds.push_back(event.kind);
        syncs -= event.kind == Kind::synced;
        continue;
      }
      pollfd ready{pipeline.fd(), POLLIN, 0};
      if (::poll(&ready, 1, 5000) != 1 || !pipeline.receive()) break;
    }
    EXPECT_EQ(syncs, 0);
    return kinds;
  }
};

TEST_F(PipelineEvents, OneForEachExecutionAndSync) {
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.execute(*request(divide, {1})));
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.sync());
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(2),
            (std::vector{Kind::rows, Kind::rows, Kind::rows, Kind::synced, Kind::synced}));
  EXPECT_EQ(pipeline.take_prepared_count(), 2U);
}

TEST_F(PipelineEvents, AnErrorSkipsUpToTheSync) {
  for (const std::int64_t divisor : {1, 0, 1}) {
    ASSERT_TRUE(pipeline.execute(*request(divide, {divisor})));
  }
  ASSERT_TRUE(pipeline.sync());
  ASSERT_TRUE(pipeline.execute(*request(divide, {1})));
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(2), (std::vector{Kind::rows, Kind::error, Kind::skipped, Kind::synced,
                                    Kind::rows, Kind::synced}));
}

TEST_F(PipelineEvents, AStatementThatCannotBePreparedIsItsExecutionsError) {
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.execute(*request(broken)));
  ASSERT_TRUE(pipeline.execute(*request(divide, {1})));
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(1), (std::vector{Kind::rows, Kind::error, Kind::skipped, Kind::synced}));
  // What was skipped with it is prepared when it is needed again.
  ASSERT_TRUE(pipeline.execute(*request(divide, {1})));
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(1), (std::vector{Kind::rows, Kind::synced}));
}

TEST_F(PipelineEvents, ForgottenStatementsArePreparedAnew) {
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.sync());
  events(1);
  pipeline.forget_statements();
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.execute(*request(divide, {0})));
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(1), (std::vector{Kind::rows, Kind::error, Kind::synced}));
  EXPECT_EQ(pipeline.take_prepared_count(), 3U);
  ASSERT_TRUE(pipeline.execute(*request(one)));
  ASSERT_TRUE(pipeline.sync());
  EXPECT_EQ(events(1), (std::vector{Kind::rows, Kind::synced}));
}

TEST_F(PipelineEvents, TheServersLastWordIsAnErrorBeforeTheEnd) {
  auto admin = testing::open_connection(testing::private_cluster().conninfo("postgres"));
  ASSERT_TRUE(pipeline.execute(*request(sleep_long)));
  ASSERT_TRUE(pipeline.sync());
  ASSERT_EQ(pipeline.flush(), Pipeline::Flush::done);
  while (testing::run_sql(admin,
                          "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                          " WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'") != "1") {
  }
  bool alive = true;
  Pipeline::Event event;
  while (alive && event.kind == Kind::none) {
    pollfd ready{pipeline.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 5000), 1);
    alive = pipeline.receive();
    event = pipeline.next_event();
  }
  ASSERT_EQ(event.kind, Kind::error);
  EXPECT_STREQ(PQresultErrorField(event.result.get(), PG_DIAG_SQLSTATE), "57P01");
}

}  // namespace
}  // namespace parsec::db
