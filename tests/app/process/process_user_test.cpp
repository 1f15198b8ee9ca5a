// As whom the running program works. Whatever changes the user runs in a process of its own.
#include "app/process/process_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/client.h"
#include "tests/support/server_process.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* other = "nobody";

std::vector<std::string> dev_as(const std::string& user) {
  return {"backend", "run", "--dev", "--port=1", "--user=" + user};
}

/// The numbers behind `Uid:` or `Gid:`: real, effective, saved, of the file system.
std::vector<unsigned> ids(const fs::path& status, const std::string& name) {
  std::ifstream file{status};
  std::vector<unsigned> numbers;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string first;
    words >> first;
    if (first != name) continue;
    for (unsigned number = 0; words >> number;) numbers.push_back(number);
  }
  return numbers;
}

TEST(User, WhoIsNotThereIsAWrongOption) {
  const ProgramResult result = run_parsec(dev_as("no-such-user"));
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.output, HasSubstr("'--user': there is no user `no-such-user`"));
}

/// Root of the test becomes the other one first, and has a copy that that one may reach.
TEST(User, AnotherOneIsForRootOnly) {
  const TemporaryDirectory directory;
  std::vector<std::string> command;
  if (app::is_root()) {
    const std::string copy = directory.path() / "parsec";
    fs::copy_file(parsec_program(), copy);
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    command = {"/usr/bin/setpriv", "--reuid", other, "--clear-groups", copy};
  } else {
    command = {parsec_program()};
  }
  for (const std::string& argument : dev_as("root")) command.push_back(argument);
  ChildProcess process{std::move(command), {}};
  EXPECT_EQ(process.wait_exit(), 2);
  process.await_end_of_output();
  EXPECT_THAT(process.output(), HasSubstr("'--user': only root may become another user"));
}

class UserOfRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!app::is_root()) GTEST_SKIP() << "only root may become another user";
    account_ = ::getpwnam(other);
    ASSERT_NE(account_, nullptr);
  }

  /// Every thread is that user in all four ways, and has its groups and no capability.
  void expect_everywhere(pid_t pid) const {
    std::size_t threads = 0;
    for (const auto& task : fs::directory_iterator{"/proc/" + std::to_string(pid) + "/task"}) {
      ++threads;
      const fs::path status = task.path() / "status";
      EXPECT_EQ(ids(status, "Uid:"), std::vector<unsigned>(4, account_->pw_uid)) << status;
      EXPECT_EQ(ids(status, "Gid:"), std::vector<unsigned>(4, account_->pw_gid)) << status;
      for (const unsigned group : ids(status, "Groups:")) EXPECT_NE(group, 0u) << status;
      for (const char* name : {"CapPrm:", "CapEff:", "CapInh:", "CapAmb:"}) {
        std::ifstream file{status};
        std::stringstream text;
        text << file.rdbuf();
        EXPECT_THAT(text.str(), HasSubstr(std::string{name} + "\t0000000000000000")) << status;
      }
    }
    EXPECT_GT(threads, 3u);
  }

  /// That user may do there what it likes.
  void give(const fs::path& path) const {
    ASSERT_EQ(::chown(path.c_str(), account_->pw_uid, account_->pw_gid), 0);
  }

  const passwd* account_ = nullptr;
};

TEST_F(UserOfRoot, IsThatOfEveryThread) {
  ServerProcess server{{.blockstore = "MOCKED", .arguments = {"--user", other}}};
  expect_everywhere(server.process().pid());
  EXPECT_THAT(server.process().output(), Not(HasSubstr("runs as root")));
  WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0);
}

TEST_F(UserOfRoot, MayHavePortsThatTheUserMayNot) {
  // Below 1024, by a name that may be taken: then the next.
  for (std::uint16_t port = 1023; port > 1000; --port) {
    try {
      ServerProcess server{{.blockstore = "MOCKED", .arguments = {"--user", other}, .port = port}};
      expect_everywhere(server.process().pid());
      WebSocket{server.address()}.ping();
      EXPECT_EQ(server.stop(), 0);
      return;
    } catch (const ClientError&) {
      continue;
    }
  }
  FAIL() << "no port below 1024 is free";
}

TEST_F(UserOfRoot, ReopensItsLogAndRunsItsPostgresql) {
  const TemporaryDirectory directory;
  give(directory.path());
  ASSERT_EQ(::chmod(directory.path().c_str(), 0700), 0);
  const fs::path log = directory.path() / "log";
  ServerProcess server{
      {.database = "embedded:" + (directory.path() / "db").string(),
       .blockstore = "MOCKED",
       .arguments = {"--user", other, "--log-file=" + log.string(), "--log-level=INFO"}}};
  expect_everywhere(server.process().pid());
  fs::rename(log, directory.path() / "log.1");
  server.process().signal(SIGHUP);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!fs::exists(log) && std::chrono::steady_clock::now() < deadline) ::usleep(1000);
  struct stat status {};
  ASSERT_EQ(::stat(log.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, account_->pw_uid);
  WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0) << server.process().output();
}

TEST_F(UserOfRoot, WhatTheUserMayNotWriteIsSaidAtOnce) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0700), 0);
  auto arguments = dev_as(other);
  arguments[3] = "--log-file=" + (directory.path() / "log").string();
  arguments.push_back("--port=17");
  const ProgramResult result = run_parsec(arguments);
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("Cannot write the log file"));
}

TEST_F(UserOfRoot, StayingRootIsWarnedOf) {
  // As far as the database, which is not there.
  const std::string output =
      run_parsec({"backend", "run", "--db=postgresql://127.0.0.1:1/parsec", "--blockstore=MOCKED",
                  "--administration-token=s3cr3t", "--backend-addr=parsec://localhost",
                  "--email-host=MOCKED"})
          .output;
  EXPECT_EQ(output.find("The server runs as root"), output.rfind("The server runs as root"));
  EXPECT_THAT(output, HasSubstr("[warning ] The server runs as root"));
}

TEST_F(UserOfRoot, StayingRootForDevelopmentIsNotWarnedOf) {
  ServerProcess server{{.blockstore = "MOCKED"}};
  EXPECT_EQ(server.stop(), 0);
  EXPECT_THAT(server.process().output(), Not(HasSubstr("runs as root")));
}

/// Where root may lock what it likes (CAP_IPC_LOCK) and others the usual 8 MiB.
TEST_F(UserOfRoot, MayLockForItsRingsWhatRootMay) {
  const auto lacks_memory = [](std::vector<std::string> arguments) {
    arguments.push_back("--shards=24");
    ServerProcess server{{.blockstore = "MOCKED", .arguments = std::move(arguments)}};
    WebSocket{server.address()}.ping();
    EXPECT_EQ(server.stop(), 0);
    return server.process().output().find("Little memory may be locked") != std::string::npos;
  };
  EXPECT_EQ(lacks_memory({"--user", other}), lacks_memory({}));
}

}  // namespace
}  // namespace parsec::testing
