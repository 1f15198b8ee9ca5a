#include "db/driver/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/log_capture.h"
#include "tests/support/private_postgres.h"
#include "tests/support/temporary_directory.h"

namespace parsec::db {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_sql;

// --- Notices that come with the login (first: below, more of them come than are logged)

/// A socket of PostgreSQL's name that takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (directory() + "/.s.PGSQL.5432").c_str());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
  }
  ~SilentServer() { ::close(fd_); }

  std::string directory() const { return directory_.path().native(); }

 private:
  testing::TemporaryDirectory directory_;
  int fd_;
};

/// PostgreSQL warns at each login of a database that was made with other collations.
class ConnectionWithWarning : public ::testing::Test {
 protected:
  void SetUp() override {
    auto connection = testing::open_connection(testing::fresh_database());
    if (connection.server_version() < 150000) GTEST_SKIP() << "PostgreSQL warns from 15 on";
    run_sql(connection,
            "UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()");
    database_ = connection.database();
  }
  std::string at(const std::string& hosts) const {
    return "user=parsec dbname=" + database_ + " connect_timeout=2 host=" + hosts;
  }
  void expect_warning_logged() const {
    EXPECT_EQ(log_.count("PostgreSQL: database \"" + database_ + "\" has "), 1U) << log_.text();
  }

  const std::string server_ = testing::private_cluster().directory().native();
  std::string database_;
  const testing::LogCapture log_;
};

TEST_F(ConnectionWithWarning, LogsIt) {
  ASSERT_TRUE(Connection::open({at(server_), "tests", {}}));
  expect_warning_logged();
}

TEST_F(ConnectionWithWarning, LogsItWhereAnotherHostDoesNotAnswer) {
  const SilentServer silent;
  ASSERT_TRUE(Connection::open({at(silent.directory() + "," + server_), "tests", {}}));
  expect_warning_logged();
}

// --- What every connection has

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

TEST(Connection, FailsWhereNoHostAnswers) {
  const SilentServer silent;
  const auto connection =
      Connection::open({"connect_timeout=2 host=/no/such/directory," + silent.directory(), "", {}});
  ASSERT_FALSE(connection);
  EXPECT_THAT(connection.error().message, HasSubstr("No such file or directory"));
  EXPECT_THAT(connection.error().message, HasSubstr("timeout expired"));
}

}  // namespace
}  // namespace parsec::db
