// db/sequences.cpp, and what stored functions do where a sequence is behind its table.
#include "db/sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "db/embedded_sql.h"
#include "db/extensions.h"
#include "db/functions/apiv1_invitation.h"
#include "db/functions/block.h"
#include "db/functions/device.h"
#include "db/functions/handshake.h"
#include "db/functions/invite.h"
#include "db/functions/organization.h"
#include "db/migrations.h"
#include "tests/db/database_fixture.h"
#include "tests/db/function_support.h"
#include "tests/support/log_capture.h"
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

/// The first block of SQL under that heading of db/README.md.
std::string documented_sql(const std::string& heading) {
  std::ifstream file{std::string{PARSEC_SOURCE_DIR} + "/db/README.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto begin = text.find("```sql\n", text.find(heading));
  const auto end = text.find("```", begin + 7);
  if (begin == text.npos || end == text.npos) {
    ADD_FAILURE() << "no SQL under " << heading;
    return {};
  }
  return text.substr(begin + 7, end - begin - 7);
}

TEST_F(Sequences, TheDocumentedStatementsAreThoseOfTheWarning) {
  for (const auto& sequence : read(connection)) {
    if (sequence.table != "public.vlob_atom") continue;
    std::string documented = documented_sql("## Ids");
    std::ranges::replace(documented, '\n', ' ');
    EXPECT_EQ(documented, sequence.widening + " ");
  }
  run_sql(connection, documented_sql("## Ids"));
  for (const auto& sequence : read(connection)) {
    if (sequence.table != "public.vlob_atom") continue;
    EXPECT_EQ(sequence.last, INT64_MAX);
    EXPECT_EQ(sequence.widening, "");
  }
}

/// Every function that writes, and those that read what was written; 'Org' and alice are new.
void use_all_functions(Connection& connection) {
  const std::string alice = "'Org', 'alice@dev', ";
  const std::string realm = "'00000000-0000-0000-0000-000000000001'";
  const std::string vlob = "'00000000-0000-0000-0000-000000000002'";
  const std::string token = "'00000000-0000-0000-0000-000000000003'";
  const std::string digest = "sha256('p')";
  const auto expect = [&](const std::string& call, const std::string& status = "ok") {
    EXPECT_EQ(run_sql(connection, "SELECT status FROM parsec_ext." + call), status) << call;
  };
  expect("organization_create('Org', 't', NULL)");
  expect(
      "organization_bootstrap('Org', 't', 'k', now(), 'alice', 'a@x', 'A', 'c', 'r',"
      " 'alice@dev', 'd', 'c', 'r', 'n')");
  expect("user_create(" + alice +
         "now(), 'bob', 'STANDARD', 'b@x', 'B', 'c', 'r', 'bob@dev', 'd',"
         " 'c', 'r', 'n')");
  expect("device_create(" + alice + "now(), 'alice@two', 'd', 'c', 'r', 'n', 'a')");
  expect("human_find(" + alice + "'%b%', false, false, 0, 10)");
  expect("user_get(" + alice + "'bob')");
  expect("realm_create(" + alice + realm + ", 'c', now(), 'n')");
  expect("realm_update_roles(" + alice + realm + ", 'bob', 'READER', 'c', now(), 'm', 'n', 'n')");
  expect("message_get('Org', 'bob@dev', 0, 1000)");
  expect("vlob_create(" + alice + realm + ", 1, " + vlob + ", now(), 'b', 'n', false)");
  for (int version = 2; version <= 130; ++version) {  // over a mark of the sizes
    expect("vlob_update(" + alice + realm + ", 1, " + vlob + ", " + std::to_string(version) +
           ", now(), 'b', 'n')");
  }
  expect("vlob_read(" + alice + "1, " + vlob + ", NULL, NULL)");
  expect("vlob_list_versions(" + alice + vlob + ")");
  expect("vlob_poll_changes(" + alice + realm + ", 0)");
  for (int i = 0; i < 70; ++i) {
    expect("block_create(" + alice + realm + ", gen_random_uuid(), 1, false)");
  }
  expect("block_data_create('Org', gen_random_uuid(), 'data')");
  expect("realm_stats(" + alice + realm + ")");
  EXPECT_EQ(run_sql(connection,
                    "SELECT blocks_size || ' ' || vlobs_size FROM"
                    " parsec_ext.realm_stats(" +
                        alice + realm + ")"),
            "70 130");
  for (int i = 0; i < 70; ++i) {  // over a mark of the messages
    expect("realm_update_roles(" + alice + realm + ", 'bob', " +
           (i % 2 == 0 ? "'MANAGER'" : "'READER'") + ", 'c', now(), 'm', 'n', 'n')");
  }
  EXPECT_EQ(run_sql(connection,
                    "SELECT max(count) FROM parsec_ext.message_get('Org', 'bob@dev', 0, 100000)"),
            "71");
  expect("realm_start_reencryption_maintenance(" + alice + realm +
         ", 2, now(), '{alice, bob}',"
         " '{m, m}', 'n', '{n, n}')");
  expect("vlob_maintenance_get_reencryption_batch(" + alice + realm + ", 2, 1000, 100000)");
  run_sql(connection, "SELECT parsec_ext.vlob_maintenance_save_reencryption_batch(" + alice +
                          realm +
                          ", 2, array_agg(vlob_id), array_agg(version::bigint), array_agg(blob))"
                          " FROM public.vlob_atom");
  expect("realm_finish_reencryption_maintenance(" + alice + realm + ", 2, 'n')");
  expect("invite_new(" + alice + "'DEVICE', NULL, " + token + ", false, 'n')");
  expect("conduit_talk(" + alice + token + ", '1_WAIT_PEERS', 'p', 'n')");
  expect("conduit_talk('Org', NULL, " + token + ", '1_WAIT_PEERS', 'p', 'n')");
  expect("conduit_listen(" + alice + token + ", '1_WAIT_PEERS', " + digest + ", NULL, 'n')");
  expect("invite_delete(" + alice + token + ", 'FINISHED', 'n')");
  expect("user_invite(" + alice + "'zed')");
  expect("device_invite(" + alice + "'alice@three')");
  expect("user_get_invitation_creator('Org', 'zed')");
  expect("user_realms('Org', 'bob')");
  expect("user_revoke(" + alice + "'bob', now(), 'c', 'n')");
  expect("await_writes('Org', 'bob')");
  expect("organization_stats('Org')");
}

TEST_F(Sequences, BeyondIntegersAllFunctionsWork) {
  for (const auto& sequence : read(connection)) {
    SCOPED_TRACE(sequence.name);
    run_sql(connection, sequence.widening);
    run_sql(connection, "SELECT setval('" + sequence.name + "', 3000000000)");
  }
  for (const auto& sequence : read(connection)) {
    EXPECT_EQ(sequence.last, INT64_MAX);
    EXPECT_EQ(sequence.next, 3000000001);
  }
  EXPECT_THAT(ids_warnings(read(connection)), IsEmpty());
  use_all_functions(connection);
  EXPECT_EQ(sequences_refusal(read(connection)), "");
}

// A session keeps the plans and types of its functions while the tables are altered.
TEST_F(Sequences, AreWidenedUnderASessionAtWork) {
  use_all_functions(connection);
  Connection other = open_connection(conninfo);
  for (const auto& sequence : read(other)) run_sql(other, sequence.widening);
  run_sql(other, "TRUNCATE public.organization, public.block_data CASCADE");
  for (const auto& sequence : read(other)) {
    run_sql(other, "SELECT setval('" + sequence.name + "', 3000000000)");
  }
  use_all_functions(connection);
}

TEST_F(Sequences, HelperTablesOfEarlierVersionsAreWidened) {
  const std::string narrow =
      "SELECT count(*) FROM pg_attribute WHERE atttypid = 'integer'::regtype AND attnum > 0"
      " AND attname <> 'version' AND attrelid IN (SELECT oid FROM pg_class"
      "  WHERE relnamespace = 'parsec_ext'::regnamespace AND relkind = 'r')";
  EXPECT_EQ(run_sql(connection, narrow), "0");
  run_sql(connection,
          "ALTER TABLE parsec_ext.realm_vlobs_size ALTER realm TYPE integer,"
          " ALTER index TYPE integer;"
          "ALTER TABLE parsec_ext.realm_blocks_size ALTER realm TYPE integer,"
          " ALTER block TYPE integer;"
          "ALTER TABLE parsec_ext.message_mark ALTER recipient TYPE integer,"
          " ALTER message TYPE integer;"
          "ALTER TABLE parsec_ext.reencryption ALTER revision TYPE integer;"
          "ALTER TABLE parsec_ext.conduit_met ALTER invitation TYPE integer;"
          "INSERT INTO parsec_ext.conduit_met VALUES (7, 'a', 'b');"
          "UPDATE parsec_ext.installation SET fingerprint = 'of an earlier version'");
  EXPECT_EQ(run_sql(connection, narrow), "8");
  EXPECT_EQ(install_extensions(connection), true);
  EXPECT_EQ(run_sql(connection, narrow), "0");
  EXPECT_EQ(run_sql(connection, "SELECT invitation FROM parsec_ext.conduit_met"), "7");
}

}  // namespace
}  // namespace parsec::testing
