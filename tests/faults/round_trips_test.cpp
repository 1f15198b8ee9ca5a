// One command is one statement, in one transaction (db/storage.md §2), and under load many commands
// share a commit. Counted by the server and, independently, by PostgreSQL.
#include <gmock/gmock.h>

#include <functional>
#include <optional>

#include "tests/faults/writers.h"

namespace parsec::testing {
namespace {

using ::testing::Lt;

class RoundTrips : public FaultTest {
 protected:
  void start(std::vector<std::string> arguments = {}) {
    server_ = start_server(std::move(arguments));
    organization_ = organization(*server_);
  }

  std::unique_ptr<ServerProcess> server_;
  std::shared_ptr<Organization> organization_;
};

/// Statements that clients sent, as PostgreSQL counts them; those inside functions do not count.
class StatementCount {
 public:
  explicit StatementCount(const std::string& url) : database_(url) {
    database_.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  }
  void reset() { database_.execute("SELECT pg_stat_statements_reset()"); }
  std::int64_t value() {
    return database_
        .value(
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements "
            "WHERE query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE 'SELECT set_config%'")
        .integer();
  }

 private:
  DatabaseProbe database_;
};

/// Loads the extension, which needs a restart. False: this PostgreSQL comes without it.
bool count_statements(PrivatePostgres& postgres) {
  {
    DatabaseProbe database{postgres.url()};
    const auto available = database.value(
        "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'");
    if (available != Document(1)) return false;
    database.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
  }
  postgres.stop();
  postgres.start();
  return true;
}

struct Step {
  const char* name;
  std::uint64_t statements;
  std::function<void()> run;
  const char* why = "";
};

TEST_F(RoundTrips, OneStatementForEachCommand) {
  const bool postgres_counts = count_statements(postgres());
  start({"--shards=1"});
  Session alice = organization_->connect(organization_->alice());
  const Device bob = alice.add_user("bob");
  const Device carol = alice.add_user("carol");
  Session other = organization_->connect(bob);
  const Uuid realm_id = alice.create_realm();
  const Uuid second_realm = alice.create_realm();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  const Uuid second_vlob = alice.create_vlob(second_realm);
  const Uuid block_id = alice.create_block(realm_id);
  Connection administration =
      connect(server_->address(), administration_answer(administration_token));
  auto unborn = Organization::unknown(server_->address(), administration_token);
  std::string bootstrap_token;
  std::unique_ptr<Connection> anonymous;
  const Map realm{{"realm_id", realm_id}};
  const Map second{{"realm_id", second_realm}};
  Document batch;
  std::unique_ptr<Session> connected;

  Device dave =
      organization_->new_device("dave@dev1", "STANDARD", list("dave@example.com", "Dave"));
  Device laptop = organization_->new_device("alice@laptop", "ADMIN", alice.device().human_handle);

  const Step steps[] = {
      {"handshake (authenticated)", 1,
       [&] {
         connected = std::make_unique<Session>(organization_->connect(organization_->alice()));
       }},
      {"handshake (administration)", 0,
       [&] { connect(server_->address(), administration_answer(administration_token)); },
       "nothing to look up"},
      {"ping", 1,
       [&] {
         alice.require("ping", {{"ping", "x"}});
       }},
      {"events_subscribe", 1, [&] { alice.subscribe(); },
       "and a fence, an empty query that all who subscribe share"},
      {"events_listen", 0,
       [&] {
         EXPECT_EQ(alice.call("events_listen", {{"wait", false}})["status"], Document("no_events"));
       },
       "events are there already"},
      {"message_get", 1,
       [&] {
         alice.require("message_get", {{"offset", 0}});
       }},
      {"user_get", 1,
       [&] {
         alice.require("user_get", {{"user_id", "bob"}});
       }},
      {"human_find", 1, [&] { alice.require("human_find"); }},
      {"user_create", 1,
       [&] { alice.require("user_create", user_certificates(alice.device(), dave)); }},
      {"user_revoke", 2, [&] { alice.revoke("carol"); },
       "the second one waits for the writes of the user that began before"},
      {"device_create", 1,
       [&] { alice.require("device_create", device_certificates(alice.device(), laptop)); }},
      {"realm_create", 1, [&] { alice.create_realm(); }},
      {"realm_status", 1, [&] { alice.require("realm_status", realm); }},
      {"realm_stats", 1, [&] { alice.require("realm_stats", realm); }},
      {"realm_get_role_certificates", 1,
       [&] { alice.require("realm_get_role_certificates", realm); }},
      {"realm_update_roles", 1,
       [&] { alice.share(realm_id, "bob", "CONTRIBUTOR", "message"_bin); }},
      {"vlob_create", 1, [&] { alice.create_vlob(realm_id); }},
      {"vlob_read", 1,
       [&] {
         alice.require("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
       }},
      {"vlob_update", 1, [&] { alice.update_vlob(vlob_id, 2); }, "in the realm of the last one"},
      {"vlob_update, another realm", 2, [&] { alice.update_vlob(second_vlob, 2); },
       "asked for the realm first, once"},
      {"vlob_update, the same again", 1, [&] { alice.update_vlob(second_vlob, 3); }},
      {"vlob_update, first of a connection", 2, [&] { other.update_vlob(vlob_id, 3); }},
      {"vlob_poll_changes", 1,
       [&] {
         alice.require("vlob_poll_changes", realm.with({{"last_checkpoint", 0}}));
       }},
      {"vlob_list_versions", 1,
       [&] {
         alice.require("vlob_list_versions", {{"vlob_id", vlob_id}});
       }},
      {"a refusal", 1,
       [&] { EXPECT_EQ(alice.try_update_vlob(vlob_id, 9)["status"], Document("bad_version")); }},
      {"realm_start_reencryption_maintenance", 1,
       [&] {
         alice.start_reencryption(second_realm, {{"alice", "key"_bin}});
       }},
      {"vlob_maintenance_get_reencryption_batch", 1,
       [&] {
         batch = alice.require("vlob_maintenance_get_reencryption_batch",
                               second.with({{"encryption_revision", 2}, {"size", 1000}}));
       }},
      {"vlob_maintenance_save_reencryption_batch", 1,
       [&] {
         alice.require("vlob_maintenance_save_reencryption_batch",
                       second.with({{"encryption_revision", 2}, {"batch", batch["batch"]}}));
       }},
      {"realm_finish_reencryption_maintenance", 1,
       [&] { alice.finish_reencryption(second_realm); }},
      {"block_create", 3, [&] { alice.create_block(realm_id); },
       "may it be, into the store, it is there"},
      {"block_read", 2,
       [&] {
         alice.require("block_read", {{"block_id", block_id}});
       },
       "may it be read, out of the store"},
      {"organization_create", 1,
       [&] {
         bootstrap_token = administration
                               .require("organization_create",
                                        {{"organization_id", unborn->id()}})["bootstrap_token"]
                               .text();
       }},
      {"handshake (anonymous)", 1,
       [&] { anonymous = std::make_unique<Connection>(unborn->connect_anonymous()); }},
      {"organization_bootstrap", 1,
       [&] {
         anonymous->require("organization_bootstrap",
                            unborn->bootstrap_fields(unborn->first_device(), bootstrap_token));
       }},
      {"organization_status", 1,
       [&] {
         administration.require("organization_status", {{"organization_id", organization_->id()}});
       }},
      {"organization_stats", 1,
       [&] {
         administration.require("organization_stats", {{"organization_id", organization_->id()}});
       }},
      {"organization_update", 1,
       [&] {
         administration.require("organization_update", {{"organization_id", organization_->id()},
                                                        {"expiration_date", nullptr}});
       }},
  };
  std::optional<StatementCount> statements;
  if (postgres_counts) statements.emplace(database_url());
  for (const Step& step : steps) {
    SCOPED_TRACE(step.name);
    const Counters before{*server_};
    if (statements) statements->reset();
    ASSERT_NO_THROW(step.run());
    const auto seen = statements ? statements->value() : static_cast<std::int64_t>(step.statements);
    const Counters after{*server_};
    const auto since = [&](std::string_view name) {
      return after.database(name) - before.database(name);
    };
    EXPECT_EQ(since("executions"), step.statements);
    EXPECT_EQ(since("segments"), step.statements) << "so many round trips";
    EXPECT_EQ(seen, static_cast<std::int64_t>(step.statements)) << "by PostgreSQL";
    report(step.name, ": ", since("executions"), " statements", *step.why != 0 ? ", " : "",
           step.why);
  }
  if (!statements) report("PostgreSQL came without pg_stat_statements: the server's word");
}

/// Every transaction that writes takes a number.
std::int64_t transactions(DatabaseProbe& database) {
  return database.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").integer();
}

/// What waits while a batch is under way goes with the next one. A lock holds the first of each
/// connection until all wait, so that it does not depend on who is how fast.
TEST_F(RoundTrips, WhatWaitsSharesACommit) {
  start();
  constexpr std::size_t count = 64;
  constexpr double most_connections = 7;  // --db-max-connections
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < count; ++i) {
    sessions.push_back(organization_->connect(organization_->alice()));
  }
  std::vector<Uuid> realms;
  for (int i = 0; i < 8; ++i) realms.push_back(sessions[0].create_realm());
  DatabaseProbe database{database_url()};
  const Counters before{*server_};
  const std::int64_t transactions_before = transactions(database);

  DatabaseProbe lock{database_url()};
  lock.execute("BEGIN");
  lock.execute("LOCK TABLE vlob_atom IN ACCESS EXCLUSIVE MODE");
  for (std::size_t i = 0; i < count; ++i) {
    sessions[i].start("vlob_create", {{"realm_id", realms[i % realms.size()]},
                                      {"encryption_revision", 1},
                                      {"vlob_id", new_uuid()},
                                      {"timestamp", now()},
                                      {"blob", "x"_bin}});
  }
  EXPECT_TRUE(eventually([&] {
    return Counters{*server_}.database("requests") == before.database("requests") + count;
  }));
  lock.execute("COMMIT");
  for (Session& session : sessions) ASSERT_EQ(session.reply()["status"], Document("ok"));

  const auto commits =
      static_cast<double>(Counters{*server_}.database("commits") - before.database("commits"));
  const auto by_postgres = static_cast<double>(transactions(database) - transactions_before);
  report(count, " writes at once: ", commits, " commits (PostgreSQL: ", by_postgres, ")");
  EXPECT_THAT(commits, Lt(2 * most_connections + 1));
  EXPECT_THAT(by_postgres, Lt(2 * most_connections + 2)) << "one more was the lock's";
}

TEST_F(RoundTrips, CommitsUnderLoad) {
  start();
  Session alice = organization_->connect(organization_->alice());
  std::vector<Uuid> realms;
  for (int i = 0; i < 4; ++i) realms.push_back(alice.create_realm());
  DatabaseProbe database{database_url()};
  for (const unsigned count : {1U, 8U, 64U}) {
    const Counters counters_before{*server_};
    const std::int64_t transactions_before = transactions(database);
    Writers writers{organization_, realms, count};
    const auto started = Clock::now();
    ASSERT_TRUE(writers.await_acknowledged(count * 50, 20s));
    const auto took = static_cast<double>(milliseconds_since(started)) / 1000;
    writers.stop();
    EXPECT_EQ(writers.complaints().text(), "");
    const auto writes = static_cast<double>(writers.acknowledged());
    const auto commits = static_cast<double>(Counters{*server_}.database("commits") -
                                             counters_before.database("commits"));
    const auto by_postgres = static_cast<double>(transactions(database) - transactions_before);
    report(count, " writers: ", writes, " writes in ", took, " s (", writes / took,
           " /s), commits ", commits, " (PostgreSQL: ", by_postgres, "), so ", writes / commits,
           " writes share one");
  }
}

}  // namespace
}  // namespace parsec::testing
