// Ids beyond 2³¹: the statements that widen them, and all functions afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "db/schema/extensions.h"
#include "tests/db/id_tables.h"
#include "tests/support/private_postgres.h"
#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

using namespace db;
using ::testing::IsEmpty;

class WideIds : public ::testing::Test {
 protected:
  const std::string conninfo = fresh_database();
  Connection connection = open_connection(conninfo);
};

/// The first block of SQL under that heading of db/schema/README.md.
std::string documented_sql(const std::string& heading) {
  std::ifstream file{source_path("db/schema/README.md")};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto begin = text.find("```sql\n", text.find(heading));
  const auto end = text.find("```", begin + 7);
  if (begin == text.npos || end == text.npos) {
    ADD_FAILURE() << "no SQL under " << heading;
    return {};
  }
  return text.substr(begin + 7, end - begin - 7);
}

TEST_F(WideIds, TheDocumentedStatementsAreThoseOfTheWarning) {
  for (const auto& sequence : sequences_of(connection)) {
    if (sequence.table != "public.vlob_atom") continue;
    std::string documented = documented_sql("## Ids");
    std::ranges::replace(documented, '\n', ' ');
    EXPECT_EQ(documented, sequence.widening + " ");
  }
  run_sql(connection, documented_sql("## Ids"));
  for (const auto& sequence : sequences_of(connection)) {
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
    EXPECT_EQ(run_sql(connection, "SELECT status FROM parsec_functions." + call), status) << call;
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
  const std::string in_sets = "ARRAY['Org'], ARRAY['alice@dev'], ARRAY[" + realm + "]::uuid[], ";
  expect("vlob_create_set(" + in_sets +
         "'{1}', ARRAY[gen_random_uuid()], ARRAY[now()], '{b}', '{n}')");
  expect("vlob_update_set(" + in_sets + "'{1}', ARRAY[" + vlob +
         "]::uuid[], '{131}', ARRAY[now()], '{b}', '{n}')");
  expect("vlob_read_set(ARRAY['Org'], ARRAY['alice@dev'], '{1}', ARRAY[" + vlob +
         "]::uuid[], '{NULL}', ARRAY[NULL]::timestamptz[])");
  expect("block_create_check_set(" + in_sets + "ARRAY[gen_random_uuid()])");
  expect("vlob_list_versions(" + alice + vlob + ")");
  expect("vlob_poll_changes(" + alice + realm + ", 0)");
  for (int i = 0; i < 70; ++i) {
    expect("block_create(" + alice + realm + ", gen_random_uuid(), 1, false)");
  }
  expect("block_create_set(" + in_sets + "ARRAY[gen_random_uuid()], '{1}')");
  expect("block_data_create('Org', gen_random_uuid(), 'data')");
  expect("realm_stats(" + alice + realm + ")");
  EXPECT_EQ(run_sql(connection,
                    "SELECT blocks_size || ' ' || vlobs_size FROM"
                    " parsec_functions.realm_stats(" +
                        alice + realm + ")"),
            "71 132");
  for (int i = 0; i < 70; ++i) {  // over a mark of the messages
    expect("realm_update_roles(" + alice + realm + ", 'bob', " +
           (i % 2 == 0 ? "'MANAGER'" : "'READER'") + ", 'c', now(), 'm', 'n', 'n')");
  }
  EXPECT_EQ(
      run_sql(connection,
              "SELECT max(count) FROM parsec_functions.message_get('Org', 'bob@dev', 0, 100000)"),
      "71");
  expect("realm_start_reencryption_maintenance(" + alice + realm +
         ", 2, now(), '{alice, bob}',"
         " '{m, m}', 'n', '{n, n}')");
  expect("vlob_maintenance_get_reencryption_batch(" + alice + realm + ", 2, 1000, 100000)");
  run_sql(connection, "SELECT parsec_functions.vlob_maintenance_save_reencryption_batch(" + alice +
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

TEST_F(WideIds, BeyondIntegersAllFunctionsWork) {
  for (const auto& sequence : sequences_of(connection)) {
    SCOPED_TRACE(sequence.name);
    run_sql(connection, sequence.widening);
    run_sql(connection, "SELECT setval('" + sequence.name + "', 3000000000)");
  }
  for (const auto& sequence : sequences_of(connection)) {
    EXPECT_EQ(sequence.last, INT64_MAX);
    EXPECT_EQ(sequence.next, 3000000001);
  }
  EXPECT_THAT(ids_warnings(sequences_of(connection)), IsEmpty());
  use_all_functions(connection);
  EXPECT_EQ(sequences_refusal(sequences_of(connection)), "");
}

// A session keeps the plans and types of its functions while the tables are altered.
TEST_F(WideIds, AreWidenedUnderASessionAtWork) {
  use_all_functions(connection);
  Connection other = open_connection(conninfo);
  for (const auto& sequence : sequences_of(other)) run_sql(other, sequence.widening);
  run_sql(other, "TRUNCATE public.organization, public.block_data CASCADE");
  for (const auto& sequence : sequences_of(other)) {
    run_sql(other, "SELECT setval('" + sequence.name + "', 3000000000)");
  }
  use_all_functions(connection);
}

TEST_F(WideIds, HelperTablesOfEarlierVersionsAreWidened) {
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
          "DELETE FROM parsec_ext.functions");
  EXPECT_EQ(run_sql(connection, narrow), "8");
  EXPECT_EQ(install_extensions(connection), true);
  EXPECT_EQ(run_sql(connection, narrow), "0");
  EXPECT_EQ(run_sql(connection, "SELECT invitation FROM parsec_ext.conduit_met"), "7");
}

}  // namespace
}  // namespace parsec::testing
