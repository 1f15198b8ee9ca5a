// db/schema/sql/functions/block.sql and its typed calls: protocol/4-commands.md §4.7.
#include "db/functions/block.h"

#include <gtest/gtest.h>

#include "tests/db/function_world.h"

namespace parsec::testing {
namespace {

using namespace db::functions;

class FunctionsBlock : public ::testing::Test {
 protected:
  std::string check(std::string_view user, const Uuid& realm, const Uuid& block_id) {
    return world.sql.status(
        [&](db::Request& call) { block_create_check(call, world.author(user), realm, block_id); });
  }
  Sql::Fill create(std::string_view user, const Uuid& realm, const Uuid& block_id) {
    return [this, user, realm, block_id](db::Request& call) {
      block_create(call, world.author(user), realm, block_id, 5);
    };
  }
  std::string read(std::string_view user, const Uuid& block_id) {
    return world.sql.status(
        [&](db::Request& call) { block_read(call, world.author(user), block_id); });
  }

  World world;
  const Uuid realm_id = world.create_realm();
};

TEST_F(FunctionsBlock, ChecksInOrder) {
  const auto block_id = random_uuid();
  world.grant(realm_id, "bob", "READER");
  const auto expect_both = [&](std::string_view status, std::string_view user, const Uuid& realm) {
    EXPECT_EQ(status, check(user, realm, block_id));
    EXPECT_EQ(status, world.sql.status(create(user, realm, block_id)));
  };
  expect_both("realm_not_found", "bob", random_uuid());
  expect_both("not_allowed", "bob", realm_id);
  expect_both("not_allowed", "carol", realm_id);
  EXPECT_EQ("block_not_found", read("alice", block_id));
  expect_both("ok", "alice", realm_id);
  expect_both("already_exists", "alice", realm_id);
  expect_both("already_exists", "alice", world.create_realm());
  EXPECT_EQ("ok", read("bob", block_id));
  EXPECT_EQ("not_allowed", read("carol", block_id));
  world.sql.run("UPDATE public.realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
                world.realm_key(realm_id));
  expect_both("in_maintenance", "bob", realm_id);
  EXPECT_EQ("in_maintenance", read("carol", block_id));
}

TEST_F(FunctionsBlock, ADeletedBlockIsGoneButItsIdIsTaken) {
  const auto block_id = random_uuid();
  EXPECT_EQ("ok", world.sql.status(create("alice", realm_id, block_id)));
  world.sql.run("UPDATE public.block SET deleted_on = now() WHERE block_id = '" + block_id.text() +
                "'");
  EXPECT_EQ("block_not_found", read("alice", block_id));
  EXPECT_EQ("already_exists", check("alice", realm_id, block_id));
  EXPECT_EQ("already_exists", world.sql.status(create("alice", realm_id, block_id)));
}

TEST_F(FunctionsBlock, RealmsRacingForOneIdDoNotWaitForEachOtherInABatch) {
  const auto other = world.create_realm();
  const auto block_id = random_uuid();
  Sql second;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create("alice", realm_id, block_id)));
  const auto busy = second.call(create("alice", other, block_id));
  EXPECT_EQ("busy", busy->rows().status());
  second.send([&](db::Request& call) {
    call.repeat(*busy);
    block_create_alone(call);
  });
  EXPECT_TRUE(second.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("already_exists", second.received_status());
}

TEST_F(FunctionsBlock, CreationWaitsForTheRealm) {
  Sql maintainer;
  maintainer.run("BEGIN; UPDATE public.realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
                 world.realm_key(realm_id));
  world.sql.send(create("alice", realm_id, random_uuid()));
  EXPECT_TRUE(world.sql.is_blocked());
  maintainer.run("COMMIT");
  EXPECT_EQ("in_maintenance", world.sql.received_status());
}

TEST_F(FunctionsBlock, StoredDataStaysAsItIs) {
  const auto block_id = random_uuid();
  const auto stored = [&] {
    return world.sql.call(
        [&](db::Request& call) { block_data_read(call, world.organization_id, block_id); });
  };
  EXPECT_EQ("not_found", stored()->rows().status());
  for (const std::string_view data : {std::string_view{"\0first", 6}, std::string_view{"second"}}) {
    EXPECT_EQ("ok", world.sql.status([&](db::Request& call) {
      block_data_create(call, world.organization_id, block_id, as_bytes(data));
    }));
  }
  const auto reply = stored();
  EXPECT_EQ("ok", reply->rows().status());
  EXPECT_EQ((std::string_view{"\0first", 6}), reply->rows().text(0, BlockDataColumns::data));
}

}  // namespace
}  // namespace parsec::testing
