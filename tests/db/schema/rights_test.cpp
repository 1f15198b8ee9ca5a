#include "db/schema/rights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "db/schema/migrations.h"
#include "tests/db/database_fixture.h"
#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::run_sql;

class Rights : public ::testing::Test {
 protected:
  void SetUp() override {
    run_sql(connection,
            "DO $$ BEGIN CREATE ROLE \"the server\"; EXCEPTION WHEN duplicate_object THEN END $$;"
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"the server\";"
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO \"the server\"");
    ASSERT_TRUE(migrate(connection, {}).ok());
  }
  /// As the server's role: empty, or what is missing.
  std::string missing() {
    run_sql(connection, "SET ROLE \"the server\"");
    const auto checked = check_rights(connection);
    run_sql(connection, "RESET ROLE");
    return checked ? "" : checked.error();
  }

  const std::string conninfo = testing::fresh_database();
  Connection connection = testing::open_connection(conninfo);
};

TEST_F(Rights, EachThatIsMissingIsNamedWithItsCure) {
  ASSERT_EQ(missing(), "");
  const std::string user_get_cure =
      "GRANT EXECUTE ON ROUTINE " + functions_schema() +
      ".user_get(organization_id text, device_id text, user_id text) TO";
  const std::string functions_usage = "USAGE ON SCHEMA " + functions_schema();
  const std::string grant_functions_usage = "GRANT " + functions_usage;
  const struct {
    const char* what;
    const char* taken;
    const char* cure;
  } rows[] = {
      {"a helper table", "ALL ON parsec_ext.realm_vlobs_size",
       "GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE parsec_ext.realm_vlobs_size TO "
       "\"the server\";"},
      {"one right", "INSERT ON public.message", "GRANT INSERT ON TABLE public.message"},
      {"a lock", "UPDATE ON public.realm", "GRANT UPDATE ON TABLE public.realm"},
      {"a sequence", "ALL ON SEQUENCE public.vlob_atom__id_seq",
       "GRANT USAGE ON SEQUENCE public.vlob_atom__id_seq"},
      {"our record", "UPDATE ON parsec_ext.functions",
       "GRANT UPDATE ON TABLE parsec_ext.functions"},
      {"a function", "EXECUTE ON FUNCTION parsec_functions.user_get", user_get_cure.c_str()},
      {"the schema", "USAGE ON SCHEMA parsec_ext", "GRANT USAGE ON SCHEMA parsec_ext"},
      {"the schema of functions", functions_usage.c_str(), grant_functions_usage.c_str()},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    run_sql(connection, std::string{"REVOKE "} + row.taken + " FROM \"the server\", PUBLIC");
    const std::string refusal = missing();
    EXPECT_THAT(refusal, AllOf(HasSubstr("The database role `the server`"),
                               HasSubstr("`parsec backend migrate`"), HasSubstr(row.cure)));
    run_sql(connection, refusal.substr(refusal.find(" GRANT ")));
    EXPECT_EQ(missing(), "");
  }
}

TEST_F(Rights, OfARoleThatCameLaterAreGivenByMigrate) {
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE latecomer; EXCEPTION WHEN duplicate_object THEN END $$;"
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO latecomer;"
          "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO latecomer; SET ROLE latecomer");
  const auto refused = check_rights(connection);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("ON TABLE parsec_ext.realm_vlobs_size TO latecomer;"));
  run_sql(connection, "RESET ROLE");
  ASSERT_TRUE(migrate(connection, {}).ok());
  run_sql(connection, "SET ROLE latecomer");
  EXPECT_TRUE(check_rights(connection));
}

TEST_F(Rights, AreAskedForAtTheStart) {
  run_sql(connection, "ALTER ROLE \"the server\" LOGIN");
  Settings settings = test_settings(conninfo + " user='the server'");
  RecordingSink sink;
  auto started = Database::start(settings, sink);
  ASSERT_TRUE(started) << started.error();
  (*started)->stop();
  run_sql(connection, "REVOKE ALL ON parsec_ext.message_mark FROM \"the server\"");
  started = Database::start(settings, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("ON TABLE parsec_ext.message_mark TO \"the server\";"));
}

TEST_F(Rights, OfBlockDataOnlyOneBlockStoreNeeds) {
  run_sql(connection, "REVOKE ALL ON public.block_data FROM \"the server\"");
  const testing::LogCapture log;
  EXPECT_EQ(missing(), "");
  EXPECT_THAT(log.text(), HasSubstr("GRANT INSERT, SELECT ON TABLE public.block_data"));
}

}  // namespace
}  // namespace parsec::db
