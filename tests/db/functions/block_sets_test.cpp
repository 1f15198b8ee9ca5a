// db/schema/sql/functions/block_sets.sql: a set answers each call as the function for one does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/functions/block.h"
#include "tests/db/set_test.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using ::testing::ElementsAre;

class BlockSets : public SetTest {
 protected:
  Sql::Fill check(std::string user, const Uuid& realm, const Uuid& block_id) {
    return [=, this](db::Request& call) {
      block_create_check(call, world.author(user), realm, block_id);
    };
  }
  Sql::Fill create(std::string user, const Uuid& realm, const Uuid& block_id) {
    return [=, this](db::Request& call) {
      block_create(call, world.author(user), realm, block_id, 5);
    };
  }
  Sql::Fill read(std::string user, const Uuid& block_id) {
    return [=, this](db::Request& call) { block_read(call, world.author(user), block_id); };
  }
};

TEST_F(BlockSets, AnswerAsOneCallDoes) {
  world.grant(realm_id, "bob", "READER");
  world.grant(realm_id, "carol", "OWNER");
  const Uuid taken = random_uuid(), deleted = random_uuid(), in_it = random_uuid();
  const Uuid maintained = world.create_realm();
  for (const auto& fill : {create("alice", realm_id, taken), create("alice", realm_id, deleted),
                           create("alice", maintained, in_it)}) {
    EXPECT_EQ("ok", world.sql.status(fill));
  }
  world.sql.run("UPDATE block SET deleted_on = now() WHERE block_id = '" + deleted.text() + "'");
  maintain(maintained);
  revoke("carol");
  const std::vector<std::string> statuses{
      "ok",          "author_revoked", "realm_not_found", "not_allowed",
      "not_allowed", "in_maintenance", "already_exists",  "already_exists",
      "ok"};
  const auto on_all = [&](auto&& what) {
    return std::vector<Sql::Fill>{what("alice", realm_id, random_uuid()),
                                  what("carol", realm_id, random_uuid()),
                                  what("alice", random_uuid(), random_uuid()),
                                  what("bob", realm_id, random_uuid()),
                                  what("olga", realm_id, random_uuid()),
                                  what("alice", maintained, random_uuid()),
                                  what("alice", realm_id, taken),
                                  what("alice", world.create_realm(), deleted),
                                  what("alice", realm_id, random_uuid())};
  };
  expect_the_same(on_all([&](auto... a) { return check(a...); }), 1, statuses);
  expect_the_same(on_all([&](auto... a) { return create(a...); }), 1, statuses);
  expect_the_same(
      {read("alice", taken), read("bob", taken), read("carol", taken), read("olga", taken),
       read("alice", random_uuid()), read("alice", deleted), read("alice", in_it)},
      1,
      {"ok", "ok", "author_revoked", "not_allowed", "block_not_found", "block_not_found",
       "in_maintenance"});
}

TEST_F(BlockSets, AreBusyWhereAnotherHoldsTheId) {
  const Uuid block_id = random_uuid();
  Sql other;
  other.run("BEGIN");
  EXPECT_EQ("ok", other.status(create("alice", world.create_realm(), block_id)));
  EXPECT_THAT(
      as_set({create("alice", realm_id, random_uuid()), create("alice", realm_id, block_id)}, 1),
      ElementsAre("ok|", "busy|"));
}

TEST_F(BlockSets, SizesAreAddedUp) {
  const auto total = [&] {
    return world.sql.run("SELECT coalesce(sum(size), 0) FROM block WHERE realm = " +
                         world.realm_key(realm_id));
  };
  for (int round = 0; round < 6; ++round) {
    std::vector<Sql::Fill> creations;
    for (int i = 0; i < 64; ++i) creations.push_back(create("alice", realm_id, random_uuid()));
    world.sql.run("BEGIN");
    call_as_set(world.sql, creations);
    world.sql.run("COMMIT");
  }
  EXPECT_EQ(std::to_string(6 * 64 * 5), total());
  const auto known = world.sql.number(
      "SELECT count(*) FROM parsec_ext.realm_blocks_size"
      " WHERE realm = " +
      world.realm_key(realm_id));
  EXPECT_EQ(1, known);
}

TEST_F(BlockSets, DataIsStoredOnce) {
  const auto store = [&](const Uuid& block_id, std::string data) {
    return [=, this](db::Request& call) {
      block_data_create(call, world.organization_id, block_id, as_bytes(data));
    };
  };
  const Uuid there = random_uuid(), empty = random_uuid(), other = random_uuid();
  world.sql.call(store(there, "first"));
  const auto reply =
      call_as_set(world.sql, {store(there, "second"), store(empty, ""), store(other, "data")});
  EXPECT_EQ(3, reply->rows().count());
  const auto stored = [&](const Uuid& block_id) {
    const auto read = world.sql.call(
        [&](db::Request& call) { block_data_read(call, world.organization_id, block_id); });
    return std::string{read->rows().text(0, 1)};
  };
  EXPECT_EQ("first", stored(there));
  EXPECT_EQ("", stored(empty));
  EXPECT_EQ("data", stored(other));
}

TEST_F(BlockSets, CostNoMoreTheMoreIsStored) {
  const auto measure = [&] {
    std::vector<Sql::Fill> checks, creations;
    for (int i = 0; i < 8; ++i) {
      checks.push_back(check("alice", realm_id, random_uuid()));
      creations.push_back(create("alice", realm_id, random_uuid()));
    }
    return std::vector{rows_of(checks), rows_of(creations)};
  };
  const auto little = measure();
  for (int i = 0; i < 300; ++i) {
    world.sql.status(create("alice", i % 2 == 0 ? realm_id : world.create_realm(), random_uuid()));
  }
  const auto much = measure();
  for (std::size_t i = 0; i < little.size(); ++i) EXPECT_LE(much[i], little[i] + 8) << i;
}

}  // namespace
}  // namespace parsec::testing
