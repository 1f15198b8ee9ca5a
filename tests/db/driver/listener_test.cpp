// Notifications in commit order, and fences among them.
#include "db/driver/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <stop_token>
#include <string>
#include <thread>

#include "tests/db/database_fixture.h"
#include "tests/support/gate.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::open_connection;
using testing::run_sql;

class Notifications : public ::testing::Test {
 protected:
  std::string conninfo = database_with_log();
  Connection admin = open_connection(conninfo);

  void fence(TestDatabase& database, std::uint64_t token) {
    database.database->gateway(0).request_fence(token);
    database.database->gateway(0).flush();
  }
};

TEST_F(Notifications, ArriveInTheOrderOfCommits) {
  TestDatabase database{conninfo};
  run_sql(admin, "NOTIFY app_notification, 'one'");
  run_sql(admin, "NOTIFY other_channel, 'not ours'");
  run_sql(admin, "BEGIN; NOTIFY app_notification, 'two'; NOTIFY app_notification, 'three'; COMMIT");
  run_sql(admin, "BEGIN; NOTIFY app_notification, 'never'; ROLLBACK");
  run_sql(admin, "NOTIFY app_notification, ''");
  ASSERT_TRUE(eventually([&] { return database.sink.heard().size() >= 4; }));
  EXPECT_THAT(database.sink.heard(), ElementsAre("one", "two", "three", ""));
}

TEST_F(Notifications, AFenceComesBehindWhatWasAcknowledged) {
  TestDatabase database{conninfo};
  for (std::uint64_t i = 0; i < 300; ++i) {
    const std::string payload = "n" + std::to_string(i);
    database.call(notify_note, i, [&](Request& r) { r.text(payload); });
    fence(database, i);
    const std::string mark = "fence 0/" + std::to_string(i);
    ASSERT_TRUE(eventually([&] { return database.sink.has(mark); }));
    ASSERT_TRUE(database.sink.has(payload)) << i;
  }
}

TEST_F(Notifications, FencesUnderLoad) {
  TestDatabase database{conninfo};
  std::uint64_t acknowledged = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::string payload = "n" + std::to_string(i);
    database.submit(notify_note, 1, [&](Request& r) { r.text(payload); });
    if (i % 10 != 0) continue;
    database.database->gateway(0).flush();
    database.poll();
    // One route: answered in order, so the count says which are committed.
    acknowledged = database.replies.size();
    fence(database, acknowledged);
  }
  database.finish();
  fence(database, 3000);
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/3000"); }));
  std::uint64_t notifications = 0;
  for (const std::string& what : database.sink.heard()) {
    if (what.starts_with("n")) {
      EXPECT_EQ(what, "n" + std::to_string(notifications));
      ++notifications;
    } else {
      ASSERT_TRUE(what.starts_with("fence 0/")) << what;
      EXPECT_GE(notifications, std::stoull(what.substr(8))) << what;
    }
  }
  EXPECT_EQ(notifications, 3000U);
  EXPECT_LE(database.counter("fence_queries"), database.counter("fences_kept"));
}

TEST_F(Notifications, ManyFencesShareOneQuery) {
  TestDatabase database{conninfo};
  for (std::uint64_t i = 0; i < 5000; ++i) database.database->gateway(0).request_fence(i);
  // The ring is smaller: each answer lets more of them pass at the next flush.
  ASSERT_TRUE(eventually([&] {
    database.database->gateway(0).flush();
    return database.sink.has("fence 0/4999");
  }));
  EXPECT_EQ(database.sink.heard().size(), 5000U);
  EXPECT_LT(database.counter("fence_queries"), 1000U);
}

TEST_F(Notifications, AGapIsAnnouncedWhenListenIsBack) {
  TestDatabase database{conninfo};
  run_sql(admin, "NOTIFY app_notification, 'before'");
  ASSERT_TRUE(eventually([&] { return database.sink.has("before"); }));
  run_sql(admin,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
          " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  ASSERT_TRUE(eventually([&] { return database.sink.has("gap"); }));
  run_sql(admin, "NOTIFY app_notification, 'after'");
  ASSERT_TRUE(eventually([&] { return database.sink.has("after"); }));
  fence(database, 1);
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/1"); }));
  EXPECT_THAT(database.sink.heard(), ElementsAre("before", "gap", "after", "fence 0/1"));
  EXPECT_EQ(database.counter("listen_losses"), 1U);
}

/// Whoever misses notifications is told before it hears of later ones, though these may arrive
/// together with the answer to LISTEN.
TEST_F(Notifications, AGapComesBeforeWhatFollowsIt) {
  TestDatabase database{conninfo};
  std::jthread notifier{[&](const std::stop_token& stopped) {
    Connection connection = open_connection(conninfo);
    run_sql(connection, "SET synchronous_commit = off");
    for (int i = 0; !stopped.stop_requested(); ++i) {
      run_sql(connection, "NOTIFY app_notification, '" + std::to_string(i) + "'");
    }
  }};
  for (std::uint64_t loss = 1; loss <= 20; ++loss) {
    run_sql(admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN app_notification%'");
    ASSERT_TRUE(eventually([&] { return database.counter("listen_losses") == loss; }));
    const auto gaps = [&] { return std::ranges::count(database.sink.heard(), "gap"); };
    ASSERT_TRUE(eventually([&] { return gaps() == static_cast<std::ptrdiff_t>(loss); }));
  }
  notifier.request_stop();
  notifier.join();
  int next = -1;  // unknown
  for (const std::string& what : database.sink.heard()) {
    if (what == "gap") {
      next = -1;
      continue;
    }
    const int number = std::stoi(what);
    ASSERT_TRUE(next == -1 || number == next) << number << " where " << next << " was due";
    next = number + 1;
  }
}

TEST_F(Notifications, FencesFailWhileNobodyListens) {
  testing::Gate gate{testing::private_cluster().directory().native()};
  TestDatabase database{
      std::regex_replace(conninfo, std::regex("host=[^ ]+"), "host=" + gate.directory())};
  gate.hold_answers(true);
  fence(database, 1);
  std::this_thread::sleep_for(20ms);
  EXPECT_THAT(database.sink.heard(), ElementsAre());  // waits for its answer
  gate.refuse(true);
  gate.cut();
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/1 broken"); }));
  fence(database, 2);
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/2 broken"); }));
  gate.hold_answers(false);
  gate.refuse(false);
  ASSERT_TRUE(eventually([&] { return database.sink.has("gap"); }));
  fence(database, 3);
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/3"); }));
  EXPECT_THAT(database.sink.heard(),
              ElementsAre("fence 0/1 broken", "fence 0/2 broken", "gap", "fence 0/3"));
}

// A replica takes connections and refuses LISTEN: it is not asked again and again without a pause.
TEST_F(Notifications, ConnectionsThatDoNotComeToListenAreOpenedWithPauses) {
  testing::Gate gate{testing::private_cluster().directory().native()};
  TestDatabase database{
      std::regex_replace(conninfo, std::regex("host=[^ ]+"), "host=" + gate.directory())};
  gate.end_at("LISTEN");
  const auto begin = std::chrono::steady_clock::now();
  gate.cut();
  ASSERT_TRUE(eventually([&] { return gate.ended() >= 5; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms + 40ms + 80ms + 160ms);
  gate.end_at("");
  ASSERT_TRUE(eventually([&] { return database.sink.has("gap"); }));
  fence(database, 1);
  ASSERT_TRUE(eventually([&] { return database.sink.has("fence 0/1"); }));
}

}  // namespace
}  // namespace parsec::db
