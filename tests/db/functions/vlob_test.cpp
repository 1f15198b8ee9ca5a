// db/schema/sql/functions/vlob.sql and its typed calls: protocol/4-commands.md §4.6.
#include "db/functions/vlob.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "db/functions/block.h"
#include "db/functions/realm.h"
#include "tests/db/function_world.h"

namespace parsec::testing {
namespace {

using namespace db::functions;

class FunctionsVlob : public ::testing::Test {
 protected:
  Sql::Reply read(std::string_view user, const Uuid& vlob_id,
                  std::optional<std::int64_t> version = {}, std::optional<DateTime> instant = {},
                  std::int64_t revision = 1) {
    return world.sql.call([&](db::Request& call) {
      vlob_read(call, world.author(user), revision, vlob_id, version, instant);
    });
  }
  std::int64_t version_read(const Uuid& vlob_id, std::optional<std::int64_t> version,
                            std::optional<DateTime> instant = {}) {
    const auto reply = read("alice", vlob_id, version, instant);
    if (reply->rows().status() == "bad_version") return 0;
    return reply->rows().integer(0, VlobReadColumns::version);
  }

  struct Changes {
    std::int64_t checkpoint;
    std::map<Uuid, std::int64_t> versions;
    auto operator<=>(const Changes&) const = default;
  };
  Changes poll(const Uuid& realm, std::int64_t since = 0) {
    const auto reply = world.sql.call(
        [&](db::Request& call) { vlob_poll_changes(call, world.author("alice"), realm, since); });
    const auto rows = reply->rows();
    EXPECT_EQ("ok", rows.status());
    Changes changes{rows.integer(0, VlobPollColumns::current_checkpoint), {}};
    for (int row = 1; row < rows.count(); ++row) {
      changes.versions[rows.uuid(row, VlobPollColumns::vlob_id)] =
          rows.integer(row, VlobPollColumns::version);
    }
    return changes;
  }

  World world;
  const Uuid realm_id = world.create_realm();
};

TEST_F(FunctionsVlob, StoresVersionsAndTellsOfThem) {
  const auto vlob_id = random_uuid();
  world.grant(realm_id, "bob", "CONTRIBUTOR");
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(world.vlob_create("alice", realm_id, vlob_id, "one")));
  EXPECT_EQ("ok", world.sql.status(world.vlob_update("bob", realm_id, vlob_id, 2, "")));
  const auto told = [&](char checkpoint) {
    return "\x81\xa8realm_id\xd8\x02" + std::string{as_text(realm_id.bytes)} + "\xaa" +
           "checkpoint" + checkpoint;
  };
  EXPECT_EQ((std::vector{told(1), told(2)}), world.sql.notifications());

  const auto reply = read("bob", vlob_id);
  const auto rows = reply->rows();
  EXPECT_EQ("ok", rows.status());
  EXPECT_EQ(realm_id, rows.uuid(0, VlobReadColumns::realm_id));
  EXPECT_EQ(2, rows.integer(0, VlobReadColumns::version));
  EXPECT_EQ("", rows.text(0, VlobReadColumns::blob));
  EXPECT_EQ("bob@dev", rows.text(0, VlobReadColumns::author));
  EXPECT_EQ(at(2), rows.datetime(0, VlobReadColumns::created_on));
  EXPECT_EQ("one", read("bob", vlob_id, 1)->rows().text(0, VlobReadColumns::blob));
}

TEST_F(FunctionsVlob, ReadsByVersionOrInstant) {
  const auto vlob_id = world.create_vlob(realm_id);  // at(1)
  world.update_vlob(realm_id, vlob_id, 2);           // at(2)
  world.update_vlob(realm_id, vlob_id, 3);           // at(3)
  EXPECT_EQ(3, version_read(vlob_id, {}));
  EXPECT_EQ(1, version_read(vlob_id, 1));
  EXPECT_EQ(1, version_read(vlob_id, 1, at(3)));  // the version wins
  for (const std::int64_t version : {std::int64_t{4}, std::int64_t{1} << 31, INT64_MAX}) {
    EXPECT_EQ(0, version_read(vlob_id, version));
  }
  for (const auto& [instant, version] :
       std::map<std::int64_t, int>{{0, 0}, {1, 1}, {2, 2}, {9, 3}}) {
    EXPECT_EQ(version, version_read(vlob_id, {}, at(instant))) << instant;
  }
}

TEST_F(FunctionsVlob, ChecksInOrder) {
  world.grant(realm_id, "bob", "READER");
  const auto vlob_id = world.create_vlob(realm_id);
  auto& sql = world.sql;
  EXPECT_EQ("realm_not_found", sql.status(world.vlob_create("bob", random_uuid(), vlob_id)));
  EXPECT_EQ("bad_encryption_revision",
            sql.status(world.vlob_create("bob", realm_id, vlob_id, "", 2)));
  EXPECT_EQ("not_allowed", sql.status(world.vlob_create("bob", realm_id, vlob_id)));
  EXPECT_EQ("already_exists", sql.status(world.vlob_create("alice", realm_id, vlob_id)));
  EXPECT_EQ("vlob_not_found",
            sql.status(world.vlob_update("bob", realm_id, random_uuid(), 9, "", 9)));
  EXPECT_EQ("bad_encryption_revision",
            sql.status(world.vlob_update("bob", realm_id, vlob_id, 9, "", 9)));
  EXPECT_EQ("not_allowed", sql.status(world.vlob_update("bob", realm_id, vlob_id, 9)));
  for (const std::int64_t version : {std::int64_t{1}, std::int64_t{3}, INT64_MAX}) {
    EXPECT_EQ("bad_version", sql.status(world.vlob_update("alice", realm_id, vlob_id, version)));
  }
  EXPECT_EQ("vlob_not_found", read("bob", random_uuid())->rows().status());
  EXPECT_EQ("bad_encryption_revision", read("carol", vlob_id, 9, {}, 9)->rows().status());
  EXPECT_EQ("not_allowed", read("carol", vlob_id, 9)->rows().status());
  EXPECT_EQ("bad_version", read("bob", vlob_id, 9)->rows().status());

  sql.run("UPDATE public.realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
          world.realm_key(realm_id));
  EXPECT_EQ("in_maintenance", sql.status(world.vlob_create("carol", realm_id, vlob_id, "", 9)));
  EXPECT_EQ("in_maintenance", sql.status(world.vlob_update("carol", realm_id, vlob_id, 9, "", 9)));
  EXPECT_EQ("in_maintenance", read("carol", vlob_id, 9, {}, 9)->rows().status());
  EXPECT_EQ(
      1, sql.number("SELECT count(*) FROM public.vlob_atom WHERE organization = " + world.key()));
}

TEST_F(FunctionsVlob, TimestampsDoNotDecrease) {
  const auto vlob_id = world.create_vlob(realm_id);
  const auto update_at = [&](std::int64_t microseconds) {
    return world.sql.status([&](db::Request& call) {
      vlob_update(call, world.author("alice"), realm_id,
                  {.encryption_revision = 1,
                   .vlob_id = vlob_id,
                   .version = 2,
                   .created_on = at(microseconds),
                   .blob = {}},
                  {});
    });
  };
  EXPECT_EQ("bad_timestamp", update_at(0));
  EXPECT_EQ("ok", update_at(1));
}

TEST_F(FunctionsVlob, ListsVersions) {
  const auto vlob_id = world.create_vlob(realm_id);
  world.update_vlob(realm_id, vlob_id, 2);
  const auto reply = world.sql.call(
      [&](db::Request& call) { vlob_list_versions(call, world.author("alice"), vlob_id); });
  const auto rows = reply->rows();
  EXPECT_EQ("ok", rows.status());
  EXPECT_EQ(realm_id, rows.uuid(0, VlobVersionsColumns::realm_id));
  ASSERT_EQ(3, rows.count());
  for (int version : {1, 2}) {
    EXPECT_EQ(version, rows.integer(version, VlobVersionsColumns::version));
    EXPECT_EQ(at(version), rows.datetime(version, VlobVersionsColumns::created_on));
    EXPECT_EQ("alice@dev", rows.text(version, VlobVersionsColumns::author));
  }
}

TEST_F(FunctionsVlob, PollsWhatCameAfterACheckpoint) {
  EXPECT_EQ((Changes{0, {}}), poll(realm_id));
  const auto first = world.create_vlob(realm_id);
  const auto second = world.create_vlob(realm_id);
  world.update_vlob(realm_id, first, 2);
  EXPECT_EQ((Changes{3, {{first, 2}, {second, 1}}}), poll(realm_id, -1));
  EXPECT_EQ((Changes{3, {{first, 2}, {second, 1}}}), poll(realm_id, 1));
  EXPECT_EQ((Changes{3, {{first, 2}}}), poll(realm_id, 2));
  EXPECT_EQ((Changes{3, {}}), poll(realm_id, 3));
  EXPECT_EQ((Changes{INT64_MAX, {}}), poll(realm_id, INT64_MAX));
}

// --- Routing

TEST_F(FunctionsVlob, SendsAnUpdateToItsRealm) {
  const auto vlob_id = world.create_vlob(realm_id);
  Sql holder;  // of the wrong realm: it must not matter
  const auto wrong = world.create_realm();
  holder.run("BEGIN; SELECT FROM public.realm WHERE _id = " + world.realm_key(wrong) +
             " FOR UPDATE");

  const auto first = world.sql.call(world.vlob_update("alice", wrong, vlob_id, 2, "two"));
  EXPECT_EQ("elsewhere", first->rows().status());
  EXPECT_EQ(realm_id, first->rows().uuid(0, VlobUpdateColumns::realm_id));
  const auto again = world.sql.call([&](db::Request& call) {
    call.repeat(*first);
    vlob_update_in(call, world.organization_id, realm_id);
  });
  EXPECT_EQ("ok", again->rows().status());
  db::Request straight;
  world.vlob_update("alice", realm_id, vlob_id, 2)(straight);
  EXPECT_EQ(straight.route, again->route);
  EXPECT_NE(first->route, again->route);
  EXPECT_EQ("two", read("alice", vlob_id)->rows().text(0, VlobReadColumns::blob));
}

TEST_F(FunctionsVlob, AgreesOnTheOldestOfTwoRealmsWithOneVlob) {
  const auto vlob_id = world.create_vlob(realm_id, "first");
  const auto other = world.create_realm();
  world.sql.run(  // by a server that does not check it
      "INSERT INTO public.vlob_atom (organization, vlob_encryption_revision, vlob_id, version, "
      "blob,"
      " size, author, created_on) SELECT " +
      world.key() + ", _id, '" + vlob_id.text() + "', 1, 'second', 6, " + world.device_key("bob") +
      ", now() FROM public.vlob_encryption_revision WHERE realm = " + world.realm_key(other));
  const auto reply = read("alice", vlob_id);
  EXPECT_EQ(realm_id, reply->rows().uuid(0, VlobReadColumns::realm_id));
  EXPECT_EQ("elsewhere", world.sql.status(world.vlob_update("alice", other, vlob_id, 2)));
  EXPECT_EQ("ok", world.sql.status(world.vlob_update("alice", realm_id, vlob_id, 2)));
}

// --- Concurrency

TEST_F(FunctionsVlob, OfTwentyWritersOfOneVersionOneSucceeds) {
  const auto vlob_id = world.create_vlob(realm_id);
  std::vector<std::unique_ptr<Sql>> writers;
  for (int number = 0; number < 20; ++number) writers.push_back(std::make_unique<Sql>());
  world.sql.run("BEGIN; SELECT FROM public.realm WHERE _id = " + world.realm_key(realm_id) +
                " FOR NO KEY UPDATE");
  for (auto& writer : writers) writer->send(world.vlob_update("alice", realm_id, vlob_id, 2));
  for (auto& writer : writers) EXPECT_TRUE(writer->is_blocked());
  world.sql.run("COMMIT");
  std::map<std::string, int> statuses;
  for (auto& writer : writers) ++statuses[writer->received_status()];
  EXPECT_EQ((std::map<std::string, int>{{"ok", 1}, {"bad_version", 19}}), statuses);
  EXPECT_EQ((Changes{2, {{vlob_id, 2}}}), poll(realm_id));
}

class ForeignWriter {  // of another kind of server: it counts without a lock
 public:
  explicit ForeignWriter(World& world) : world_(world) {}
  void begin_version(const Uuid& realm_id, const Uuid& vlob_id, int version) {
    sql.run(
        "BEGIN; WITH atom AS (INSERT INTO public.vlob_atom (organization,"
        " vlob_encryption_revision, vlob_id, version, blob, size, author, created_on) SELECT " +
        world_.key() + ", _id, '" + vlob_id.text() + "', " + std::to_string(version) +
        ", 'f', 1, " + world_.device_key("alice") +
        ", now() FROM public.vlob_encryption_revision WHERE realm = " + world_.realm_key(realm_id) +
        " RETURNING _id)"
        " INSERT INTO public.realm_vlob_update (realm, index, vlob_atom)"
        " SELECT " +
        world_.realm_key(realm_id) +
        ", (SELECT COALESCE(max(index), 0) + 1 FROM"
        " public.realm_vlob_update WHERE realm = " +
        world_.realm_key(realm_id) + "), _id FROM atom");
  }
  Sql sql;

 private:
  World& world_;
};

TEST_F(FunctionsVlob, CheckpointsHaveNoGapBesideAWriterThatDoesNotLock) {
  const auto vlob_id = world.create_vlob(realm_id);
  for (const auto* end : {"COMMIT", "ROLLBACK"}) {
    const auto before = poll(realm_id).checkpoint;
    ForeignWriter foreign{world};
    const auto other_id = random_uuid();
    foreign.begin_version(realm_id, other_id, 1);
    world.sql.send(world.vlob_update("alice", realm_id, vlob_id, before == 1 ? 2 : 3));
    EXPECT_TRUE(world.sql.is_blocked());  // for the number that both want
    foreign.sql.run(end);
    EXPECT_EQ("ok", world.sql.received_status());
    const auto committed = std::string_view{end} == "COMMIT" ? 1 : 0;
    EXPECT_EQ(before + 1 + committed, poll(realm_id).checkpoint);
    EXPECT_EQ(poll(realm_id).checkpoint,
              world.sql.number("SELECT count(*) FROM public.realm_vlob_update WHERE realm = " +
                               world.realm_key(realm_id)));
  }
}

TEST_F(FunctionsVlob, AVersionThatAServerWithoutLockTakesIsBadVersion) {
  const auto vlob_id = world.create_vlob(realm_id);
  ForeignWriter foreign{world};
  foreign.begin_version(realm_id, vlob_id, 2);
  world.sql.send(world.vlob_update("alice", realm_id, vlob_id, 2));
  EXPECT_TRUE(world.sql.is_blocked());
  foreign.sql.run("COMMIT");
  EXPECT_EQ("bad_version", world.sql.received_status());
}

TEST_F(FunctionsVlob, RealmsRacingForOneIdDoNotWaitForEachOtherInABatch) {
  const auto other = world.create_realm();
  const auto vlob_id = random_uuid();
  Sql second;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(world.vlob_create("alice", realm_id, vlob_id)));
  const auto busy = second.call(world.vlob_create("alice", other, vlob_id));
  EXPECT_EQ("busy", busy->rows().status());
  second.send([&](db::Request& call) {
    call.repeat(*busy);
    vlob_create_alone(call);
  });
  EXPECT_TRUE(second.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("already_exists", second.received_status());
  EXPECT_EQ((Changes{0, {}}), poll(other));
}

TEST_F(FunctionsVlob, AnIdWhoseCreationIsRolledBackIsFree) {
  const auto other = world.create_realm();
  const auto vlob_id = random_uuid();
  Sql second;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(world.vlob_create("alice", realm_id, vlob_id)));
  second.send([&](db::Request& call) {
    world.vlob_create("alice", other, vlob_id)(call);
    vlob_create_alone(call);
  });
  EXPECT_TRUE(second.is_blocked());
  world.sql.run("ROLLBACK");
  EXPECT_EQ("ok", second.received_status());
  EXPECT_EQ((Changes{1, {{vlob_id, 1}}}), poll(other));
}

TEST_F(FunctionsVlob, RealmsDoNotDisturbEachOther) {
  const auto other = world.create_realm();
  Sql second;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(world.vlob_create("alice", realm_id, random_uuid())));
  EXPECT_EQ("ok", second.status(world.vlob_create("alice", other, random_uuid())));
  world.sql.run("COMMIT");
}

// --- Cost

/// Pages of tables and indexes that a call touches, once its plans are made.
std::int64_t pages(Sql& sql, const std::string& call) {
  for (int warm_up = 0; warm_up < 3; ++warm_up) sql.run("SELECT " + call);
  std::int64_t fewest = INT64_MAX;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto plan = sql.run("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT " + call);
    const auto after = [&](std::string_view name) -> std::int64_t {
      const auto start = plan.find(name);
      return start == std::string::npos ? 0 : std::stol(plan.substr(start + name.size()));
    };
    fewest = std::min(fewest, after("\"Shared Hit Blocks\": ") + after("\"Shared Read Blocks\": "));
  }
  return fewest;
}

TEST_F(FunctionsVlob, CostDoesNotGrowWithTheTables) {
  const auto vlob_id = world.create_vlob(realm_id);
  const auto organization = "'" + world.organization_id + "', 'alice@dev', ";
  const auto realm = "'" + realm_id.text() + "', ";
  const auto vlob = "'" + vlob_id.text() + "', ";
  const std::map<std::string, std::string> calls{
      {"vlob_create", "parsec_functions.vlob_create(" + organization + realm +
                          "1, gen_random_uuid(), now(), 'b', '', false)"},
      {"vlob_update", "parsec_functions.vlob_update(" + organization + realm + "1, " + vlob +
                          "9, now(), 'b', '')"},
      {"vlob_read", "parsec_functions.vlob_read(" + organization + "1, " + vlob + "NULL, NULL)"},
      {"vlob_poll_changes",
       "parsec_functions.vlob_poll_changes(" + organization + realm + "1000000)"},
      {"vlob_list_versions",
       "parsec_functions.vlob_list_versions(" + organization + "'" + vlob_id.text() + "')"},
      {"block_create",
       "parsec_functions.block_create(" + organization + realm + "gen_random_uuid(), 1, false)"},
      {"realm_status",
       "parsec_functions.realm_status(" + organization + "'" + realm_id.text() + "')"},
  };
  std::map<std::string, std::int64_t> before;
  for (const auto& [name, call] : calls) before[name] = pages(world.sql, call);

  const std::string count = "5000";
  world.sql.run(
      "INSERT INTO public.vlob_atom (organization, vlob_encryption_revision, vlob_id, version, "
      "blob,"
      " size, author, created_on) SELECT " +
      world.key() + ", _id, gen_random_uuid(), 1, 'b', 1, " + world.device_key("alice") +
      ", now() FROM public.vlob_encryption_revision, generate_series(1, " + count +
      ") WHERE realm = " + world.realm_key(realm_id) +
      "; INSERT INTO public.realm_vlob_update (realm, index, vlob_atom) SELECT " +
      world.realm_key(realm_id) +
      ", 1000 + row_number() OVER (ORDER BY _id), _id FROM public.vlob_atom"
      " WHERE organization = " +
      world.key() +
      "; INSERT INTO public.block (organization, block_id, realm, author, size, created_on) "
      "SELECT " +
      world.key() + ", gen_random_uuid(), " + world.realm_key(realm_id) + ", " +
      world.device_key("alice") + ", 1, now() FROM generate_series(1, " + count + ")");
  for (const auto& [name, call] : calls) {
    // Some levels of index more, never the tables: those have hundreds of pages now.
    EXPECT_LE(pages(world.sql, call), before[name] + 25) << name;
  }
}

}  // namespace
}  // namespace parsec::testing
