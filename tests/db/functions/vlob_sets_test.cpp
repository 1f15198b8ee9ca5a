// db/schema/sql/functions/vlob_sets.sql: a set answers each call as the function for one does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/functions/organization.h"
#include "db/functions/user.h"
#include "db/functions/vlob.h"
#include "tests/db/set_test.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using ::testing::ElementsAre;

class VlobSets : public SetTest {
 protected:
  Sql::Fill read(std::string_view user, const Uuid& vlob_id, std::int64_t revision = 1,
                 std::optional<std::int64_t> version = {}, std::optional<DateTime> instant = {}) {
    return [=, this, user = std::string{user}](db::Request& call) {
      vlob_read(call, world.author(user), revision, vlob_id, version, instant);
    };
  }
};

TEST_F(VlobSets, CreateAnswersAsOneCallDoes) {
  world.grant(realm_id, "bob", "READER");
  world.grant(realm_id, "carol", "OWNER");
  revoke("carol");
  const Uuid taken = world.create_vlob(realm_id);
  const Uuid other_realm = world.create_realm(), maintained = world.create_realm();
  maintain(maintained);
  expect_the_same(
      {world.vlob_create("alice", realm_id, random_uuid()),
       world.vlob_create("alice", other_realm, random_uuid(), ""),
       world.vlob_create("carol", realm_id, random_uuid()),
       world.vlob_create("alice", random_uuid(), random_uuid()),
       world.vlob_create("alice", maintained, random_uuid()),
       world.vlob_create("alice", realm_id, random_uuid(), "v1", 2),
       world.vlob_create("bob", realm_id, random_uuid()),
       world.vlob_create("olga", realm_id, random_uuid()),
       world.vlob_create("alice", realm_id, taken), world.vlob_create("alice", other_realm, taken)},
      1,
      {"ok", "ok", "author_revoked", "realm_not_found", "in_maintenance", "bad_encryption_revision",
       "not_allowed", "not_allowed", "already_exists", "already_exists"});
}

TEST_F(VlobSets, CreateIsBusyWhereAnotherHoldsTheId) {
  const Uuid vlob_id = random_uuid();
  Sql other;
  other.run("BEGIN");
  EXPECT_EQ("ok", other.status(world.vlob_create("alice", world.create_realm(), vlob_id)));
  EXPECT_THAT(as_set({world.vlob_create("alice", realm_id, random_uuid()),
                      world.vlob_create("alice", realm_id, vlob_id)},
                     1),
              ElementsAre("ok|", "busy|"));
}

TEST_F(VlobSets, UpdateAnswersAsOneCallDoes) {
  world.grant(realm_id, "bob", "READER");
  world.grant(realm_id, "carol", "OWNER");
  revoke("carol");
  const auto vlob = [&] { return world.create_vlob(realm_id); };
  const Uuid other_realm = world.create_realm();
  const Uuid elsewhere = world.create_vlob(other_realm);
  const Uuid newest = vlob();
  world.update_vlob(realm_id, newest, 2);
  const Uuid maintained = world.create_realm();
  const Uuid in_it = world.create_vlob(maintained);
  maintain(maintained);
  const auto early = [&](db::Request& call) {
    vlob_update(call, world.author("alice"), realm_id,
                {.encryption_revision = 1,
                 .vlob_id = newest,
                 .version = 3,
                 .created_on = at(-1),
                 .blob = as_bytes("early")},
                as_bytes("told"));
  };
  expect_the_same({world.vlob_update("alice", realm_id, vlob(), 2),
                   world.vlob_update("alice", realm_id, elsewhere, 2),
                   world.vlob_update("alice", other_realm, elsewhere, 2),
                   world.vlob_update("carol", realm_id, vlob(), 2),
                   world.vlob_update("alice", realm_id, random_uuid(), 2),
                   world.vlob_update("alice", maintained, in_it, 2),
                   world.vlob_update("alice", realm_id, vlob(), 2, "v", 2),
                   world.vlob_update("bob", realm_id, vlob(), 2),
                   world.vlob_update("alice", realm_id, vlob(), 3), early},
                  2,
                  {"ok", "elsewhere", "ok", "author_revoked", "vlob_not_found", "in_maintenance",
                   "bad_encryption_revision", "not_allowed", "bad_version", "bad_timestamp"});
}

TEST_F(VlobSets, ReadAnswersAsOneCallDoes) {
  world.grant(realm_id, "bob", "READER");
  world.grant(realm_id, "carol", "OWNER");
  const Uuid vlob_id = world.create_vlob(realm_id, "one");
  world.update_vlob(realm_id, vlob_id, 2, "two");
  const Uuid empty = world.create_vlob(realm_id, "");
  const Uuid maintained = world.create_realm();
  const Uuid in_it = world.create_vlob(maintained);
  maintain(maintained);
  revoke("carol");
  std::vector<std::string> statuses{"ok", "ok", "bad_version", "bad_version", "ok", "bad_version"};
  const std::vector<std::string> refused{
      "ok",          "author_revoked",          "vlob_not_found",
      "not_allowed", "bad_encryption_revision", "in_maintenance"};
  std::vector<Sql::Fill> reads{read("bob", vlob_id),
                               read("alice", vlob_id, 1, 1),
                               read("alice", vlob_id, 1, 3),
                               read("alice", vlob_id, 1, 1LL << 40),
                               read("alice", vlob_id, 1, {}, at(1)),
                               read("alice", vlob_id, 1, {}, at(-1'000'000))};
  expect_the_same(reads, 6, statuses);
  const std::vector<Sql::Fill> others{read("alice", empty),         read("carol", vlob_id),
                                      read("alice", random_uuid()), read("olga", vlob_id),
                                      read("alice", vlob_id, 2),    read("alice", in_it)};
  const auto answers = as_set(others, 1);
  EXPECT_EQ(one_by_one(others, 1), answers);
  for (std::size_t i = 0; i < refused.size(); ++i) EXPECT_EQ(refused[i] + "|", answers[i]);
}

TEST_F(VlobSets, ALargeBlobIsForACallOfItsOwn) {
  const Uuid large = world.create_vlob(realm_id, std::string(65537, 'b'));
  const Uuid small = world.create_vlob(realm_id, std::string(65536, 'b'));
  const auto answers = as_set({read("alice", large), read("alice", small)}, 4);
  EXPECT_EQ("call_alone", answers[0].substr(0, answers[0].find('|')));
  EXPECT_EQ('-', answers[0][answers[0].size() - 2]);
  EXPECT_EQ("ok", answers[1].substr(0, answers[1].find('|')));
}

TEST_F(VlobSets, ChangesOfARealmAreNumberedWithoutGapsAndTold) {
  const Uuid other_realm = world.create_realm();
  const Uuid first = world.create_vlob(realm_id), second = world.create_vlob(realm_id);
  const Uuid third = world.create_vlob(other_realm);
  world.sql.run("LISTEN app_notification");
  world.sql.notifications();
  world.sql.run("BEGIN");
  const auto reply = call_as_set(world.sql, {world.vlob_update("alice", realm_id, second, 2),
                                             world.vlob_update("alice", realm_id, first, 7),
                                             world.vlob_update("alice", other_realm, third, 2),
                                             world.vlob_update("alice", realm_id, first, 2)});
  world.sql.run("COMMIT");
  EXPECT_EQ("bad_version", reply->rows().text(1, 0));
  EXPECT_EQ("1,2,3,4", world.sql.run("SELECT string_agg(index::text, ',' ORDER BY index)"
                                     " FROM realm_vlob_update WHERE realm = " +
                                     world.realm_key(realm_id)));
  EXPECT_EQ("1,2", world.sql.run("SELECT string_agg(index::text, ',' ORDER BY index)"
                                 " FROM realm_vlob_update WHERE realm = " +
                                 world.realm_key(other_realm)));
  const auto told = [&](const Uuid& realm, char checkpoint) {
    return "\x81\xa8realm_id\xd8\x02" + std::string{as_text(realm.bytes)} + "\xaa" + "checkpoint" +
           checkpoint;
  };
  EXPECT_THAT(
      world.sql.notifications(),
      ::testing::UnorderedElementsAre(told(realm_id, 3), told(realm_id, 4), told(other_realm, 2)));
}

TEST_F(VlobSets, SizesAreAddedUp) {
  for (int round = 0; round < 2; ++round) {
    std::vector<Sql::Fill> creations;
    for (int i = 0; i < 64; ++i)
      creations.push_back(world.vlob_create("alice", realm_id, random_uuid()));
    world.sql.run("BEGIN");
    call_as_set(world.sql, creations);
    world.sql.run("COMMIT");
  }
  EXPECT_EQ(128, world.sql.number("SELECT max(index) FROM parsec_ext.realm_vlobs_size"
                                  " WHERE realm = " +
                                  world.realm_key(realm_id)));
}

TEST_F(VlobSets, RightsAreHeldToTheEndOfTheTransaction) {
  for (const auto* user : {"bob", "carol"}) world.grant(realm_id, user, "CONTRIBUTOR");
  const auto write = [&](std::string_view user) {
    return world.vlob_create(user, realm_id, random_uuid());
  };
  const std::vector<Sql::Fill> writes{write("carol"), write("bob")};
  const auto revoke_bob = [&](db::Request& call) {
    user_revoke(call, world.author("alice"), "bob", at(1), as_bytes("r"), as_bytes("r"));
  };
  const auto await_bob = [&](db::Request& call) {
    await_writes(call, world.organization_id, "bob");
  };
  Sql admin, waiter, later;
  world.sql.run("BEGIN");
  world.sql.call(statement_over(*set_of(writes[0]).before, writes));
  EXPECT_EQ("ok", admin.status(revoke_bob));
  waiter.send(await_bob);
  EXPECT_TRUE(waiter.is_blocked());
  // Looked up after the revocation was stored, though in a transaction that began before.
  const auto reply = world.sql.call(statement_over(set_of(writes[0]), writes));
  EXPECT_EQ("ok", reply->rows().text(0, 0));
  EXPECT_EQ("author_revoked", reply->rows().text(1, 0));
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", waiter.received_status());
  later.run("BEGIN");
  EXPECT_EQ("author_revoked", call_as_set(later, writes)->rows().text(1, 0));
  later.run("COMMIT");
}

TEST_F(VlobSets, ACheckpointThatAnotherServerTakesFailsTheSet) {
  const Uuid vlob_id = world.create_vlob(realm_id), other_id = world.create_vlob(realm_id);
  Sql other;  // locks no realm
  other.run(
      "BEGIN; INSERT INTO realm_vlob_update (realm, index, vlob_atom)"
      " SELECT realm, 3, vlob_atom FROM realm_vlob_update WHERE index = 1 AND realm = " +
      world.realm_key(realm_id));
  world.sql.run("BEGIN");
  const std::vector<Sql::Fill> updates{world.vlob_update("alice", realm_id, vlob_id, 2),
                                       world.vlob_update("alice", realm_id, other_id, 2)};
  world.sql.call(statement_over(*set_of(updates[0]).before, updates));
  world.sql.send(statement_over(set_of(updates[0]), updates));
  EXPECT_TRUE(world.sql.is_blocked());
  other.run("COMMIT");
  PGresult* result = PQgetResult(world.sql.native());
  EXPECT_STREQ("40001", PQresultErrorField(result, PG_DIAG_SQLSTATE));
  PQclear(result);
  while (PGresult* more = PQgetResult(world.sql.native())) PQclear(more);
  world.sql.run("ROLLBACK");
}

TEST_F(VlobSets, CostsNoMoreTheMoreIsStored) {
  std::vector<Uuid> vlobs;
  for (int i = 0; i < 8; ++i) vlobs.push_back(world.create_vlob(realm_id));
  const auto measure = [&] {
    std::vector<Sql::Fill> reads, updates, creates;
    for (const Uuid& vlob_id : vlobs) {
      reads.push_back(read("alice", vlob_id));
      updates.push_back(world.vlob_update("alice", realm_id, vlob_id, 2));
      creates.push_back(world.vlob_create("alice", realm_id, random_uuid()));
    }
    return std::vector{rows_of(reads), rows_of(updates), rows_of(creates)};
  };
  const auto little = measure();
  World neighbour;
  for (int i = 0; i < 5; ++i) neighbour.create_realm();
  for (int i = 0; i < 300; ++i) world.create_vlob(realm_id);
  const auto much = measure();
  for (std::size_t i = 0; i < little.size(); ++i) EXPECT_LE(much[i], little[i] + 8) << i;
}

}  // namespace
}  // namespace parsec::testing
