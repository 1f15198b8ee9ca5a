// The private PostgreSQL: that it is private, that it stays, and that a crash of ours leaves
// neither a process nor a directory for ever.
#include "db/cluster/embedded_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "tests/db/database_fixture.h"

namespace parsec::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::open_connection;
using testing::run_sql;

class Directory {
 public:
  Directory() : path_((testing::temporary_directory() / "parsec-test-XXXXXX").native()) {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
    fs::permissions(path_, fs::perms::others_exec, fs::perm_options::add);
  }
  ~Directory() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  fs::path path() const { return path_; }

 private:
  std::string path_;
};

auto start_embedded(const fs::path& directory) {
  return EmbeddedCluster::start({Target::Kind::embedded, directory.native()});
}

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(EmbeddedCluster, IsPrivate) {
  const auto& cluster = testing::private_cluster();
  EXPECT_EQ(mode_of(cluster.directory()), 0700U);
  EXPECT_EQ(mode_of(cluster.directory() / "data"), 0700U);
  auto connection = open_connection(cluster.conninfo());
  EXPECT_EQ(run_sql(connection, "SHOW listen_addresses"), "");
  EXPECT_EQ(run_sql(connection, "SHOW server_encoding"), "UTF8");
  // Nothing of this process leaked into it: no open file, a session of its own.
  const std::string process = "/proc/" + std::to_string(cluster.postmaster());
  EXPECT_NE(::getsid(cluster.postmaster()), ::getsid(0));
  for (const auto& entry : fs::directory_iterator(process + "/fd")) {
    EXPECT_EQ(fs::read_symlink(entry.path()).native().find("/lock"), std::string::npos);
  }
}

TEST(EmbeddedCluster, StaysAndHasOneOwner) {
  Directory directory;
  const fs::path place = directory.path() / "a" / "b";  // made as needed
  {
    auto cluster = start_embedded(place);
    ASSERT_TRUE(cluster) << cluster.error();
    auto connection = open_connection((*cluster)->conninfo());
    run_sql(connection, "CREATE TABLE kept AS SELECT 42 AS answer");
    EXPECT_EQ(run_sql(connection, "SHOW fsync"), "on");
    EXPECT_EQ(run_sql(connection, "SHOW synchronous_commit"), "on");

    const auto second = start_embedded(place);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error(), HasSubstr("in use by another server"));
    EXPECT_EQ(run_sql(connection, "SELECT answer FROM kept"), "42");
  }
  EXPECT_TRUE(processes_in(place / "data").empty());
  auto cluster = start_embedded(place);
  ASSERT_TRUE(cluster) << cluster.error();
  auto connection = open_connection((*cluster)->conninfo());
  EXPECT_EQ(run_sql(connection, "SELECT answer FROM kept"), "42");
}

TEST(EmbeddedCluster, LongAndOddDirectoriesWork) {
  Directory directory;
  const fs::path place = directory.path() / std::string(100, 'x') / "with, commas 'and' spaces";
  auto cluster = start_embedded(place);
  ASSERT_TRUE(cluster) << cluster.error();
  auto connection = open_connection((*cluster)->conninfo());
  EXPECT_EQ(run_sql(connection, "SELECT 1"), "1");

  // Where the socket is then cannot be foreseen, and nothing of it stays.
  const fs::path socket = fs::read_symlink(place / "socket");
  EXPECT_THAT((*cluster)->conninfo(), HasSubstr("host=" + socket.native() + " "));
  EXPECT_EQ(mode_of(socket), 0700U);
  cluster->reset();
  EXPECT_FALSE(fs::exists(socket));

  // Another start does not come back to it, and clears up what a crash left.
  const fs::path left = "/tmp/parsec-socket-of-a-test";
  fs::create_directory(left);
  fs::create_symlink(left, place / "socket");
  auto again = start_embedded(place);
  ASSERT_TRUE(again) << again.error();
  EXPECT_NE(fs::read_symlink(place / "socket"), socket);
  EXPECT_FALSE(fs::exists(left));
}

TEST(EmbeddedCluster, ADirectoryOfSomebodyElseIsAnError) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives directories away";
  Directory directory;
  const fs::path place = directory.path() / "db";
  fs::create_directory(place);
  ASSERT_EQ(::chown(place.c_str(), 65534, 65534), 0);
  const auto cluster = start_embedded(place);
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error(), HasSubstr("belongs to another user"));
  fs::create_directory_symlink(place, directory.path() / "link");
  EXPECT_FALSE(start_embedded(directory.path() / "link"));
}

TEST(EmbeddedCluster, ADirectoryThatCannotBeUsedIsAnError) {
  Directory directory;
  std::ofstream(directory.path() / "file") << "x";
  const auto cluster = start_embedded(directory.path() / "file");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error(), HasSubstr("file"));
  const auto below = start_embedded(directory.path() / "file" / "below");
  ASSERT_FALSE(below);
}

TEST(EmbeddedCluster, APlaceThatPostgresqlMayNotEnterIsAnError) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root starts PostgreSQL as somebody else";
  Directory directory;
  fs::permissions(directory.path(), fs::perms::owner_all);
  const auto cluster = start_embedded(directory.path() / "db");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error(), HasSubstr("may not enter " + directory.path().native()));
}

TEST(EmbeddedCluster, IsStartedAgainWhenItEnds) {
  Directory directory;
  auto cluster = start_embedded(directory.path() / "db");
  ASSERT_TRUE(cluster) << cluster.error();
  const pid_t before = (*cluster)->postmaster();
  ASSERT_GT(before, 1);
  ::kill(before, SIGKILL);
  EXPECT_TRUE(eventually([&] {
    const pid_t now = (*cluster)->postmaster();
    return now != 0 && now != before &&
           Connection::open({(*cluster)->conninfo(), "tests", {}}).has_value();
  }));
}

TEST(EmbeddedCluster, ATemporaryOneLeavesNothing) {
  fs::path directory;
  {
    auto cluster = EmbeddedCluster::start({Target::Kind::mocked, {}});
    ASSERT_TRUE(cluster) << cluster.error();
    directory = (*cluster)->directory();
    EXPECT_TRUE(fs::exists(directory / "data"));
  }
  EXPECT_FALSE(fs::exists(directory));
}

// --- A crash of ours: another process of this program starts a cluster and is killed ----------

constexpr const char* directory_variable = "PARSEC_TEST_CLUSTER_DIRECTORY";
constexpr const char* report_variable = "PARSEC_TEST_CLUSTER_REPORT";

/// What that process does; not a test of its own.
TEST(EmbeddedClusterHelper, DISABLED_RunsUntilKilled) {
  const char* report = std::getenv(report_variable);
  ASSERT_NE(report, nullptr);
  const char* directory = std::getenv(directory_variable);
  auto cluster = directory != nullptr ? start_embedded(directory)
                                      : EmbeddedCluster::start({Target::Kind::mocked, {}});
  ASSERT_TRUE(cluster) << cluster.error();
  {
    std::ofstream file(std::string{report} + ".new");
    file << (*cluster)->postmaster() << " " << (*cluster)->directory().native() << "\n";
  }
  fs::rename(std::string{report} + ".new", report);
  for (;;) ::pause();
}

class EmbeddedClusterCrash : public ::testing::Test {
 protected:
  /// Temporary clusters in a place of our own: any server that starts on this machine meanwhile
  /// would clean up behind the one that is killed here.
  void SetUp() override {
    if (const char* before = std::getenv("TMPDIR")) temporary_before = before;
    ::setenv("TMPDIR", directory.path().c_str(), 1);
  }
  void TearDown() override {
    if (temporary_before) {
      ::setenv("TMPDIR", temporary_before->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }

  /// Starts that process and returns when its cluster is ready.
  void start_process(const fs::path& place) {
    const fs::path report = directory.path() / "report";
    if (place.empty()) {
      ::unsetenv(directory_variable);
    } else {
      ::setenv(directory_variable, place.c_str(), 1);
    }
    ::setenv(report_variable, report.c_str(), 1);
    std::string program = "/proc/self/exe";
    std::string filter = "--gtest_filter=EmbeddedClusterHelper.*";
    std::string disabled = "--gtest_also_run_disabled_tests";
    char* const arguments[] = {program.data(), filter.data(), disabled.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&process, program.c_str(), nullptr, nullptr, arguments, environ), 0);
    ::unsetenv(report_variable);
    ASSERT_TRUE(eventually([&] { return fs::exists(report); }, 30s));
    std::ifstream(report) >> postmaster >> cluster_directory;
    ASSERT_GT(postmaster, 1);  // it will be signalled
  }
  void kill_process() {
    ASSERT_GT(process, 1);
    ::kill(process, SIGKILL);
    wait_for(process);
  }

  Directory directory;
  pid_t process = 0;
  pid_t postmaster = 0;
  std::string cluster_directory;
  std::optional<std::string> temporary_before;
};

TEST_F(EmbeddedClusterCrash, PostgresqlEndsAndTheDirectoryGoesWithTheNextStart) {
  ASSERT_NO_FATAL_FAILURE(start_process({}));
  ASSERT_TRUE(exists(postmaster));
  kill_process();
  EXPECT_TRUE(eventually([&] { return !exists(postmaster); }));
  EXPECT_TRUE(fs::exists(cluster_directory));
  auto next = EmbeddedCluster::start({Target::Kind::mocked, {}});
  ASSERT_TRUE(next) << next.error();
  EXPECT_FALSE(fs::exists(cluster_directory));
}

TEST_F(EmbeddedClusterCrash, TheNextStartEndsAPostgresqlThatStillRuns) {
  const fs::path place = directory.path() / "db";
  ASSERT_NO_FATAL_FAILURE(start_process(place));
  // So that it does not notice its parent's end.
  ::kill(postmaster, SIGSTOP);
  kill_process();
  ASSERT_TRUE(exists(postmaster));
  std::thread waker{[this] {
    std::this_thread::sleep_for(100ms);
    ::kill(postmaster, SIGCONT);
  }};
  auto next = start_embedded(place);
  waker.join();
  ASSERT_TRUE(next) << next.error();
  // Whoever inherited it has to take note of its end.
  EXPECT_TRUE(eventually([&] { return !exists(postmaster); }));
  auto connection = open_connection((*next)->conninfo());
  EXPECT_EQ(run_sql(connection, "SELECT 1"), "1");
}

TEST(EmbeddedClusterStale, AProcessNumberOfSomebodyElseIsNotBelieved) {
  Directory directory;
  const fs::path place = directory.path() / "db";
  std::string lines;
  {
    auto cluster = start_embedded(place);
    ASSERT_TRUE(cluster) << cluster.error();
    std::ifstream file(place / "data/postmaster.pid");
    lines.assign(std::istreambuf_iterator<char>{file}, {});
    (*cluster)->stop(EmbeddedCluster::Shutdown::immediate);
  }
  // As if the machine had lost power, and the number were ours now.
  lines.replace(0, lines.find('\n'), std::to_string(::getppid()));
  std::ofstream(place / "data/postmaster.pid") << lines;
  auto next = start_embedded(place);
  EXPECT_TRUE(next) << next.error();
}

}  // namespace
}  // namespace parsec::db
