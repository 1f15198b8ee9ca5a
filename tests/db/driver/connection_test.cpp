#include "db/driver/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_sql;

TEST(Connection, PostgreSQLNoticesPeersThatVanishOrStop) {
  const SessionLimits limits;
  auto connection = Connection::open({testing::fresh_database(), "tests", limits});
  ASSERT_TRUE(connection);
  const auto setting = [&](std::string_view name) {
    const auto rows =
        connection->execute("SELECT setting FROM pg_settings WHERE name = $1", {name});
    return rows && row_count(*rows) == 1 ? std::string{field(*rows, 0, 0)} : "";
  };
  EXPECT_EQ(setting("idle_in_transaction_session_timeout"),
            std::to_string(limits.idle_in_transaction_timeout.count()));
  EXPECT_EQ(setting("statement_timeout"), std::to_string(limits.statement_timeout.count()));
  // On unix sockets their values are not shown, only who set them.
  const auto tcp = connection->execute(
      "SELECT count(*) FROM pg_settings WHERE source = 'session' AND name IN ('tcp_user_timeout',"
      " 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')");
  ASSERT_TRUE(tcp);
  EXPECT_EQ(field(*tcp, 0, 0), "4");
  if (connection->server_version() >= 170000) {
    EXPECT_EQ(setting("transaction_timeout"), std::to_string(limits.transaction_timeout.count()));
  }
}

TEST(Connection, WarningsOfPostgreSQLAreLoggedOnceWithoutDetails) {
  auto connection = Connection::open({testing::fresh_database(), "tests", {}});
  ASSERT_TRUE(connection);
  const testing::LogCapture log;
  for (int i = 0; i < 3; ++i) {
    run_sql(*connection,
            "DO $$ BEGIN RAISE WARNING 'disk is slow' USING DETAIL = 'secret';"
            " RAISE NOTICE 'only a notice'; END $$");
  }
  for (int i = 0; i < 40; ++i) {
    run_sql(*connection, "DO $$ BEGIN RAISE WARNING 'number " + std::to_string(i) + "'; END $$");
  }
  EXPECT_EQ(log.count("PostgreSQL: disk is slow"), 1U);
  EXPECT_EQ(log.count("PostgreSQL: only a notice"), 3U);  // at the level debug
  EXPECT_THAT(log.text(), Not(HasSubstr("secret")));
  EXPECT_GE(log.count("PostgreSQL: number"), 1U);
  EXPECT_LE(log.count("PostgreSQL: number"), 10U);
}

}  // namespace
}  // namespace parsec::db
