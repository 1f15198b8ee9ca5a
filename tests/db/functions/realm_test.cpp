// db/schema/sql/functions/realm.sql and its typed calls: protocol/4-commands.md §4.5.
#include "db/functions/realm.h"

#include <gtest/gtest.h>

#include <array>

#include "db/functions/block.h"
#include "db/functions/maintenance.h"
#include "tests/db/function_world.h"

namespace parsec::testing {
namespace {

using namespace db::functions;

class FunctionsRealm : public ::testing::Test {
 protected:
  std::string status_of(std::string_view user, const Uuid& realm_id) {
    return world.sql.status(
        [&](db::Request& call) { realm_status(call, world.author(user), realm_id); });
  }
  std::array<std::int64_t, 2> stats(const Uuid& realm_id) {
    const auto reply = world.sql.call(
        [&](db::Request& call) { realm_stats(call, world.author("alice"), realm_id); });
    EXPECT_EQ("ok", reply->rows().status());
    return {reply->rows().integer(0, RealmStatsColumns::blocks_size),
            reply->rows().integer(0, RealmStatsColumns::vlobs_size)};
  }
  Sql::Fill create(const Uuid& realm_id, std::string_view user = "alice") {
    return [this, user, grant = world.role(realm_id, user, "OWNER")](db::Request& call) {
      realm_create(call, world.author(user), grant, as_bytes("created"));
    };
  }
  void create_block(const Uuid& realm_id, std::int32_t size) {
    EXPECT_EQ("ok", world.sql.status([&](db::Request& call) {
      block_create(call, world.author("alice"), realm_id, random_uuid(), size);
    }));
  }

  World world;
};

TEST_F(FunctionsRealm, CreatesARealmOnce) {
  const auto realm_id = random_uuid();
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(create(realm_id)));
  EXPECT_EQ(std::vector<std::string>{"created"}, world.sql.notifications());
  EXPECT_EQ("already_exists", world.sql.status(create(realm_id)));
  EXPECT_EQ("already_exists", world.sql.status(create(realm_id, "bob")));
  EXPECT_TRUE(world.sql.notifications().empty());
  World elsewhere;
  EXPECT_EQ("ok", elsewhere.sql.status([&](db::Request& call) {
    realm_create(call, elsewhere.author("alice"), elsewhere.role(realm_id, "alice", "OWNER"), {});
  }));

  const auto reply = world.sql.call(
      [&](db::Request& call) { realm_status(call, world.author("alice"), realm_id); });
  const auto rows = reply->rows();
  EXPECT_EQ("ok", rows.status());
  EXPECT_TRUE(rows.is_null(0, RealmStatusColumns::maintenance_type));
  EXPECT_TRUE(rows.is_null(0, RealmStatusColumns::maintenance_started_on));
  EXPECT_TRUE(rows.is_null(0, RealmStatusColumns::maintenance_started_by));
  EXPECT_EQ(1, rows.integer(0, RealmStatusColumns::encryption_revision));
}

TEST_F(FunctionsRealm, OfTwoCreationsTheSecondWaitsForTheFirst) {
  const auto realm_id = random_uuid();
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create(realm_id)));
  other.send(create(realm_id, "bob"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("already_exists", other.received_status());
}

TEST_F(FunctionsRealm, ReadingNeedsACurrentRole) {
  const auto realm_id = world.create_realm();
  EXPECT_EQ("realm_not_found", status_of("bob", random_uuid()));
  EXPECT_EQ("not_allowed", status_of("bob", realm_id));
  for (const auto role : {"READER", "CONTRIBUTOR", "MANAGER", "OWNER"}) {
    world.grant(realm_id, "bob", role);
    EXPECT_EQ("ok", status_of("bob", realm_id)) << role;
  }
  world.grant(realm_id, "bob", std::nullopt);
  EXPECT_EQ("not_allowed", status_of("bob", realm_id));
}

TEST_F(FunctionsRealm, LooksTheAuthorUpEachTime) {
  const auto realm_id = world.create_realm();
  EXPECT_EQ("author_unknown", status_of("nobody", realm_id));
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("bob"));
  EXPECT_EQ("author_revoked", status_of("bob", realm_id));
  EXPECT_EQ("author_revoked", status_of("bob", random_uuid()));
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  EXPECT_EQ("organization_expired", status_of("alice", realm_id));
  EXPECT_EQ("organization_expired", world.sql.status(world.vlob_create("alice", realm_id, {})));
}

TEST_F(FunctionsRealm, GivesCertificatesInTheOrderOfTheirTimestamps) {
  const auto realm_id = random_uuid();
  world.clock = 1000;
  EXPECT_EQ("ok", world.sql.status(create(realm_id)));  // 1001
  for (const auto role : {"READER", "MANAGER"}) world.grant(realm_id, "bob", role);
  const auto count_since = [&](std::optional<DateTime> since) {
    const auto reply = world.sql.call([&](db::Request& call) {
      realm_get_role_certificates(call, world.author("bob"), realm_id, since);
    });
    EXPECT_EQ("ok", reply->rows().status());
    return reply->rows().count() - 1;
  };
  EXPECT_EQ(3, count_since(std::nullopt));
  EXPECT_EQ(3, count_since(at(1000)));
  EXPECT_EQ(2, count_since(at(1001)));
  EXPECT_EQ(0, count_since(at(1003)));
}

// --- realm_update_roles

struct Change {
  std::string_view author_role;  // "" for none
  std::string_view current;
  std::string_view wanted;
  std::string_view status;
};

std::optional<std::string_view> role_or_null(std::string_view role) {
  if (role.empty()) return std::nullopt;
  return role;
}

class FunctionsRealmChange : public FunctionsRealm, public ::testing::WithParamInterface<Change> {};

TEST_P(FunctionsRealmChange, IsDecidedByBothRoles) {
  const auto& change = GetParam();
  const auto realm_id = world.create_realm();
  if (!change.author_role.empty()) world.grant(realm_id, "bob", change.author_role);
  if (!change.current.empty()) world.grant(realm_id, "carol", change.current);
  EXPECT_EQ(change.status, world.sql.status(world.realm_update_roles("bob", realm_id, "carol",
                                                                     role_or_null(change.wanted))));
}

INSTANTIATE_TEST_SUITE_P(Table, FunctionsRealmChange,
                         ::testing::Values(Change{"OWNER", "", "OWNER", "ok"},
                                           Change{"OWNER", "OWNER", "", "ok"},
                                           Change{"OWNER", "MANAGER", "MANAGER", "already_granted"},
                                           Change{"OWNER", "", "", "already_granted"},
                                           Change{"MANAGER", "", "READER", "ok"},
                                           Change{"MANAGER", "READER", "CONTRIBUTOR", "ok"},
                                           Change{"MANAGER", "READER", "", "ok"},
                                           Change{"MANAGER", "READER", "MANAGER", "not_allowed"},
                                           Change{"MANAGER", "MANAGER", "READER", "not_allowed"},
                                           Change{"MANAGER", "OWNER", "", "not_allowed"},
                                           Change{"MANAGER", "MANAGER", "MANAGER", "not_allowed"},
                                           Change{"CONTRIBUTOR", "", "READER", "not_allowed"},
                                           Change{"READER", "READER", "READER", "not_allowed"},
                                           Change{"", "", "READER", "not_allowed"}));

TEST_F(FunctionsRealm, ChecksARoleChangeInOrder) {
  const auto realm_id = world.create_realm();
  const auto change = [&](std::string_view author, const Uuid& realm, std::string_view target,
                          std::optional<std::string_view> role) {
    return world.sql.status(world.realm_update_roles(author, realm, target, role));
  };
  EXPECT_EQ("user_not_found", change("alice", random_uuid(), "nobody", "READER"));
  EXPECT_EQ("incompatible_profile", change("alice", random_uuid(), "olga", "MANAGER"));
  EXPECT_EQ("realm_not_found", change("alice", random_uuid(), "olga", "READER"));
  EXPECT_EQ("ok", change("alice", realm_id, "olga", "CONTRIBUTOR"));
  world.sql.run("UPDATE public.realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
                world.realm_key(realm_id));
  EXPECT_EQ("in_maintenance", change("bob", realm_id, "carol", "READER"));
}

TEST_F(FunctionsRealm, TheNewestCertificateCounts) {
  const auto realm_id = world.create_realm();
  world.clock = 100;
  world.grant(realm_id, "bob", "READER");  // 101
  world.clock = 99;
  EXPECT_EQ("older_than_current",
            world.sql.status(world.realm_update_roles("alice", realm_id, "bob", "OWNER")));
  world.clock = 100;  // the same instant: the last stored counts
  EXPECT_EQ("ok", world.sql.status(world.realm_update_roles("alice", realm_id, "bob", "MANAGER")));
  EXPECT_EQ("already_granted",
            world.sql.status(world.realm_update_roles("alice", realm_id, "bob", "MANAGER")));

  // For the rights of the author it is the same, also as other servers store them.
  const auto store = [&](std::string_view role, std::string_view certified_on) {
    world.sql.run(
        "INSERT INTO public.realm_user_role (realm, user_, role, certificate, certified_by,"
        " certified_on) VALUES (" +
        world.realm_key(realm_id) + ", " + world.user_key("carol") + ", " + std::string{role} +
        ", 'c', " + world.device_key("alice") + ", '" + std::string{certified_on} + "')");
    return status_of("carol", realm_id);
  };
  EXPECT_EQ("ok", store("'READER'", "2024-01-01"));
  EXPECT_EQ("ok", store("NULL", "2023-12-31"));
  EXPECT_EQ("not_allowed", store("NULL", "2024-01-01"));
  EXPECT_EQ("ok", store("'READER'", "2024-01-01"));
}

TEST_F(FunctionsRealm, TellsOfTheRoleBeforeTheMessage) {
  const auto realm_id = world.create_realm();
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(
                      world.realm_update_roles("alice", realm_id, "bob", "READER", "hello")));
  EXPECT_EQ((std::vector<std::string>{"role", "message\x01"}), world.sql.notifications());
  EXPECT_EQ("ok", world.sql.status(world.realm_update_roles("alice", realm_id, "bob", {}, "")));
  EXPECT_EQ(std::vector<std::string>{"role"}, world.sql.notifications());
}

// --- Concurrency

TEST_F(FunctionsRealm, AWriteWaitsForARemovalAndIsRefused) {
  const auto realm_id = world.create_realm();
  world.grant(realm_id, "bob", "CONTRIBUTOR");
  const auto vlob_id = world.create_vlob(realm_id);
  Sql bob;
  world.sql.run("BEGIN");
  world.grant(realm_id, "bob", std::nullopt);
  bob.send(world.vlob_update("bob", realm_id, vlob_id, 2));
  EXPECT_TRUE(bob.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("not_allowed", bob.received_status());
}

TEST_F(FunctionsRealm, ARemovalWaitsForAWrite) {
  const auto realm_id = world.create_realm();
  world.grant(realm_id, "bob", "CONTRIBUTOR");
  Sql bob;
  bob.run("BEGIN");
  EXPECT_EQ("ok", bob.status(world.vlob_create("bob", realm_id, random_uuid())));
  world.sql.send(world.realm_update_roles("alice", realm_id, "bob", std::nullopt));
  EXPECT_TRUE(world.sql.is_blocked());
  bob.run("COMMIT");
  EXPECT_EQ("ok", world.sql.received_status());
}

TEST_F(FunctionsRealm, OwnersCannotDemoteEachOther) {
  const auto realm_id = world.create_realm();
  world.grant(realm_id, "bob", "OWNER");
  Sql bob;
  world.sql.run("BEGIN");
  world.grant(realm_id, "bob", std::nullopt);
  bob.send(world.realm_update_roles("bob", realm_id, "alice", std::nullopt));
  EXPECT_TRUE(bob.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("not_allowed", bob.received_status());
}

TEST_F(FunctionsRealm, WaitsForAServerThatUpdatesTheRealm) {
  const auto realm_id = world.create_realm();
  Sql foreign;
  foreign.run("BEGIN; UPDATE public.realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
              world.realm_key(realm_id));
  world.sql.send(world.realm_update_roles("alice", realm_id, "bob", "READER"));
  EXPECT_TRUE(world.sql.is_blocked());
  foreign.run("COMMIT");
  EXPECT_EQ("in_maintenance", world.sql.received_status());
}

// --- Messages

TEST_F(FunctionsRealm, NumbersMessagesByPosition) {
  const auto realm_id = world.create_realm();
  // What servers that do not lock have left: equal numbers and holes.
  for (const auto index : {"1", "1", "3", "3", "9"}) {
    world.sql.run(
        "INSERT INTO public.message (organization, recipient, timestamp, index, sender,"
        " body) VALUES (" +
        world.key() + ", " + world.user_key("bob") + ", now(), " + index + ", " +
        world.device_key("alice") + ", 'old')");
  }
  for (int number = 6; number < 150; ++number) {
    const auto role = number % 2 == 0 ? "READER" : "CONTRIBUTOR";
    ASSERT_EQ("ok",
              world.sql.status(world.realm_update_roles("alice", realm_id, "bob", role, "m")));
    ASSERT_EQ(number, world.sql.number("SELECT index FROM public.message WHERE recipient = " +
                                       world.user_key("bob") + " ORDER BY _id DESC LIMIT 1"));
  }
}

TEST_F(FunctionsRealm, MessagesOfOneRecipientAreSerial) {
  const auto first = world.create_realm();
  const auto second = world.create_realm();
  Sql other;
  other.run("LISTEN app_notification");
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(world.realm_update_roles("alice", first, "bob", "READER", "a")));
  other.send(world.realm_update_roles("alice", second, "bob", "READER", "b"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", other.received_status());
  EXPECT_EQ((std::vector<std::string>{"role", "message\x01", "role", "message\x02"}),
            other.notifications());
}

// --- realm_stats

TEST_F(FunctionsRealm, SumsTheSizesOfBlocksAndOfListedVersions) {
  const auto realm_id = world.create_realm();
  const auto other = world.create_realm();
  EXPECT_EQ((std::array<std::int64_t, 2>{0, 0}), stats(realm_id));
  create_block(realm_id, 100);
  create_block(realm_id, 23);
  create_block(other, 1000);
  const auto vlob_id = world.create_vlob(realm_id, "0123456789");
  world.update_vlob(realm_id, vlob_id, 2, "01");
  world.create_vlob(other, "xyz");
  EXPECT_EQ((std::array<std::int64_t, 2>{123, 12}), stats(realm_id));
  EXPECT_EQ((std::array<std::int64_t, 2>{1000, 3}), stats(other));
}

TEST_F(FunctionsRealm, SumsStayRightBeyondWhatIsKnown) {
  const auto realm_id = world.create_realm();
  const auto vlob_id = world.create_vlob(realm_id, "0123456789");
  for (int version = 2; version <= 300; ++version) world.update_vlob(realm_id, vlob_id, version);
  for (int number = 0; number < 200; ++number) create_block(realm_id, 7);
  EXPECT_EQ((std::array<std::int64_t, 2>{1400, 309}), stats(realm_id));
  // The beginning is not read again: a size that changed in it goes unnoticed …
  world.sql.run("UPDATE public.vlob_atom SET size = 1000 WHERE vlob_id = '" + vlob_id.text() +
                "' AND version IN (1, 290)");
  EXPECT_EQ(309 + 999, stats(realm_id)[1]);
  EXPECT_EQ(1, world.sql.number("SELECT count(*) FROM parsec_ext.realm_vlobs_size WHERE index = 256"
                                " AND realm = " +
                                world.realm_key(realm_id)));
  EXPECT_EQ(1, world.sql.number("SELECT count(*) FROM parsec_ext.realm_blocks_size WHERE realm = " +
                                world.realm_key(realm_id)));
  // … and so does one that belongs to tables that were emptied since.
  world.sql.run(
      "UPDATE parsec_ext.realm_vlobs_size SET generation = 1;"
      "UPDATE parsec_ext.realm_blocks_size SET generation = 1, size = 12345");
  EXPECT_EQ((std::array<std::int64_t, 2>{1400, 309 + 999 + 990}), stats(realm_id));
}

// A server that does not lock draws the block's _id before its transaction has a number.
TEST_F(FunctionsRealm, ABlockOfAnotherServerThatCommitsLateIsInTheSum) {
  const auto realm_id = world.create_realm();
  for (int number = 0; number < 100; ++number) create_block(realm_id, 1);
  Sql other;
  const auto drawn = other.run("SELECT nextval('public.block__id_seq')");
  create_block(realm_id, 1);  // a higher _id and a lower transaction number
  other.run("BEGIN; SELECT pg_current_xact_id()");
  for (int number = 0; number < 200; ++number) create_block(realm_id, 1);
  other.run(
      "INSERT INTO public.block (_id, organization, block_id, realm, author, size, created_on)"
      " SELECT " +
      drawn +
      ", organization, gen_random_uuid(), realm, author, 10000, now() FROM public.block"
      " WHERE realm = " +
      world.realm_key(realm_id) + " LIMIT 1; COMMIT");
  EXPECT_EQ(10'301, stats(realm_id)[0]);
  for (int number = 0; number < 200; ++number) create_block(realm_id, 1);
  EXPECT_EQ(10'501, stats(realm_id)[0]);
}

}  // namespace
}  // namespace parsec::testing
