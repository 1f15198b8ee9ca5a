// Rights end exactly (db/schema/sql/functions/00_common.sql): what a user writes commits before the
// reply to what ended the user's rights, or not at all.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "db/functions/apiv1_invitation.h"
#include "db/functions/block.h"
#include "db/functions/device.h"
#include "db/functions/invite.h"
#include "db/functions/maintenance.h"
#include "db/functions/organization.h"
#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;

class FunctionsRights : public ::testing::Test {
 protected:
  Sql::Fill revoke(std::string_view user_id, std::string_view author = "alice") {
    return [this, user_id, author](db::Request& call) {
      user_revoke(call, world.author(author), user_id, at(1), as_bytes("r"), as_bytes("r"));
    };
  }
  /// Now, or null: never.
  Sql::Fill expire(std::optional<DateTime> date = at(0)) {
    return [this, date](db::Request& call) {
      organization_update(call, world.organization_id, date, as_bytes("e"));
    };
  }
  Sql::Fill await(std::optional<std::string_view> user_id) {
    return
        [this, user_id](db::Request& call) { await_writes(call, world.organization_id, user_id); };
  }
  Sql::Fill write(std::string_view user) {
    return world.vlob_create(user, realm_id, random_uuid());
  }

  /// Whether a call holds the rights of that user to the end of its transaction.
  bool holds(const Sql::Fill& fill, const std::string& user) {
    writer.run("BEGIN");
    const auto reply = writer.call(fill);
    const auto count = admin.number(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
        " AND granted AND classid::bigint << 32 | objid::bigint = parsec_functions.rights_key('" +
        world.organization_id + "', '" + user + "')");
    writer.run("ROLLBACK");
    if (count != 1) ADD_FAILURE() << reply->function->name;
    return count == 1;
  }

  World world;
  Uuid realm_id = world.create_realm();
  Sql admin, waiter, writer;

  void SetUp() override {
    for (const auto* user : {"bob", "carol"}) world.grant(realm_id, user, "CONTRIBUTOR");
  }
};

TEST_F(FunctionsRights, AWriteThatWaitedFindsTheRevocation) {
  world.sql.run("BEGIN; SELECT FROM public.realm WHERE _id = " + world.realm_key(realm_id) +
                " FOR UPDATE");
  writer.send(write("bob"));
  ASSERT_TRUE(writer.is_blocked());
  EXPECT_EQ("ok", admin.status(revoke("bob")));
  waiter.send(await("bob"));
  EXPECT_TRUE(waiter.is_blocked());  // the write might have looked before
  world.sql.run("COMMIT");
  EXPECT_EQ("author_revoked", writer.received_status());
  EXPECT_EQ("ok", waiter.received_status());
}

TEST_F(FunctionsRights, AWriteThatWaitedFindsTheExpiration) {
  world.sql.run("BEGIN; SELECT FROM public.realm WHERE _id = " + world.realm_key(realm_id) +
                " FOR UPDATE");
  writer.send(write("bob"));
  ASSERT_TRUE(writer.is_blocked());
  // Later than the statement of the writer.
  admin.run("UPDATE public.organization SET expiration_date = clock_timestamp() WHERE _id = " +
            world.key());
  waiter.send(await(std::nullopt));
  EXPECT_TRUE(waiter.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("organization_expired", writer.received_status());
  EXPECT_EQ("ok", waiter.received_status());
}

TEST_F(FunctionsRights, AWriteUnderWayIsAwaitedAndNoOtherBegins) {
  writer.run("BEGIN");
  EXPECT_EQ("ok", writer.status(write("bob")));
  EXPECT_EQ("ok", admin.status(revoke("bob")));
  waiter.send(await("bob"));
  EXPECT_TRUE(waiter.is_blocked());
  // Nobody waits for the one who waits.
  const auto elsewhere = [&](std::string_view user) {
    return [&, user](db::Request& call) { ping(call, world.author(user), as_bytes("x")); };
  };
  EXPECT_EQ("author_revoked", admin.status(elsewhere("bob")));
  EXPECT_EQ("ok", admin.status(elsewhere("carol")));
  writer.run("COMMIT");
  EXPECT_EQ("ok", waiter.received_status());
  EXPECT_EQ("author_revoked", writer.status(write("bob")));
  EXPECT_EQ("ok", writer.status(write("carol")));
}

TEST_F(FunctionsRights, AnExpirationAwaitsEverybody) {
  const auto token = random_uuid();
  EXPECT_EQ("ok", admin.status([&](db::Request& call) {
    invite_new(call, world.author("alice"), {"DEVICE", {}, token, false}, as_bytes("x"));
  }));
  const auto talk = [&](db::Request& call) {
    conduit_talk(call, {world.organization_id, {}, token}, "1_WAIT_PEERS", as_bytes("p"),
                 as_bytes("x"));
  };
  World other_organization;
  Sql claimer, stranger;
  for (Sql* sql : {&writer, &claimer, &stranger}) sql->run("BEGIN");
  EXPECT_EQ("ok", writer.status(write("bob")));
  EXPECT_EQ("ok", claimer.status(talk));
  EXPECT_EQ("ok", stranger.status([&](db::Request& call) {
    ping(call, other_organization.author("bob"), as_bytes("x"));
  }));
  const auto expired = admin.call(expire());
  EXPECT_TRUE(expired->rows().boolean(0, OrganizationUpdateColumns::expired));
  waiter.send(await(std::nullopt));
  EXPECT_TRUE(waiter.is_blocked());
  EXPECT_EQ("organization_expired", admin.status([&](db::Request& call) {
    ping(call, world.author("carol"), as_bytes("x"));
  }));
  writer.run("COMMIT");
  EXPECT_TRUE(waiter.is_blocked());  // for the claimer
  claimer.run("COMMIT");
  EXPECT_EQ("ok", waiter.received_status());
  EXPECT_EQ("organization_expired", admin.status(talk));
  stranger.run("COMMIT");
  EXPECT_FALSE(admin.call(expire(std::nullopt))->rows().boolean(0, 1));
  EXPECT_EQ("ok", writer.status(write("bob")));
}

// The lock says that rights end, the row that they do not: tried again by the driver.
TEST_F(FunctionsRights, OfWhichNobodyKnowsAreAskedForAgain) {
  writer.run("BEGIN");
  EXPECT_EQ("ok", writer.status(write("bob")));
  waiter.send(await("bob"));
  ASSERT_TRUE(waiter.is_blocked());
  EXPECT_EQ("40001 ", admin.refusal(write("bob")));
  writer.run("COMMIT");
  EXPECT_EQ("ok", waiter.received_status());
  EXPECT_EQ("ok", admin.status(write("bob")));
}

TEST_F(FunctionsRights, AreHeldByAllThatWrite) {
  const auto vlob_id = world.create_vlob(realm_id);
  const auto token = random_uuid();
  world.sql.status([&](db::Request& call) {
    invite_new(call, world.author("alice"), {"DEVICE", {}, token, false}, as_bytes("x"));
  });
  const auto alice = world.author("alice");
  const ConduitSide greeter{world.organization_id, alice.device_id, token};
  const std::vector<std::string_view> nobody;
  const std::vector<Bytes> nothing;
  const std::vector<Sql::Fill> writes{
      write("alice"),
      world.vlob_update("alice", realm_id, vlob_id, 2),
      world.realm_update_roles("alice", realm_id, "bob", "READER"),
      create_user(world, "alice@dev", Person("zoe")),
      revoke("carol"),
      [&](db::Request& call) { block_create(call, alice, realm_id, random_uuid(), 1); },
      [&](db::Request& call) {
        device_create(call, alice, at(1), {"alice@two", {}, {}, {}}, as_bytes("x"), {});
      },
      [&](db::Request& call) { ping(call, alice, as_bytes("x")); },
      [&](db::Request& call) {
        realm_create(call, alice, world.role(random_uuid(), "alice", "OWNER"), as_bytes("x"));
      },
      [&](db::Request& call) {
        realm_start_reencryption_maintenance(call, alice, realm_id, 2, at(1),
                                             {nobody, nothing, nothing}, as_bytes("x"));
      },
      [&](db::Request& call) {
        realm_finish_reencryption_maintenance(call, alice, realm_id, 2, as_bytes("x"));
      },
      [&](db::Request& call) {
        vlob_maintenance_save_reencryption_batch(call, alice, realm_id, 2, {});
      },
      [&](db::Request& call) {
        invite_new(call, alice, {"USER", "a@b", random_uuid(), false}, as_bytes("x"));
      },
      [&](db::Request& call) { invite_delete(call, alice, token, "CANCELLED", as_bytes("x")); },
      [&](db::Request& call) {
        conduit_talk(call, greeter, "1_WAIT_PEERS", as_bytes("p"), as_bytes("x"));
      },
      [&](db::Request& call) {
        conduit_listen(call, greeter, "1_WAIT_PEERS", as_bytes("p"), {}, as_bytes("x"));
      },
      [&](db::Request& call) { invite(call, alice, Invited::user, "zed"); },
      [&](db::Request& call) { invite(call, alice, Invited::device, "alice@three"); },
      [&](db::Request& call) {
        cancel_invitation(call, alice, Invited::user, "zed", as_bytes("x"));
      },
      [&](db::Request& call) {
        cancel_invitation(call, alice, Invited::device, "alice@three", as_bytes("x"));
      },
  };
  for (const auto& fill : writes) EXPECT_TRUE(holds(fill, "alice"));
  // Who is no user yet writes by the right of the organization.
  const ConduitSide claimer{world.organization_id, {}, token};
  EXPECT_TRUE(holds(
      [&](db::Request& call) {
        conduit_talk(call, claimer, "1_WAIT_PEERS", as_bytes("p"), as_bytes("x"));
      },
      ""));
  for (const auto kind : {Invited::user, Invited::device}) {
    EXPECT_TRUE(holds(
        [&](db::Request& call) {
          claim(call, world.organization_id, kind, "zed", as_bytes("x"), {});
        },
        ""));
  }
}

}  // namespace
}  // namespace parsec::testing
