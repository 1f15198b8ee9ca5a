// What is answered where a sequence is behind its table, by the functions and by the driver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "db/functions/apiv1_invitation.h"
#include "db/functions/block.h"
#include "db/functions/device.h"
#include "db/functions/handshake.h"
#include "db/functions/invite.h"
#include "db/functions/organization.h"
#include "db/schema/embedded_sql.h"
#include "tests/db/database_fixture.h"
#include "tests/db/function_support.h"
#include "tests/db/id_tables.h"
#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {
namespace {

using namespace db;
using namespace db::functions;
using ::testing::HasSubstr;

/// The sequence goes on with the newest id that is there.
std::string set_back(const std::string& table) {
  return "SELECT setval('public." + table + "__id_seq', (SELECT max(_id) FROM public." + table +
         "), false)";
}

/// A clause without its columns takes any conflict for the one it is meant for.
TEST(ConflictClauses, NameTheirColumns) {
  for (const SqlFile& file : function_sql) {
    EXPECT_THAT(file.text, ::testing::Not(HasSubstr("ON CONFLICT DO"))) << file.name;
  }
}

/// Never a status: a client that hears `ok`, or that its data is there already, forgets it.
TEST(SequencesBehind, FailWhateverIsInserted) {
  World world;
  const auto realm_id = world.create_realm();
  const auto vlob_id = world.create_vlob(realm_id);
  std::int64_t version = 1;
  int number = 0;
  std::vector<std::string> names;
  const auto fresh = [&](const std::string& prefix) {
    return std::string_view{names.emplace_back(prefix + std::to_string(++number))};
  };
  names.reserve(1000);

  using Maker = std::function<Sql::Fill()>;  // each fill stores something else
  const Maker organization = [&] {
    return [name = fresh("New" + world.organization_id.substr(3, 16))](Request& call) {
      organization_create(call, name, "token", std::nullopt);
    };
  };
  const Maker spontaneous = [&] {
    return [name = fresh("Spo" + world.organization_id.substr(3, 16))](Request& call) {
      handshake_anonymous(call, name, true);
    };
  };
  const Maker user = [&] {
    const std::string name{fresh("user")};
    return create_user(world, "alice@dev", Person(name, "STANDARD", name + "@example.com"));
  };
  const Maker device = [&] {
    return [&, name = fresh("alice@dev")](Request& call) {
      device_create(call, world.author("alice"), at(1), {name, {}, {}, {}}, as_bytes("x"), {});
    };
  };
  const Maker invited_user = [&] {
    return [&, name = fresh("invited")](Request& call) {
      invite(call, world.author("alice"), Invited::user, name);
    };
  };
  const Maker invited_device = [&] {
    return [&, name = fresh("alice@invited")](Request& call) {
      invite(call, world.author("alice"), Invited::device, name);
    };
  };
  const Maker invitation = [&] {
    return [&, email = fresh("mail")](Request& call) {
      invite_new(call, world.author("alice"), {"USER", email, random_uuid(), false}, as_bytes("x"));
    };
  };
  const Maker message = [&] {
    const bool given = ++number % 2 == 0;
    return world.realm_update_roles(
        "alice", realm_id, "bob", given ? std::optional<std::string_view>{"READER"} : std::nullopt,
        "message");
  };
  world.grant(realm_id, "bob", "OWNER");  // what `message` changes, whichever comes first
  const Maker realm = [&] {
    return [&, id = random_uuid()](Request& call) {
      realm_create(call, world.author("alice"), world.role(id, "alice", "OWNER"), as_bytes("x"));
    };
  };
  const Maker vlob = [&] { return world.vlob_create("alice", realm_id, random_uuid()); };
  const Maker vlob_version = [&] {
    return world.vlob_update("alice", realm_id, vlob_id, version + 1);
  };
  const Maker block = [&] {
    return [&, id = random_uuid()](Request& call) {
      block_create(call, world.author("alice"), realm_id, id, 1);
    };
  };
  const Maker block_data = [&] {
    return [&, id = random_uuid()](Request& call) {
      block_data_create(call, world.organization_id, id, as_bytes("x"));
    };
  };

  const struct {
    const char* table;
    Maker make;
  } rows[] = {
      {"organization", organization},
      {"organization", spontaneous},
      {"user_", user},
      {"human", user},
      {"device", user},
      {"device", device},
      {"user_invitation", invited_user},
      {"device_invitation", invited_device},
      {"invitation", invitation},
      {"message", message},
      {"realm_user_role", message},
      {"realm", realm},
      {"realm_user_role", realm},
      {"vlob_encryption_revision", realm},
      {"vlob_atom", vlob},
      {"realm_vlob_update", vlob},
      {"vlob_atom", vlob_version},
      {"realm_vlob_update", vlob_version},
      {"block", block},
      {"block_data", block_data},
  };
  std::set<std::string> covered;
  for (const auto& row : rows) {
    const std::string table = row.table;
    SCOPED_TRACE(table);
    covered.insert(table);
    EXPECT_EQ(world.sql.status(row.make()), "ok");
    if (table == "vlob_atom" || table == "realm_vlob_update") {
      version = world.sql.number("SELECT max(version) FROM public.vlob_atom WHERE vlob_id = '" +
                                 vlob_id.text() + "'");
    }
    const Sql::Fill fill = row.make();
    world.sql.run(set_back(table));
    EXPECT_EQ(world.sql.refusal(fill), "23505 " + table + "_pkey");
    // The failed attempt drew the number that was in the way.
    EXPECT_EQ(world.sql.status(fill), "ok");
    if (table == "vlob_atom" || table == "realm_vlob_update") {
      version = world.sql.number("SELECT max(version) FROM public.vlob_atom WHERE vlob_id = '" +
                                 vlob_id.text() + "'");
    }
  }
  EXPECT_THAT(id_tables, ::testing::UnorderedElementsAreArray(covered));
}

/// Far behind: no function looks for a number that is free, holding its realm meanwhile.
TEST(SequencesBehind, NothingIsTriedWhileARealmIsHeld) {
  World world;
  const auto realm_id = world.create_realm();
  for (int i = 0; i < 3; ++i) world.create_vlob(realm_id);
  world.sql.run("SELECT setval('public.realm_vlob_update__id_seq', 1, false)");
  world.sql.run(
      "INSERT INTO public.realm_vlob_update (_id, realm, index, vlob_atom)"
      " SELECT 1, realm, index + 1000, vlob_atom FROM public.realm_vlob_update"
      " WHERE NOT EXISTS (SELECT FROM public.realm_vlob_update WHERE _id = 1) LIMIT 1");
  EXPECT_EQ(world.sql.refusal(world.vlob_create("alice", realm_id, random_uuid())),
            "23505 realm_vlob_update_pkey");
  EXPECT_EQ(world.sql.number("SELECT last_value FROM public.realm_vlob_update__id_seq"), 1);
  world.sql.run(
      "SELECT setval('public.realm_vlob_update__id_seq',"
      " (SELECT max(_id) FROM public.realm_vlob_update))");
}

/// Through the driver: not tried again, as it would be were somebody faster, and said with its
/// cure.
TEST(SequencesBehind, AreAFailureAtOnce) {
  TestDatabase database{fresh_database()};
  const auto create = [&](std::string_view name) {
    return database.call(organization_create_function, 1, [name](Request& call) {
      organization_create(call, name, "token", std::nullopt);
    });
  };
  EXPECT_EQ(create("One").text, "ok");
  {
    auto connection = open_connection(database.database->connection_string());
    run_sql(connection, set_back("organization"));
  }
  const LogCapture log;
  const auto reply = create("Two");
  EXPECT_EQ(reply.outcome, Outcome::failed);
  EXPECT_EQ(reply.sqlstate, "23505");
  EXPECT_EQ(database.counter("retries"), 0U);
  EXPECT_THAT(log.text(), HasSubstr("The sequence public.organization__id_seq is behind"));
  EXPECT_EQ(create("Two").text, "ok");
  EXPECT_THAT(database.database->dump(), HasSubstr("database ids: most_used=public."));
}

}  // namespace
}  // namespace parsec::testing
