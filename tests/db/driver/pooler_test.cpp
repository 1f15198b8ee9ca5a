// Behind the real pgbouncer, where it is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <regex>

#include "db/cluster/postgres_process.h"
#include "tests/db/database_fixture.h"
#include "tests/support/temporary_directory.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::run_sql;

constexpr const char* program = "/usr/sbin/pgbouncer";

/// Works for all databases of the tests' cluster; gone at the end.
class Pgbouncer {
 public:
  explicit Pgbouncer(const std::string& pool_mode) {
    const std::string place = directory_.path().native();
    std::ofstream(place + "/users") << "\"parsec\" \"\"\n";
    std::ofstream(place + "/ini") << "[databases]\n* = port=5432 host="
                                  << testing::private_cluster().directory().native()
                                  << "\n[pgbouncer]\nlisten_port=6432\nunix_socket_dir=" << place
                                  << "\nauth_type=trust\nauth_file=" << place
                                  << "/users\npool_mode=" << pool_mode << "\n";
    const Account account = *postgres_account();
    for (const char* file : {"", "/users", "/ini"}) {
      EXPECT_EQ(::chown((place + file).c_str(), account.uid, account.gid), 0);
    }
    process_ = start({{program, place + "/ini"}, place, place + "/output", account, SIGKILL});
    EXPECT_TRUE(eventually([&] {
      return Connection::open({conninfo("postgres"), "", {}}).has_value();
    }));
  }
  ~Pgbouncer() {
    ::kill(process_, SIGKILL);
    wait_for(process_);
  }

  std::string conninfo(const std::string& database) const {
    return "port=6432 user=parsec dbname=" + database + " host=" + directory_.path().native();
  }

 private:
  testing::TemporaryDirectory directory_;
  pid_t process_ = -1;
};

class Pooler : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(program, X_OK) != 0) GTEST_SKIP() << "pgbouncer is not installed";
    const std::string conninfo = database_with_log();
    std::smatch name;
    ASSERT_TRUE(std::regex_search(conninfo, name, std::regex{"dbname=([^ ]+)"}));
    database_ = name[1];
  }
  std::string database_;
};

TEST_F(Pooler, PerTransactionIsRefusedAtTheStart) {
  const Pgbouncer pooler{"transaction"};
  Settings settings = test_settings(pooler.conninfo(database_));
  settings.watch.probe_limit = 300ms;
  RecordingSink sink;
  const auto started = Database::start(settings, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("pool_mode = session"));
}

TEST_F(Pooler, PerSessionServes) {
  const Pgbouncer pooler{"session"};
  TestDatabase database{pooler.conninfo(database_)};
  EXPECT_EQ(database.call(notify_note, 1, [](Request& r) { r.text("heard"); }).outcome,
            Outcome::ok);
  EXPECT_TRUE(eventually([&] { return database.sink.has("heard"); }));
}

}  // namespace
}  // namespace parsec::db
