// Behind the real pgbouncer, where it is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "tests/db/database_fixture.h"
#include "tests/support/pgbouncer.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::Pgbouncer;
using testing::private_cluster;

class Pooler : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Pgbouncer::is_installed()) GTEST_SKIP() << "pgbouncer is not installed";
    const std::string conninfo = database_with_log();
    std::smatch name;
    ASSERT_TRUE(std::regex_search(conninfo, name, std::regex{"dbname=([^ ]+)"}));
    database_ = name[1];
  }
  std::string database_;
};

TEST_F(Pooler, PerTransactionIsRefusedAtTheStart) {
  const Pgbouncer pooler{"transaction", private_cluster().directory()};
  Settings settings = test_settings(pooler.url(database_));
  settings.watch.probe_limit = 300ms;
  RecordingSink sink;
  const auto started = Database::start(settings, sink);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error(), HasSubstr("pool_mode = session"));
}

TEST_F(Pooler, PerSessionServes) {
  const Pgbouncer pooler{"session", private_cluster().directory()};
  TestDatabase database{pooler.url(database_)};
  EXPECT_EQ(database.call(notify_note, 1, [](Request& r) { r.text("heard"); }).outcome,
            Outcome::ok);
  EXPECT_TRUE(eventually([&] { return database.sink.has("heard"); }));
}

}  // namespace
}  // namespace parsec::db
