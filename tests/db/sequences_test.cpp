// db/sequences.cpp, and what stored functions do where a sequence is behind its table.
#include "db/sequences.h"

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
#include "db/migrations.h"
#include "tests/db/function_support.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {
namespace {

using namespace db;
using namespace db::functions;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> tables{
    "block",
    "block_data",
    "device",
    "device_invitation",
    "human",
    "invitation",
    "message",
    "organization",
    "realm",
    "realm_user_role",
    "realm_vlob_update",
    "user_",
    "user_invitation",
    "vlob_atom",
    "vlob_encryption_revision",
};

/// The sequence goes on with the newest id that is there.
std::string set_back(const std::string& table) {
  return "SELECT setval('public." + table + "__id_seq', (SELECT max(_id) FROM public." + table +
         "), false)";
}

// --- Functions

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
  EXPECT_THAT(tables, ::testing::UnorderedElementsAreArray(covered));
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

// --- The check and the repair

class Sequences : public ::testing::Test {
 protected:
  /// One row in each table, with the id 5.
  static void fill(Connection& connection) {
    for (const std::string& table : tables) {
      run_sql(connection, "ALTER TABLE public." + table + " DISABLE TRIGGER ALL");
    }
    run_sql(connection,
            "DO $$ DECLARE t text; c text; v text; BEGIN"
            " FOR t IN SELECT unnest('{" +
                joined() +
                "}'::text[]) LOOP"
                "  SELECT string_agg(quote_ident(attname), ', '),"
                "   string_agg(CASE WHEN attname = '_id' THEN '5'"
                "    WHEN atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'"
                "    WHEN atttypid = 'timestamptz'::regtype THEN 'now()'"
                "    WHEN atttypid = 'invitation_type'::regtype THEN '''USER'''"
                "    ELSE '''1''' END, ', ')"
                "  INTO c, v FROM pg_attribute WHERE attrelid = ('public.' || t)::regclass"
                "  AND attnum > 0 AND (attnotnull AND NOT atthasdef OR attname = '_id');"
                "  EXECUTE format('INSERT INTO public.%I (%s) VALUES (%s)', t, c, v);"
                "  PERFORM setval(pg_get_serial_sequence('public.' || t, '_id'), 5);"
                " END LOOP; END $$");
  }
  static std::string joined() {
    std::string text;
    for (const std::string& table : tables) text += (text.empty() ? "" : ",") + table;
    return text;
  }
  static std::vector<IdSequence> read(Connection& connection) {
    auto sequences = read_id_sequences(connection);
    if (!sequences) {
      ADD_FAILURE() << sequences.error().message;
      return {};
    }
    return *sequences;
  }
  /// Names of those that are behind.
  static std::vector<std::string> behind(Connection& connection) {
    std::vector<std::string> names;
    for (const auto& sequence : read(connection)) {
      if (sequence.is_behind()) names.push_back(sequence.name);
    }
    return names;
  }

  const std::string conninfo = fresh_database();
  Connection connection = open_connection(conninfo);
};

TEST_F(Sequences, OfAllTables) {
  std::vector<std::string> found;
  for (const auto& sequence : read(connection)) {
    found.push_back(sequence.table);
    EXPECT_EQ(sequence.name, sequence.table + "__id_seq");
    EXPECT_EQ(sequence.next, 1);
    EXPECT_EQ(sequence.taken, 0);
    EXPECT_EQ(sequence.last, 2147483647);
  }
  std::vector<std::string> expected;
  for (const std::string& table : tables) expected.push_back("public." + table);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(sequences_refusal(read(connection)), "");
  EXPECT_THAT(ids_warnings(read(connection)), IsEmpty());
}

TEST_F(Sequences, EachIsSeenBehindAndRepaired) {
  fill(connection);
  ASSERT_THAT(behind(connection), IsEmpty());
  for (const std::string& table : tables) {
    SCOPED_TRACE(table);
    const std::string name = "public." + table + "__id_seq";
    for (const std::string state : {"1, false", "4", "5, false"}) {
      run_sql(connection, "SELECT setval('" + name + "', " + state + ")");
      EXPECT_EQ(behind(connection), std::vector{name}) << state;
      const std::string refusal = sequences_refusal(read(connection));
      EXPECT_THAT(refusal, HasSubstr("`parsec backend migrate`"));
      EXPECT_THAT(refusal, HasSubstr("SELECT setval('" + name + "', (SELECT max(_id) FROM public." +
                                     table + "));"));

      const auto dry = migrate(connection, {.dry_run = true});
      EXPECT_TRUE(dry.ok()) << dry.error;
      ASSERT_EQ(dry.sequences.size(), 1U);
      EXPECT_EQ(dry.sequences[0].name, name);
      EXPECT_FALSE(dry.sequences[0].repaired);
      EXPECT_EQ(behind(connection), std::vector{name});

      const auto report = migrate(connection, {});
      EXPECT_TRUE(report.ok()) << report.error;
      ASSERT_EQ(report.sequences.size(), 1U);
      EXPECT_EQ(report.sequences[0].name, name);
      EXPECT_EQ(report.sequences[0].taken, 5);
      EXPECT_TRUE(report.sequences[0].repaired);
      EXPECT_THAT(behind(connection), IsEmpty());
      EXPECT_EQ(run_sql(connection, "SELECT nextval('" + name + "')"), "6");
    }
    run_sql(connection, "SELECT setval('" + name + "', 5)");
    EXPECT_THAT(migrate(connection, {}).sequences, IsEmpty());
  }
}

TEST_F(Sequences, OneThatIsAheadStaysThere) {
  fill(connection);
  run_sql(connection, "SELECT setval('public.block__id_seq', 1)");
  auto sequences = read(connection);
  run_sql(connection, "SELECT setval('public.block__id_seq', 900)");  // by somebody else, meanwhile
  EXPECT_EQ(repair_id_sequence(connection, sequences[0]), false);
  EXPECT_EQ(run_sql(connection, "SELECT nextval('public.block__id_seq')"), "901");
}

TEST_F(Sequences, OfOtherFormsAreFoundAsWell) {
  fill(connection);
  // A default that names a sequence of nobody, as migration services leave it; an identity.
  run_sql(connection,
          "ALTER SEQUENCE public.block__id_seq OWNED BY NONE;"
          "ALTER TABLE public.message ALTER COLUMN _id DROP DEFAULT;"
          "DROP SEQUENCE public.message__id_seq;"
          "ALTER TABLE public.message ALTER COLUMN _id ADD GENERATED BY DEFAULT AS IDENTITY;"
          "SELECT setval('public.block__id_seq', 2)");
  EXPECT_EQ(behind(connection),
            (std::vector<std::string>{"public.block__id_seq", "public.message__id_seq"}));
  EXPECT_EQ(migrate(connection, {}).sequences.size(), 2U);
  EXPECT_THAT(behind(connection), IsEmpty());
}

TEST_F(Sequences, ARoleThatMayOnlyUseThemSees) {
  fill(connection);
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE counter; EXCEPTION WHEN duplicate_object THEN END $$;"
          "GRANT SELECT ON ALL TABLES IN SCHEMA public TO counter;"
          "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO counter;"
          "REVOKE SELECT ON ALL SEQUENCES IN SCHEMA public FROM counter;"
          "SELECT setval('public.block__id_seq', 2);"
          "SELECT setval('public.device__id_seq', 1, false);"
          "SET ROLE counter");
  EXPECT_EQ(behind(connection),
            (std::vector<std::string>{"public.block__id_seq", "public.device__id_seq"}));
}

// --- The end of the ids

TEST_F(Sequences, TheEndIsToldFromHalfOn) {
  run_sql(connection, "SELECT setval('public.vlob_atom__id_seq', 1073741822)");
  EXPECT_THAT(ids_warnings(read(connection)), IsEmpty());
  run_sql(connection, "SELECT setval('public.vlob_atom__id_seq', 1073741824)");
  const auto warnings = ids_warnings(read(connection));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("50 % of the ids of public.vlob_atom are used"));
  EXPECT_THAT(warnings[0],
              HasSubstr("ALTER TABLE public.vlob_atom ALTER COLUMN _id TYPE bigint; "
                        "ALTER TABLE public.realm_vlob_update ALTER COLUMN vlob_atom TYPE bigint; "
                        "ALTER SEQUENCE public.vlob_atom__id_seq AS bigint;"));
  EXPECT_THAT(ids_summary(read(connection)), HasSubstr("most_used=public.vlob_atom used=50.0"));
}

}  // namespace
}  // namespace parsec::testing
