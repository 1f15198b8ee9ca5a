// Nothing acknowledged is lost and nothing is done twice, whatever happens to PostgreSQL, to the
// way to it, or to the server; no client hangs, none is left behind with events missing, and the
// server serves again by itself (db/storage.md §2, protocol/1-transport.md §1.4,
// protocol/6-events.md §6.2).
#include <gmock/gmock.h>

#include "tests/faults/database_proxy.h"
#include "tests/faults/writers.h"

namespace parsec::testing {
namespace {

using ::testing::Gt;
using ::testing::Le;
using ::testing::Lt;
using Shutdown = db::EmbeddedCluster::Shutdown;

/// How long after PostgreSQL is back every writer may wait for its next acknowledgement.
constexpr Duration recovery_limit{10'000};

class DatabaseFaults : public FaultTest {
 protected:
  static constexpr unsigned writer_count = 16;
  static constexpr std::uint64_t writes_between_faults = 150;

  void start(const std::string& url = database_url()) {
    server_ = start_server({"--shards=2"}, url);
    organization_ = organization(*server_);
    Session alice = organization_->connect(organization_->alice());
    const Device bob = alice.add_user("bob");
    for (int i = 0; i < 3; ++i) {
      realms_.push_back(alice.create_realm());
      alice.share(realms_.back(), "bob", "READER");
    }
    for (auto& observer : observers_) {
      observer = std::make_unique<Observer>(organization_, bob, realms_);
    }
    writers_ = std::make_unique<Writers>(organization_, realms_, writer_count);
    ASSERT_TRUE(writers_->await_everybody());
    ASSERT_TRUE(writers_->await_acknowledged(writes_between_faults));
    for (auto& observer : observers_) ASSERT_TRUE(observer->await_subscription(0));
  }

  std::vector<std::uint64_t> subscriptions() const {
    std::vector<std::uint64_t> counts;
    for (const auto& observer : observers_) counts.push_back(observer->subscriptions());
    return counts;
  }
  /// Whoever was subscribed then was sent away, and is subscribed again.
  void expect_new_subscriptions(const std::vector<std::uint64_t>& then) {
    for (std::size_t i = 0; i < observers_.size(); ++i) {
      EXPECT_TRUE(observers_[i]->await_subscription(then[i]))
          << "a connection that may have missed events goes on";
    }
  }
  void expect_recovery(std::string_view what) {
    const auto took = writers_->await_everybody(recovery_limit);
    ASSERT_TRUE(took) << what << ": not everybody writes again\n" << server_->process().output();
    report(what, ": everybody writes again after ", *took, " ms");
    ASSERT_TRUE(writers_->await_acknowledged(writes_between_faults));
  }

  /// The end of every test: all stop, and what they were told is held against the database.
  DatabaseCheck check_all() {
    writers_->stop();
    DatabaseProbe database{database_url()};
    const DatabaseCheck check = check_database(database, organization_->id(), writers_->writes());
    EXPECT_EQ(check.complaints, "");
    EXPECT_EQ(writers_->complaints().text(), "");
    for (const auto& observer : observers_) {
      EXPECT_TRUE(observer->await_checkpoints(check.checkpoints));
      observer->stop();
      EXPECT_EQ(observer->complaints().text(), "");
      auto heard = observer->heard();
      std::ranges::sort(heard);
      EXPECT_TRUE(std::ranges::includes(check.updates, heard)) << "heard of what is not there";
    }
    check_polled(check);
    EXPECT_THAT(writers_->longest_wait(), Lt(hang_limit.count()));
    report(writers_->acknowledged(), " writes acknowledged, ", check.rows, " found, ",
           check.in_doubt, " without an answer of which ", check.in_doubt_done, " found; ",
           writers_->lost_connections(), " connections ended; the longest wait for an answer ",
           writers_->longest_wait(), " ms");
    return check;
  }

  std::unique_ptr<ServerProcess> server_;
  std::shared_ptr<Organization> organization_;
  std::vector<Uuid> realms_;
  std::array<std::unique_ptr<Observer>, 2> observers_;
  std::unique_ptr<Writers> writers_;

 private:
  /// The server tells what the database holds.
  void check_polled(const DatabaseCheck& check) {
    Session alice = organization_->connect(organization_->alice());
    for (const Uuid realm_id : realms_) {
      const Document polled =
          alice.require("vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 0}});
      EXPECT_EQ(polled["current_checkpoint"], Document(check.checkpoints.at(realm_id)));
      std::map<Uuid, std::int64_t> newest;
      for (const auto& update : check.updates) {
        if (update.realm_id == realm_id) newest[update.vlob_id] = update.version;
      }
      Map changes;
      for (const auto& [vlob_id, version] : newest) changes.add(vlob_id, version);
      EXPECT_TRUE(polled["changes"].map().size() == changes.size());
      for (const auto& [vlob_id, version] : polled["changes"].map().entries()) {
        EXPECT_EQ(version, Document(newest[vlob_id.uuid()]));
      }
    }
  }
};

// --- PostgreSQL ----------------------------------------------------------------------------------

TEST_F(DatabaseFaults, PostgresqlIsRestarted) {
  start();
  for (const Shutdown shutdown : {Shutdown::immediate, Shutdown::fast, Shutdown::immediate}) {
    const auto before = subscriptions();
    postgres().stop(shutdown);
    postgres().start();
    expect_recovery(shutdown == Shutdown::fast ? "fast restart" : "crash and recovery");
    expect_new_subscriptions(before);
  }
  check_all();
}

TEST_F(DatabaseFaults, PostgresqlStaysAway) {
  start();
  postgres().stop(Shutdown::fast);
  // New work is turned away, rather than left waiting.
  const auto asked = Clock::now();
  EXPECT_THROW(organization_->connect(organization_->alice()), ConnectionEnded);
  const std::int64_t turned_away = milliseconds_since(asked);
  EXPECT_THAT(turned_away, Le(5'000));
  // What needs no database goes on.
  Connection{server_->address()}.ping();
  report("database away: a handshake is turned away after ", turned_away, " ms");
  postgres().start();
  expect_recovery("back after a while");
  check_all();
}

TEST_F(DatabaseFaults, BackendsAreTerminated) {
  start();
  const auto before = subscriptions();
  std::int64_t terminated = 0;
  for (int round = 0; round < 5; ++round) {
    DatabaseProbe database{database_url()};
    terminated += database
                      .value(
                          "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                          "WHERE application_name = 'parsec'")
                      .integer();
    expect_recovery("all backends terminated");
  }
  EXPECT_THAT(terminated, Gt(5));
  expect_new_subscriptions(before);
  EXPECT_THAT(Counters{*server_}.database("losses"), Gt(0));
  check_all();
}

/// The connection that listens alone: nobody notices but those who are subscribed.
TEST_F(DatabaseFaults, OnlyTheListenerIsTerminated) {
  start();
  const auto before = subscriptions();
  DatabaseProbe database{database_url()};
  const auto terminated = database.value(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
      "WHERE application_name = 'parsec' AND (query LIKE 'LISTEN app_notification%' OR query = "
      "'')");
  EXPECT_EQ(terminated, Document(1));
  expect_new_subscriptions(before);
  ASSERT_TRUE(writers_->await_everybody());
  EXPECT_EQ(writers_->lost_connections(), 0U);
  check_all();
}

// --- The server ----------------------------------------------------------------------------------

TEST_F(DatabaseFaults, TheServerIsKilled) {
  start();
  for (int round = 0; round < 3; ++round) {
    const auto before = subscriptions();
    server_->kill();
    server_->start();
    expect_recovery("killed and started");
    expect_new_subscriptions(before);
  }
  check_all();
}

/// Told to stop, it answers what it has begun: nobody is left in doubt.
TEST_F(DatabaseFaults, TheServerIsStopped) {
  start();
  EXPECT_EQ(server_->stop(), 0);
  server_->start();
  expect_recovery("stopped and started");
  EXPECT_EQ(check_all().in_doubt_done, 0U);
}

// --- The network between them --------------------------------------------------------------------

class NetworkFaults : public DatabaseFaults {
 protected:
  void start_behind_proxy() {
    const std::string url = database_url();
    const std::string directory = url.substr(url.find("host=") + 5);
    proxy_ = std::make_unique<DatabaseProxy>(directory + "/.s.PGSQL.5432");
    start("postgresql://parsec@127.0.0.1:" + std::to_string(proxy_->port()) +
          "/parsec?sslmode=disable&gssencmode=disable");
  }
  /// A connection that needs the database waits with the others.
  void await_standstill() {
    ASSERT_TRUE(eventually([this] { return !writers_->await_everybody(300ms); }));
  }

  std::unique_ptr<DatabaseProxy> proxy_;
};

TEST_F(NetworkFaults, AStallPasses) {
  start_behind_proxy();
  const auto before = subscriptions();
  proxy_->set(DatabaseProxy::Mode::stall);
  await_standstill();
  proxy_->set(DatabaseProxy::Mode::forward);
  expect_recovery("stalled");
  EXPECT_EQ(writers_->lost_connections(), 0U) << "nothing was wrong but slow";
  EXPECT_EQ(subscriptions(), before);
  check_all();
}

TEST_F(NetworkFaults, ConnectionsBreak) {
  start_behind_proxy();
  for (int round = 0; round < 3; ++round) {
    const auto before = subscriptions();
    proxy_->cut(DatabaseProxy::Mode::forward);
    expect_recovery("reset");
    expect_new_subscriptions(before);
  }
  check_all();
}

/// Commits whose answers never come: done, but nobody may be told so, and nobody may do them again.
TEST_F(NetworkFaults, AnswersAreLost) {
  start_behind_proxy();
  for (int round = 0; round < 3; ++round) {
    const auto before = subscriptions();
    proxy_->set(DatabaseProxy::Mode::one_way);
    await_standstill();
    proxy_->cut(DatabaseProxy::Mode::forward);
    expect_recovery("answers lost");
    expect_new_subscriptions(before);
  }
  EXPECT_THAT(Counters{*server_}.database("unknown"), Gt(0));
  check_all();
}

TEST_F(NetworkFaults, TheNetworkIsCutForAWhile) {
  start_behind_proxy();
  proxy_->set(DatabaseProxy::Mode::stall);
  await_standstill();
  proxy_->cut(DatabaseProxy::Mode::refuse);
  EXPECT_THROW(organization_->connect(organization_->alice()), ConnectionEnded);
  proxy_->set(DatabaseProxy::Mode::forward);
  expect_recovery("cut");
  check_all();
}

}  // namespace
}  // namespace parsec::testing
