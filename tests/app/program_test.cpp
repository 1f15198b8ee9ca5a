// The built program, as an administrator starts, asks and stops it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/client.h"
#include "tests/support/pgbouncer.h"
#include "tests/support/private_postgres.h"
#include "tests/support/server_process.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> run_with(std::vector<std::string> options) {
  options.insert(options.begin(), {"backend", "run", "--dev"});
  return options;
}

/// Nobody listens on TCP port 1.
const std::string unreachable = "postgresql://user:pa55word@127.0.0.1:1/parsec";

TEST(Program, ToldWrongThingsComplainsOnStderrWithExitCode2) {
  const ProgramResult result = run_parsec({"backend", "run"}, {});
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.output, HasSubstr("Missing option '--db'"));
  EXPECT_EQ(run_parsec({"--version"}).exit, 0);
}

TEST(Program, TellsInOneLineThatItServesAndHow) {
  ServerProcess server{{.blockstore = "MOCKED",
                        .arguments = {"--administration-token=hidden", "--max-connections=77"}}};
  const std::string port = std::to_string(server.address().port);
  EXPECT_THAT(server.process().output(),
              HasSubstr("Starting Parsec Backend on 127.0.0.1:" + port +
                        " (db=MOCKED blockstore=MOCKED backend_addr=parsec://localhost:" + port +
                        "?no_ssl=true email_config=MOCKED max_connections=77)\n"));
  EXPECT_THAT(server.process().output(), Not(HasSubstr("hidden")));
  WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0);
}

class StopSignal : public ::testing::TestWithParam<int> {};

TEST_P(StopSignal, SeesClientsOffAndEndsWithExitCode0) {
  ServerProcess server;
  WebSocket client{server.address()};
  client.receive();  // the challenge
  server.process().signal(GetParam());
  EXPECT_EQ(client.wait_end(), 1000);
  EXPECT_EQ(server.process().wait_exit(), 0) << server.process().output();
}

INSTANTIATE_TEST_SUITE_P(Server1, StopSignal, ::testing::Values(SIGINT, SIGTERM));

TEST(Program, NoOtherSignalStopsIt) {
  ServerProcess server;
  WebSocket client{server.address()};
  client.receive();  // the challenge
  for (const int signal : {SIGHUP, SIGUSR2, SIGHUP, SIGUSR2}) server.process().signal(signal);
  client.ping();
  EXPECT_EQ(server.stop(), 0);
}

TEST(Program, GoesOnInANewLogFileOnSighup) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() / "log";
  const std::string rotated = file + ".1";
  ServerProcess server{{.arguments = {"--log-level=INFO", "--log-file=" + file}}};
  const auto holds_line_of = [](const std::string& name, const std::string& words) {
    std::ifstream stream{name};
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    return text.find(words) != std::string::npos;
  };
  const auto deadline = within(patience);
  // The log has a thread of its own.
  while (!holds_line_of(file, "Serving") && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  std::filesystem::rename(file, rotated);
  server.process().signal(SIGHUP);
  // Each connection is a line.
  while (!holds_line_of(file, "Connection opened") && std::chrono::steady_clock::now() < deadline) {
    WebSocket{server.address()}.receive();
  }
  EXPECT_TRUE(holds_line_of(file, "Connection opened"));
  EXPECT_TRUE(holds_line_of(rotated, "Serving"));
  EXPECT_EQ(server.stop(), 0);
}

// A client that never answers the Close holds up the stop for a moment.
TEST(Program, ASecondSignalEndsItAtOnce) {
  ServerProcess server{{.arguments = {"--shutdown-timeout=60"}}};
  Socket client{server.address()};
  client.send(UpgradeRequest{}.text(server.address()));
  ASSERT_TRUE(client.receive(within(patience)));
  server.process().signal(SIGTERM);
  const std::string close_1000 = "\x88\x02\x03\xE8";
  while (client.input.find(close_1000) == std::string::npos) {
    ASSERT_TRUE(client.receive(within(patience)));
  }
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait_exit(), -SIGTERM) << server.process().output();
}

TEST(Program, CanBeStoppedWhileItWaitsForTheDatabase) {
  ChildProcess process{{parsec_program(), "backend", "run", "--dev", "--db=" + unreachable,
                        "--db-first-tries-number=0", "--log-level=DEBUG"},
                       {}};
  ASSERT_TRUE(process.await_output("Connection refused")) << process.output();
  for (const int ignored : {SIGHUP, SIGUSR1, SIGUSR2}) process.signal(ignored);
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait_exit(), 0);
}

/// ps, and whoever reads /proc.
TEST(Program, ShowsNoSecretOfItsCommandLine) {
  ServerProcess server{{.administration_token = "hidden-token"}};
  std::ifstream file{"/proc/" + std::to_string(server.process().pid()) + "/cmdline"};
  const std::string shown{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_THAT(shown, HasSubstr("--administration-token=***"));
  EXPECT_THAT(shown, ::testing::Not(HasSubstr("hidden-token")));
}

TEST(Program, AProxyWhosePasswordIsMisplacedIsRefused) {
  const auto result =
      run_parsec({"backend", "run", "--dev"}, {{"https_proxy", "http://user:hid@den@proxy:3128"}});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("The proxy in the variable https_proxy has an `@`"));
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("den@proxy")));
}

TEST(Program, CanBeStoppedWhileItWaitsForABlockStore) {
  ChildProcess process{{parsec_program(), "backend", "run", "--dev",
                        "--blockstore=s3:http\\://127.0.0.1\\:1:region:bucket:key:hidden-secret"},
                       {}};
  ASSERT_TRUE(process.await_output("(attempt 2, next in 1000 ms)")) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("Block store S3 cannot be used (Failed to connect"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait_exit(), 0);
  EXPECT_THAT(process.output(), ::testing::Not(HasSubstr("hidden-secret")));
}

TEST(Program, HasAShardForEachProcessorThatItMayUse) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (std::size_t cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // the server inherits it
  ServerProcess server;
  ::sched_setaffinity(0, sizeof all, &all);
  server.process().signal(SIGUSR1);
  ASSERT_TRUE(server.process().await_output("\nshard 0: "));
  EXPECT_EQ(server.stop(), 0);
  EXPECT_THAT(server.process().output(), Not(HasSubstr("\nshard 1: ")));
}

TEST(Program, DumpsItsStateOnSigusr1) {
  ServerProcess server{{.arguments = {"--shards=2", "--db-workers=1"}}};
  Connection one = connect(server.address(), administration_answer("s3cr3t"));
  const Connection another{server.address()};
  // With its answer a lane is connected.
  one.call("organization_status", {{"organization_id", "nobody"}});
  server.process().signal(SIGUSR1);
  // What comes last is whole with it.
  ASSERT_TRUE(server.process().await_output("stale_completions=0\nshard 1: "));
  const std::string dump = server.process().output();
  EXPECT_THAT(
      dump, ContainsRegex("\ndatabase worker 0: connections=[1-9][0-9]*/[1-9][0-9]* read_waiting=0 "
                          ".* requests=[1-9][0-9]* .* commits=0 "));
  EXPECT_THAT(dump, HasSubstr("\ndatabase rings 0.1: requests=0 replies=0\n"));
  EXPECT_THAT(dump, ContainsRegex("\ndatabase lane 0.0: state=[a-z]+ work=[a-z_]+ "
                                  "under_way=0\n"));
  EXPECT_THAT(dump, HasSubstr("\nmails: completed=0 dropped=0 pending=0\n"));
  EXPECT_THAT(dump, ContainsRegex("\nshard 0: connections=[012] accepted=[012] "));
  EXPECT_EQ(server.stop(), 0);
}

TEST(Program, APortInUseIsAnError) {
  ServerProcess server;
  const ProgramResult result =
      run_parsec(run_with({"--port=" + std::to_string(server.address().port)}));
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("Error: "), HasSubstr("Address already in use"),
                                   HasSubstr(std::to_string(server.address().port))));
  EXPECT_THAT(result.output, Not(HasSubstr("Starting")));
}

TEST(Program, AnUnreachableDatabaseIsAnError) {
  const ProgramResult result = run_parsec(run_with({"--db=" + unreachable}));
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("Error: "), HasSubstr("Connection refused")));
  EXPECT_THAT(result.output, Not(HasSubstr("pa55word")));
  EXPECT_THAT(result.output, Not(HasSubstr("Starting")));
}

TEST(Program, APoolerThatWorksPerTransactionIsAnError) {
  if (!Pgbouncer::is_installed()) GTEST_SKIP() << "pgbouncer is not installed";
  PrivatePostgres postgres;
  ASSERT_EQ(run_parsec({"backend", "migrate", "--db=" + postgres.url()}).exit, 0);
  const Pgbouncer pooler{"transaction", postgres.directory()};
  const ProgramResult result = run_parsec(run_with({"--db=" + pooler.url("parsec")}), {}, 60s);
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("Error: The database's notifications do not arrive: "),
                                   HasSubstr("pool_mode = session"), Not(HasSubstr("Starting"))));
  EXPECT_EQ(result.output.find("Error: "), result.output.rfind("Error: "));
}

TEST(Program, ALogFileThatCannotBeWrittenIsAnError) {
  const ProgramResult result = run_parsec(run_with({"--log-file=/no/such/directory/log"}));
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("Error: Cannot write the log file /no/such/directory/log"));
}

TEST(Program, SaysThatSentryHasNoEffect) {
  ServerProcess server{{.arguments = {"--sentry-url=https://sentry.example.com"}}};
  EXPECT_THAT(server.process().output(), HasSubstr("--sentry-url has no effect"));
}

TEST(Program, ServesWithSeveralShardsAndWorkers) {
  ServerProcess server{{.arguments = {"--shards=3", "--db-workers=2", "--pin-threads"}}};
  for (int i = 0; i < 12; ++i) WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0);
}

class RingTier : public ::testing::TestWithParam<std::string> {};

TEST_P(RingTier, Serves) {
  ServerProcess server{{.arguments = {"--io-uring-tier=" + GetParam()}}};
  WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, RingTier, ::testing::Values("DEFERRED", "COOPERATIVE", "SINGLE_SHOT"),
                         [](const auto& tier) { return tier.param; });

TEST(Program, WritesItsLogWhereItIsTold) {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "log";
  {
    ServerProcess server{{.arguments = {"--log-level=INFO", "--log-file=" + file.string()}}};
    WebSocket{server.address()}.ping();
    EXPECT_EQ(server.stop(), 0);
    EXPECT_THAT(server.process().output(), Not(HasSubstr("Connection opened")));
  }
  std::ifstream log{file};
  const std::string text{std::istreambuf_iterator<char>{log}, {}};
  EXPECT_THAT(text, HasSubstr(R"("level":"info","event":"Connection opened","conn_id":")"));
  EXPECT_THAT(text, Not(HasSubstr("s3cr3t")));
}

// --- Migrations

TEST(Migrate, BringsADatabaseUpToDateOnce) {
  PrivatePostgres postgres;
  const std::string database = "--db=" + postgres.url();

  const ProgramResult too_early = run_parsec(run_with({database}));
  EXPECT_EQ(too_early.exit, 1);
  EXPECT_THAT(too_early.output, HasSubstr("parsec backend migrate"));

  const ProgramResult dry = run_parsec({"backend", "migrate", database, "--dry-run"});
  EXPECT_EQ(dry.exit, 0) << dry.output;
  EXPECT_THAT(dry.output, AllOf(ContainsRegex("0001 [a-z_]+: would be applied\n"),
                                Not(HasSubstr(": applied"))));
  const ProgramResult first = run_parsec({"backend", "migrate", database});
  EXPECT_EQ(first.exit, 0) << first.output;
  EXPECT_THAT(first.output, ContainsRegex("0001 [a-z_]+: applied\n"));
  const ProgramResult second = run_parsec({"backend", "migrate", database});
  EXPECT_EQ(second.exit, 0) << second.output;
  EXPECT_THAT(second.output,
              AllOf(ContainsRegex("0001 [a-z_]+: already applied\n"), Not(HasSubstr(": applied"))));

  ServerProcess server{{.database = postgres.url()}};
  WebSocket{server.address()}.ping();
  EXPECT_EQ(server.stop(), 0);
}

TEST(Migrate, AnUnreachableDatabaseIsAnError) {
  const ProgramResult result = run_parsec({"backend", "migrate", "--db=" + unreachable});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("Error: "));
  EXPECT_THAT(result.output, Not(HasSubstr("pa55word")));
}

}  // namespace
}  // namespace parsec::testing
