// The schema against the contract's table, and every way to get there.
#include "db/schema/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "db/schema/embedded_sql.h"
#include "db/schema/extensions.h"
#include "tests/support/private_postgres.h"
#include "tests/support/source_tree.h"

namespace parsec::db {
namespace {

using testing::empty_database;
using ::testing::HasSubstr;
using testing::open_connection;
using testing::run_sql;
using State = MigrationResult::State;

/// Storage contract §1 in its own words, columns in the order they stand in the tables.
struct Table {
  std::string_view name, columns;
};
constexpr Table contract[] = {
    {"organization",
     "organization_id VARCHAR(32) NN; bootstrap_token TEXT NN; root_verify_key BYTEA; "
     "expiration_date TIMESTAMPTZ; UNIQUE(organization_id)"},
    {"human",
     "organization -> organization NN; email VARCHAR(254) NN; label VARCHAR(254) NN; "
     "UNIQUE(organization, email)"},
    {"user_",
     "organization -> organization NN; user_id VARCHAR(32) NN; user_certificate BYTEA NN; "
     "user_certifier -> device; created_on TIMESTAMPTZ NN; revoked_on TIMESTAMPTZ; "
     "revoked_user_certificate BYTEA; revoked_user_certifier -> device; human -> human; "
     "redacted_user_certificate BYTEA NN; profile user_profile; UNIQUE(organization, user_id)"},
    {"device",
     "organization -> organization NN; user_ -> user_ NN; device_id VARCHAR(65) NN; "
     "device_certificate BYTEA NN; device_certifier -> device; created_on TIMESTAMPTZ NN; "
     "redacted_device_certificate BYTEA NN; device_label VARCHAR(254); "
     "UNIQUE(organization, device_id); UNIQUE(user_, device_id)"},
    {"user_invitation",
     "organization -> organization NN; user_id VARCHAR(32) NN; creator -> device NN; "
     "created_on TIMESTAMPTZ NN; UNIQUE(organization, user_id)"},
    {"device_invitation",
     "organization -> organization NN; device_id VARCHAR(65) NN; creator -> device NN; "
     "created_on TIMESTAMPTZ NN; UNIQUE(organization, device_id)"},
    {"invitation",
     "organization -> organization NN; token UUID NN; type invitation_type NN; "
     "greeter -> user_ NN; claimer_email VARCHAR(255); created_on TIMESTAMPTZ NN; "
     "deleted_on TIMESTAMPTZ; deleted_reason invitation_deleted_reason; "
     "conduit_state invitation_conduit_state NN DEFAULT '1_WAIT_PEERS'; "
     "conduit_greeter_payload BYTEA; conduit_claimer_payload BYTEA; UNIQUE(organization, token)"},
    {"message",
     "organization -> organization NN; recipient -> user_ NN; timestamp TIMESTAMPTZ NN; "
     "index INTEGER NN; sender -> device NN; body BYTEA NN"},
    {"realm",
     "organization -> organization NN; realm_id UUID NN; encryption_revision INTEGER NN; "
     "maintenance_started_by -> device; maintenance_started_on TIMESTAMPTZ; "
     "maintenance_type maintenance_type; UNIQUE(organization, realm_id)"},
    {"realm_user_role",
     "realm -> realm NN; user_ -> user_ NN; role realm_role; certificate BYTEA NN; "
     "certified_by -> device NN; certified_on TIMESTAMPTZ NN"},
    {"vlob_encryption_revision",
     "realm -> realm; encryption_revision INTEGER NN; UNIQUE(realm, encryption_revision)"},
    {"vlob_atom",
     "organization -> organization NN; vlob_encryption_revision -> vlob_encryption_revision NN; "
     "vlob_id UUID NN; version INTEGER NN; blob BYTEA NN; size INTEGER NN; author -> device NN; "
     "created_on TIMESTAMPTZ NN; deleted_on TIMESTAMPTZ; "
     "UNIQUE(vlob_encryption_revision, vlob_id, version)"},
    {"realm_vlob_update",
     "realm -> realm NN; index INTEGER NN; vlob_atom -> vlob_atom NN; UNIQUE(realm, index)"},
    {"block",
     "organization -> organization NN; block_id UUID NN; realm -> realm NN; author -> device NN; "
     "size INTEGER NN; created_on TIMESTAMPTZ NN; deleted_on TIMESTAMPTZ; "
     "UNIQUE(organization, block_id)"},
    {"block_data",
     "organization_id VARCHAR NN; block_id UUID NN; data BYTEA NN; "
     "UNIQUE(organization_id, block_id)"},
};

/// What the contract says of a table, spelled as PostgreSQL does, one line for each thing.
std::vector<std::string> expected_lines(const Table& table) {
  std::vector<std::string> columns{"_id integer not null"};
  std::vector<std::string> keys{"primary key (_id)"};
  std::istringstream items{std::string{table.columns}};
  for (std::string item; std::getline(items, item, ';');) {
    item = std::regex_replace(item, std::regex("^ +"), "");
    std::smatch match;
    if (std::regex_match(item, match, std::regex("UNIQUE\\((.*)\\)"))) {
      keys.push_back("unique (" + match[1].str() + ")");
      continue;
    }
    std::regex_match(item, match,
                     std::regex("(\\w+) (?:-> (\\w+)|([\\w()]+))( NN)?(?: DEFAULT '(.*)')?"));
    std::string type = match[2].matched ? "integer" : match[3].str();
    type = std::regex_replace(type, std::regex("^VARCHAR"), "character varying");
    type = std::regex_replace(type, std::regex("^TIMESTAMPTZ"), "timestamp with time zone");
    for (char& c : type) c = static_cast<char>(std::tolower(c));
    columns.push_back(match[1].str() + " " + type + (match[4].matched ? " not null" : "") +
                      (match[5].matched ? " default " + match[5].str() : ""));
    if (match[2].matched) keys.push_back(match[1].str() + " references " + match[2].str());
  }
  std::ranges::sort(keys);
  columns.insert(columns.end(), keys.begin(), keys.end());
  return columns;
}

std::vector<std::string> lines(Connection& connection, const std::string& sql) {
  std::vector<std::string> result;
  const auto rows = connection.execute(sql);
  EXPECT_TRUE(rows) << rows.error().message;
  for (int row = 0; rows && row < row_count(*rows); ++row) {
    result.emplace_back(field(*rows, row, 0));
  }
  return result;
}

std::vector<std::string> actual_lines(Connection& connection, std::string_view table) {
  const std::string name = "'public." + std::string{table} + "'::regclass";
  auto result =
      lines(connection,
            "SELECT attname || ' ' || format_type(atttypid, atttypmod)"
            " || CASE WHEN attnotnull THEN ' not null' ELSE '' END"
            " || CASE WHEN adbin IS NULL OR attname = '_id' THEN ''"
            "  ELSE ' default ' || split_part(pg_get_expr(adbin, adrelid), '''', 2) END"
            " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
            " WHERE attrelid = " +
                name + " AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
  auto keys = lines(connection,
                    "SELECT CASE contype WHEN 'p' THEN 'primary key (' || columns || ')'"
                    " WHEN 'u' THEN 'unique (' || columns || ')'"
                    " ELSE columns || ' references ' || confrelid::regclass::text END FROM ("
                    "  SELECT *, (SELECT string_agg(attname, ', ' ORDER BY place)"
                    "   FROM unnest(conkey) WITH ORDINALITY AS k (number, place), pg_attribute"
                    "   WHERE attrelid = conrelid AND attnum = number) AS columns"
                    "  FROM pg_constraint WHERE conrelid = " +
                        name + ") AS c");
  std::ranges::sort(keys);
  result.insert(result.end(), keys.begin(), keys.end());
  return result;
}

/// Everything in `public` as text: what must not depend on the way it came about.
std::vector<std::string> snapshot(Connection& connection) {
  std::vector<std::string> all =
      lines(connection,
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " ORDER BY 1");
  for (const Table& table : contract) {
    for (auto& line : actual_lines(connection, table.name)) {
      all.push_back(std::string{table.name} + ": " + line);
    }
  }
  for (const char* sql :
       {"SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT typname || ' ' || string_agg(enumlabel, ',' ORDER BY enumsortorder)"
        " FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid GROUP BY typname ORDER BY 1",
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT sequencename || ' ' || data_type || ' ' || start_value || ' ' || increment_by"
        " FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1",
        "SELECT _id || ' ' || name FROM migration ORDER BY _id"}) {
    for (auto& line : lines(connection, sql)) all.push_back(std::move(line));
  }
  return all;
}

std::vector<State> states(const MigrationReport& report) {
  std::vector<State> result;
  for (const auto& migration : report.migrations) result.push_back(migration.state);
  return result;
}

/// An empty database with the migrations up to that number.
Connection database_at(int number) {
  Connection connection = open_connection(empty_database());
  for (const SqlFile& file : migration_sql) {
    const int own = std::atoi(std::string{file.name}.c_str());
    if (own > number) break;
    run_sql(connection, std::string{file.text});
    if (own < 2) continue;
    run_sql(connection, "INSERT INTO migration VALUES (" + std::to_string(own) + ", '" +
                            std::string{file.name.substr(2)} + "', now())");
  }
  return connection;
}

/// The dump of a deployment of the Python server (tests/data/README.md).
std::string existing_deployment() {
  std::ifstream file(testing::source_path("tests/data/existing_deployment.sql"));
  std::string text;
  for (std::string line; std::getline(file, line);) {
    // psql's own commands; and the schema comes with the database already.
    if (line.starts_with("\\")) continue;
    text += line + "\n";
  }
  return text;
}

const std::vector<std::string>& reference_snapshot() {
  static const auto reference = [] {
    Connection connection = open_connection(empty_database());
    EXPECT_TRUE(migrate(connection, {}).ok());
    return snapshot(connection);
  }();
  return reference;
}

// ---------------------------------------------------------------------------------------------

TEST(Migrations, AnEmptyDatabaseBecomesTheContract) {
  Connection connection = open_connection(empty_database());
  const auto report = migrate(connection, {});
  ASSERT_TRUE(report.ok()) << report.error;
  EXPECT_EQ(states(report), std::vector<State>(5, State::applied));
  for (const Table& table : contract) {
    EXPECT_EQ(actual_lines(connection, table.name), expected_lines(table)) << table.name;
  }
  const auto tables =
      lines(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
  EXPECT_EQ(tables.size(), std::size(contract) + 1);  // and `migration`
}

TEST(Migrations, Enums) {
  Connection connection = open_connection(testing::private_database());
  const std::map<std::string, std::string> enums{
      {"maintenance_type", "REENCRYPTION,GARBAGE_COLLECTION"},
      {"realm_role", "OWNER,MANAGER,CONTRIBUTOR,READER"},
      {"invitation_type", "USER,DEVICE"},
      {"invitation_deleted_reason", "FINISHED,CANCELLED,ROTTEN"},
      {"user_profile", "ADMIN,STANDARD,OUTSIDER"},
      {"invitation_conduit_state",
       "1_WAIT_PEERS,2_1_CLAIMER_HASHED_NONCE,2_2_GREETER_NONCE,2_3_CLAIMER_NONCE,"
       "3_1_CLAIMER_TRUST,3_2_GREETER_TRUST,4_COMMUNICATE"},
  };
  for (const auto& [name, labels] : enums) {
    EXPECT_EQ(run_sql(connection,
                      "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder)"
                      " FROM pg_enum WHERE enumtypid = 'public." +
                          name + "'::regtype"),
              labels);
  }
}

TEST(Migrations, TheBookkeepingIsWhatOthersExpect) {
  Connection connection = open_connection(testing::private_database());
  EXPECT_EQ(run_sql(connection,
                    "SELECT string_agg(_id || ' ' || name, ',' ORDER BY _id)"
                    " FROM migration WHERE applied <= now()"),
            "2 add_migration_table,3 human_handle,4 invite,5 redacted_certificates");
  EXPECT_EQ(
      actual_lines(connection, "migration"),
      (std::vector<std::string>{"_id integer not null", "name character varying(256) not null",
                                "applied timestamp with time zone not null", "primary key (_id)",
                                "unique (name)"}));
}

TEST(Migrations, EveryBeginningLeadsToTheSameEnd) {
  for (int number = 1; number <= 5; ++number) {
    Connection connection = database_at(number);
    EXPECT_EQ(schema_number(connection), number);
    EXPECT_EQ(schema_refusal(number, false).empty(), number == 5);
    const auto report = migrate(connection, {});
    ASSERT_TRUE(report.ok()) << report.error;
    std::vector<State> expected(static_cast<std::size_t>(number), State::already_applied);
    expected.resize(5, State::applied);
    EXPECT_EQ(states(report), expected);
    EXPECT_EQ(snapshot(connection), reference_snapshot()) << number;
    EXPECT_EQ(states(migrate(connection, {})), std::vector<State>(5, State::already_applied));
  }
}

TEST(Migrations, AnExistingDeploymentHasTheSameSchema) {
  const std::string dump = existing_deployment();
  Connection connection = open_connection(empty_database());
  run_sql(connection, dump);
  run_sql(connection, "SET search_path TO public");  // the dump changes it
  EXPECT_EQ(schema_number(connection), 5);
  const std::string users = run_sql(connection, "SELECT count(*) FROM public.user_");
  const auto report = migrate(connection, {});
  ASSERT_TRUE(report.ok()) << report.error;
  EXPECT_EQ(states(report), std::vector<State>(5, State::already_applied));
  EXPECT_EQ(snapshot(connection), reference_snapshot());
  EXPECT_EQ(run_sql(connection, "SELECT count(*) FROM public.user_"), users);
}

TEST(Migrations, TheFifthConvertsWhatIsThere) {
  Connection connection = database_at(4);
  run_sql(connection,
          "INSERT INTO organization (organization_id, bootstrap_token) VALUES ('o', 't');"
          "INSERT INTO user_ (organization, user_id, is_admin, user_certificate, created_on)"
          " VALUES (1, 'a', true, 'A', now()), (1, 'b', false, 'B', now());"
          "INSERT INTO device (organization, user_, device_id, device_certificate, created_on)"
          " VALUES (1, 1, 'a@d', 'D', now())");
  ASSERT_TRUE(migrate(connection, {}).ok());
  EXPECT_EQ(run_sql(connection,
                    "SELECT string_agg(user_id || profile ||"
                    " encode(redacted_user_certificate, 'escape'), ',' ORDER BY _id) FROM user_"),
            "aADMINA,bSTANDARDB");
  EXPECT_EQ(run_sql(connection, "SELECT encode(redacted_device_certificate, 'escape') FROM device"),
            "D");
}

TEST(Migrations, ADryRunChangesNothing) {
  Connection connection = database_at(3);
  const auto report = migrate(connection, {.dry_run = true});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(states(report),
            (std::vector<State>{State::already_applied, State::already_applied,
                                State::already_applied, State::would_apply, State::would_apply}));
  EXPECT_EQ(report.migrations[3].name, "invite");
  EXPECT_EQ(schema_number(connection), 3);
  EXPECT_EQ(run_sql(connection, "SELECT to_regnamespace('parsec_ext')"), "");
}

TEST(Migrations, ANewerDatabaseIsRefused) {
  Connection connection = database_at(5);
  run_sql(connection, "INSERT INTO migration VALUES (6, 'something_new', now())");
  EXPECT_THAT(migrate(connection, {}).error, HasSubstr("newer than this program"));
  EXPECT_THAT(schema_refusal(6, false), HasSubstr("newer than this program"));
  EXPECT_EQ(schema_refusal(6, true), "");
  EXPECT_TRUE(migrate(connection, {.allow_newer = true}).ok());
}

TEST(Migrations, AnOldDatabaseSaysWhatToRun) {
  for (const int number : {0, 1, 4}) {
    EXPECT_THAT(schema_refusal(number, true), HasSubstr("parsec backend migrate"));
  }
}

TEST(Migrations, AFailureIsRolledBackAndReported) {
  Connection connection = database_at(3);
  run_sql(connection, "CREATE TABLE invitation (x integer)");
  const auto report = migrate(connection, {});
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.migrations.size(), 4U);
  EXPECT_EQ(report.migrations[3].state, State::failed);
  EXPECT_THAT(report.migrations[3].message, HasSubstr("already exists"));
  EXPECT_EQ(schema_number(connection), 3);
  EXPECT_EQ(run_sql(connection, "SELECT to_regtype('invitation_type')"), "");
}

TEST(Migrations, ManyAtOnceDoNotTrip) {
  const std::string conninfo = empty_database();
  std::vector<MigrationReport> reports(6);
  std::vector<std::thread> threads;
  for (auto& report : reports) {
    threads.emplace_back([&] {
      Connection connection = open_connection(conninfo);
      report = migrate(connection, {});
    });
  }
  for (auto& thread : threads) thread.join();
  std::size_t applied = 0;
  for (const auto& report : reports) {
    EXPECT_TRUE(report.ok()) << report.error << report.migrations.back().message;
    for (const State state : states(report)) applied += state == State::applied;
  }
  EXPECT_EQ(applied, 5U);
  Connection connection = open_connection(conninfo);
  EXPECT_EQ(snapshot(connection), reference_snapshot());
}

// --- Extensions ------------------------------------------------------------------------------

std::string functions_in(Connection& connection, const std::string& schema) {
  return run_sql(connection, "SELECT count(*) FROM pg_proc WHERE pronamespace = '" + schema +
                                 "'::regnamespace");
}

TEST(Extensions, AreInstalledOnce) {
  Connection connection = database_at(5);
  EXPECT_EQ(install_extensions(connection), true);
  EXPECT_EQ(install_extensions(connection), false);
  EXPECT_EQ(run_sql(connection, "SELECT schema FROM parsec_ext.functions"), functions_schema());
  EXPECT_NE(functions_in(connection, functions_schema()), "0");
  EXPECT_EQ(functions_in(connection, "parsec_ext"), "0");
  EXPECT_EQ(run_sql(connection,
                    "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"),
            "0");
  EXPECT_NE(run_sql(connection,
                    "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"
                    " AND indexname LIKE 'parsec\\_ext\\_%'"),
            "0");
}

TEST(Extensions, AreInstalledWhateverTheEncoding) {
  const std::string conninfo = empty_database();
  const std::string name = conninfo.substr(conninfo.find("dbname=") + 7);
  const std::string database = name.substr(0, name.find(' '));
  Connection admin = open_connection(testing::private_cluster().conninfo("postgres"));
  for (const std::string encoding : {"LATIN1", "SQL_ASCII"}) {
    run_sql(admin, "DROP DATABASE " + database);
    run_sql(admin, "CREATE DATABASE " + database + " TEMPLATE template0 LOCALE 'C' ENCODING '" +
                       encoding + "'");
    Connection connection = open_connection(conninfo);
    const auto report = migrate(connection, {});
    EXPECT_TRUE(report.ok()) << encoding << ": " << report.error;
  }
}

TEST(Extensions, WhatWasNotInstalledWholeIsInstalledAnew) {
  Connection connection = database_at(5);
  ASSERT_EQ(install_extensions(connection), true);
  const std::string count = functions_in(connection, functions_schema());
  run_sql(connection,
          "DROP FUNCTION parsec_functions.author CASCADE;"
          "DELETE FROM parsec_ext.functions");
  EXPECT_EQ(install_extensions(connection), true);
  EXPECT_EQ(functions_in(connection, functions_schema()), count);
  run_sql(connection, "DROP SCHEMA " + functions_schema() + " CASCADE");
  EXPECT_EQ(install_extensions(connection), true);
  EXPECT_EQ(functions_in(connection, functions_schema()), count);
}

// --- Versions side by side -------------------------------------------------------------------

/// As another version leaves its functions, used so long ago.
void install_other_version(Connection& connection, const std::string& schema,
                           const std::string& used) {
  run_sql(connection, "CREATE SCHEMA " + schema + ";CREATE FUNCTION " + schema +
                          ".ping() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                          "INSERT INTO parsec_ext.functions (schema, used) VALUES ('" +
                          schema + "', now() - interval '" + used + "')");
}

TEST(Extensions, FunctionsOfOtherVersionsStayWhileTheyAreUsed) {
  Connection connection = database_at(5);
  ASSERT_EQ(install_extensions(connection), true);
  install_other_version(connection, "parsec_functions_0000000000000001", "23 hours");
  install_other_version(connection, "parsec_functions_0000000000000002", "25 hours");
  const std::vector<std::string> unused{"parsec_functions_0000000000000002"};

  EXPECT_EQ(migrate(connection, {.dry_run = true}).unused_functions, unused);
  EXPECT_EQ(functions_in(connection, unused[0]), "1") << "a dry run";
  EXPECT_EQ(migrate(connection, {}).unused_functions, unused);
  EXPECT_EQ(run_sql(connection, "SELECT to_regnamespace('" + unused[0] + "')"), "");
  EXPECT_EQ(run_sql(connection, "SELECT parsec_functions_0000000000000001.ping()"), "1");
  EXPECT_EQ(migrate(connection, {}).unused_functions, std::vector<std::string>{});
  EXPECT_EQ(run_sql(connection, "SELECT count(*) FROM parsec_ext.functions"), "2");
}

TEST(Extensions, AServerNotesThatItUsesItsFunctions) {
  Connection connection = database_at(5);
  ASSERT_EQ(install_extensions(connection), true);
  run_sql(connection, "UPDATE parsec_ext.functions SET used = now() - interval '2 days'");
  ASSERT_TRUE(note_functions_used(connection));
  EXPECT_EQ(
      run_sql(connection, "SELECT used > now() - interval '1 minute' FROM parsec_ext.functions"),
      "t");
}

// A version before there was a schema for each of them has its functions in parsec_ext.
TEST(Extensions, UnversionedFunctionsGoWhenNoServerIsConnected) {
  const std::string conninfo = empty_database();
  Connection connection = testing::open_connection(conninfo);
  ASSERT_TRUE(migrate(connection, {}).ok());
  run_sql(connection, "CREATE FUNCTION parsec_ext.ping() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  {
    const auto server = Connection::open({conninfo, "parsec", {}});
    ASSERT_TRUE(server);
    EXPECT_EQ(migrate(connection, {}).unused_functions, std::vector<std::string>{});
  }
  // Its backend ends a moment after it left.
  while (run_sql(connection,
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parsec'"
                 " AND datname = current_database()") != "0") {
  }
  EXPECT_EQ(migrate(connection, {}).unused_functions, std::vector<std::string>{"parsec_ext"});
  EXPECT_EQ(functions_in(connection, "parsec_ext"), "0");
  EXPECT_NE(run_sql(connection, "SELECT to_regclass('parsec_ext.message_mark')"), "");
}

TEST(Extensions, RemovalLeavesTheContract) {
  Connection connection = database_at(5);
  const auto before = snapshot(connection);
  ASSERT_EQ(install_extensions(connection), true);
  EXPECT_NE(snapshot(connection), before);
  ASSERT_TRUE(remove_extensions(connection));
  EXPECT_EQ(snapshot(connection), before);
  EXPECT_EQ(run_sql(connection, "SELECT to_regnamespace('parsec_ext')"), "");
  EXPECT_EQ(install_extensions(connection), true);
}

TEST(Extensions, ARoleWithoutRightsIsToldWhatToDo) {
  Connection connection = database_at(5);
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE visitor; EXCEPTION WHEN duplicate_object THEN END $$");
  run_sql(connection, "SET ROLE visitor");
  const auto refused = install_extensions(connection);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("parsec backend migrate"));
  EXPECT_THAT(refused.error(), HasSubstr("GRANT CREATE ON DATABASE \""));
  EXPECT_THAT(refused.error(), HasSubstr("GRANT CREATE ON SCHEMA public TO \""));
  run_sql(connection, "RESET ROLE");
  ASSERT_EQ(install_extensions(connection), true);
  // What is up to date needs no right to change it.
  run_sql(connection, "SET ROLE visitor");
  EXPECT_EQ(install_extensions(connection), false);
}

TEST(Migrations, ARoleWithoutRightsIsToldWhatToDo) {
  Connection connection = open_connection(empty_database());
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE visitor; EXCEPTION WHEN duplicate_object THEN END $$;"
          "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
          "SET ROLE visitor");
  const auto report = migrate(connection, {});
  ASSERT_EQ(report.migrations.size(), 1U);
  EXPECT_THAT(report.migrations[0].message, HasSubstr("permission denied for schema public"));
  EXPECT_THAT(report.migrations[0].message, HasSubstr("GRANT CREATE ON SCHEMA public TO \""));
}

// A server may run under a role that may only read and write the tables of the contract.
TEST(Extensions, WhoMayWriteTheTablesMayUseThem) {
  Connection connection = database_at(5);
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE writer; EXCEPTION WHEN duplicate_object THEN END $$;"
          "DO $$ BEGIN CREATE ROLE \"late Writer\"; EXCEPTION WHEN duplicate_object THEN END $$;"
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer");
  ASSERT_TRUE(migrate(connection, {}).ok());
  const auto not_usable_by = [&](const std::string& role) {
    return run_sql(connection,
                   "SELECT count(*) FROM pg_class AS c,"
                   " unnest('{SELECT, INSERT, UPDATE, DELETE}'::text[]) AS needed"
                   " WHERE c.relnamespace = 'parsec_ext'::regnamespace AND c.relkind = 'r'"
                   " AND NOT has_table_privilege('" +
                       role + "', c.oid, needed)");
  };
  EXPECT_EQ(not_usable_by("writer"), "0");
  EXPECT_NE(not_usable_by("late Writer"), "0");
  // Whoever got the rights later gets these with the next migrate, which has nothing else to do, …
  run_sql(connection,
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"late Writer\"");
  ASSERT_TRUE(migrate(connection, {}).ok());
  EXPECT_EQ(not_usable_by("late Writer"), "0");
  // … and which is not refused to a role that has nothing to give.
  run_sql(connection, "GRANT SELECT ON public.migration TO writer; SET ROLE writer");
  const auto report = migrate(connection, {});
  EXPECT_TRUE(report.ok()) << report.error;
}

// What an administrator may have set for the role or the database does not reach our functions.
TEST(Extensions, WorkWhateverTheDatabasesSettingsSay) {
  const std::string conninfo = testing::fresh_database();
  {
    Connection connection = open_connection(conninfo);
    const std::string name = run_sql(connection, "SELECT current_database()");
    for (const char* setting :
         {"standard_conforming_strings = off", "statement_timeout = '1ms'", "lock_timeout = '1ms'",
          "default_transaction_isolation = 'serializable'", "search_path = 'nowhere'",
          "timezone = 'Asia/Kathmandu'", "datestyle = 'German'", "bytea_output = 'escape'",
          "plpgsql.extra_errors = 'all'", "client_encoding = 'LATIN1'", "jit_above_cost = 0"}) {
      run_sql(connection, "ALTER DATABASE " + name + " SET " + setting);
    }
  }
  Connection connection = open_connection(conninfo);
  EXPECT_EQ(run_sql(connection,
                    "SELECT string_agg(encode(parsec_functions.msgpack_integer(n), 'hex'), ' ')"
                    " FROM unnest('{5, 200, 60000, 70000}'::bigint[]) AS n"),
            "05 ccc8 cdea60 ce00011170");
  run_sql(connection,
          "INSERT INTO public.organization (organization_id, bootstrap_token) VALUES ('Org', 't');"
          "SELECT pg_sleep(0.01)");
  EXPECT_EQ(run_sql(connection,
                    "SELECT * FROM parsec_functions.organization_bootstrap('Org', 't', 'k', now(),"
                    " 'alice', 'a@x', 'A', 'c', 'r', 'alice@dev', 'd', 'c', 'r', 'n')"),
            "ok");
  EXPECT_EQ(run_sql(connection,
                    "SELECT * FROM parsec_functions.realm_create('Org', 'alice@dev',"
                    " '00000000-0000-0000-0000-000000000001', 'c', now(), 'n')"),
            "ok");
  EXPECT_EQ(run_sql(connection,
                    "SELECT * FROM parsec_functions.vlob_create('Org', 'alice@dev',"
                    " '00000000-0000-0000-0000-000000000001', 1, gen_random_uuid(), now(), 'b',"
                    " 'n', false)"),
            "ok");
}

}  // namespace
}  // namespace parsec::db
