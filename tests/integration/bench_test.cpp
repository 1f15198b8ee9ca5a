// The load generator against the servers: every scenario of the suite, and what it makes of a
// server that stands still.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/integration_test.h"
#include "tests/support/database_probe.h"
#include "tests/support/source_tree.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tls_certificate.h"

namespace parsec::testing {
namespace {

class Bench : public IntegrationTest {
 protected:
  static std::vector<std::string> command(const Address& address, const std::string& scenario,
                                          std::vector<std::string> more) {
    std::vector<std::string> words{
        built_program("parsec-bench"), "run",
        "--addr=parsec://" + address.host + ":" + std::to_string(address.port) + "?no_ssl=true",
        std::string{"--administration-token="} + token,
        "--scenario=" + source_path("bench/scenarios/" + scenario + ".json")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static std::string text_of(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(Bench, EveryScenarioRuns) {
  for (const auto& entry : std::filesystem::directory_iterator(source_path("bench/scenarios"))) {
    SCOPED_TRACE(entry.path().stem());
    if (entry.path().stem() == "neighbours") continue;  // see NeighboursAreMeasuredAloneAndBeside
    ChildProcess bench{command(here(), entry.path().stem(),
                               {"--smoke", "--in-flight=8", "--warm-up=0", "--duration=0.2",
                                "--repeats=1", "--db=" + Deployment::get().database_url()}),
                       {}};
    ASSERT_EQ(bench.wait_exit(60s), 0) << bench.output();
    bench.await_end_of_output();
    const std::string output = bench.output();
    EXPECT_THAT(output, ::testing::HasSubstr("limited by: "));
    EXPECT_THAT(output, ::testing::HasSubstr("\nserver "));
    EXPECT_THAT(output, ::testing::HasSubstr("\npostgresql "));
    EXPECT_THAT(output, ::testing::HasSubstr("\ndatabase "));
    // Any status but ok would be named with its number.
    for (const char* status : {"no_reply: ", "bad_", "not_", "invalid", "unknown"}) {
      EXPECT_THAT(output, ::testing::Not(::testing::HasSubstr(status)));
    }
  }
}

/// Each victim beside each hog, a held row among them; and what stands in the file can be compared.
TEST_F(Bench, NeighboursAreMeasuredAloneAndBeside) {
  const TemporaryDirectory directory;
  const std::string json = (directory.path() / "result.json").string();
  auto words = command(here(), "neighbours",
                       {"--smoke", "--warm-up=0", "--duration=0.1", "--repeats=1", "--patience=2",
                        "--db=" + Deployment::get().database_url(), "--json=" + json});
  words[1] = "neighbours";
  ChildProcess bench{words, {}};
  ASSERT_EQ(bench.wait_exit(120s), 0) << bench.output();
  bench.await_end_of_output();
  for (const char* hog : {"poll of 12,000 vlobs", "find in 2,000 humans", "stats of 10,000 blocks",
                          "blocks of 512 KiB", "vlobs of 1 MiB", "a realm's row held"}) {
    EXPECT_THAT(bench.output(), ::testing::ContainsRegex(std::string{hog} + " +reads "));
    EXPECT_THAT(bench.output(), ::testing::ContainsRegex(std::string{hog} + " +updates "));
  }
  ChildProcess same{{built_program("parsec-bench"), "compare", json, json}, {}};
  EXPECT_EQ(same.wait_exit(60s), 0);
  same.await_end_of_output();
  EXPECT_THAT(same.output(),
              ::testing::HasSubstr("reads beside a realm's row held, 99th percentile"));
}

/// What PostgreSQL stores of a payload is no less than the payload.
TEST_F(Bench, PayloadsAreStoredWhole) {
  DatabaseProbe rows{Deployment::get().database_url()};
  const auto stored_whole = [&rows](const char* table, const char* column, int bytes) {
    const std::string size = std::to_string(bytes), name{column};
    return rows.value("SELECT (count(*) > 0 AND min(pg_column_size(" + name + ")) >= " + size +
                      ")::int::bigint FROM " + table + " WHERE octet_length(" + name +
                      ") = " + size);
  };
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "s.json").string();
  std::ofstream{file} << R"({"name": "s", "population": {"users": 2}, "commands": [
      {"command": "vlob_create", "bytes": 65521}, {"command": "vlob_create", "bytes": 500003},
      {"command": "block_create", "bytes": 65519}]})";
  auto words =
      command(here(), "ping", {"--in-flight=2", "--warm-up=0", "--duration=0.2", "--repeats=1"});
  words[4] = "--scenario=" + file;
  ChildProcess bench{words, {}};
  ASSERT_EQ(bench.wait_exit(60s), 0) << bench.output();
  EXPECT_EQ(stored_whole("vlob_atom", "blob", 65521), Document(1));
  EXPECT_EQ(stored_whole("vlob_atom", "blob", 500003), Document(1));
  EXPECT_EQ(stored_whole("block_data", "data", 65519), Document(1));
  EXPECT_EQ(stored_whole("message", "body", 200),
            Document(1));  // the key that a user was sent with a role
}

TEST_F(Bench, APopulationIsFoundAgain) {
  for (const char* scenario : {"vlob_update", "vlob_update", "block_read"}) {
    ChildProcess bench{command(here(), scenario,
                               {"--smoke", "--in-flight=4", "--warm-up=0", "--duration=0.1",
                                "--repeats=1", "--population=again"}),
                       {}};
    EXPECT_EQ(bench.wait_exit(60s), 0) << bench.output();
    bench.await_end_of_output();
    EXPECT_THAT(bench.output(), ::testing::Not(::testing::HasSubstr("already_exists")));
  }
}

/// The same functions, called past the server.
TEST_F(Bench, FunctionsAreCalledDirectly) {
  for (const char* scenario : {"vlob_read", "vlob_create", "vlob_update"}) {
    SCOPED_TRACE(scenario);
    ChildProcess bench{command(here(), scenario,
                               {"--smoke", "--in-flight=4", "--warm-up=0", "--duration=0.1",
                                "--repeats=1", "--population=direct"}),
                       {}};
    ASSERT_EQ(bench.wait_exit(60s), 0) << bench.output();
    const auto direct = [&](std::vector<std::string> more) {
      std::vector<std::string> words{
          built_program("parsec-bench-direct"),
          "--db=" + Deployment::get().database_url(),
          "--scenario=" + source_path("bench/scenarios/") + scenario + ".json",
          "--smoke",
          "--warm-up=0",
          "--duration=0.1",
          "--clients=8"};
      words.insert(words.end(), more.begin(), more.end());
      return words;
    };
    ChildProcess known{direct({"--population=direct"}), {}};
    EXPECT_EQ(known.wait_exit(60s), 0) << known.output();
    known.await_end_of_output();
    EXPECT_THAT(known.output(), ::testing::HasSubstr("/s, 8 clients, 6 connections"));
    EXPECT_THAT(known.output(), ::testing::Not(::testing::HasSubstr(" 0/s")));
    ChildProcess unknown{direct({"--population=nobody"}), {}};
    EXPECT_EQ(unknown.wait_exit(60s), 1);
    unknown.await_end_of_output();
    EXPECT_THAT(unknown.output(), ::testing::HasSubstr("A call was not answered ok: "));
  }
}

TEST_F(Bench, AStandstillShowsInTheLatencyOfAllThatWereMeantToGo) {
  const auto server = Deployment::get().start_server();
  ChildProcess bench{command(server->address(), "ping",
                             {"--smoke", "--rate=500", "--constant", "--warm-up=0",
                              "--duration=1.5", "--repeats=1"}),
                     {}};
  ASSERT_TRUE(bench.await_output("measurement 1 of 1")) << bench.output();
  server->process().signal(SIGSTOP);
  std::this_thread::sleep_for(600ms);  // what is measured
  server->process().signal(SIGCONT);
  ASSERT_EQ(bench.wait_exit(), 0) << bench.output();
  bench.await_end_of_output();
  // 500 per second were meant to go, and all went; those of the standstill, 40 % of them, have
  // waited for its end.
  const std::string output = bench.output();
  const std::size_t at = output.find("\nping ", output.find("command "));
  ASSERT_NE(at, std::string::npos) << output;
  double rate = 0, spread = 0, p50 = 0, p90 = 0, p99 = 0, most = 0;
  ASSERT_EQ(std::sscanf(output.c_str() + at, "\nping %lf/s ±%lf%% %lf %lf %lf %lf", &rate, &spread,
                        &p50, &p90, &p99, &most),
            6)
      << output;
  EXPECT_NEAR(rate, 500, 25);  // but for what came a moment after the end
  EXPECT_GT(most, 500);
  EXPECT_GT(p90, 200);
}

TEST_F(Bench, OverTls) {
  const TlsCertificate certificate{"DNS:localhost"};
  const auto server =
      Deployment::get().start_server({.arguments = {"--ssl-certfile=" + certificate.certificate(),
                                                    "--ssl-keyfile=" + certificate.key()}});
  for (const bool trusted : {true, false}) {
    for (const char* scenario : {"ping", "handshake"}) {
      SCOPED_TRACE(scenario);
      auto words =
          command(server->address(), scenario,
                  {"--smoke", "--in-flight=4", "--warm-up=0", "--duration=0.2", "--repeats=1"});
      words[2] = "--addr=parsec://localhost:" + std::to_string(server->address().port);
      std::map<std::string, std::string> variables;
      if (trusted) variables["SSL_CERT_FILE"] = certificate.certificate();
      ChildProcess bench{words, variables};
      EXPECT_EQ(bench.wait_exit(60s), trusted ? 0 : 1) << bench.output();
      bench.await_end_of_output();
      EXPECT_THAT(bench.output(),
                  ::testing::HasSubstr(trusted ? "limited by: " : "certificate not accepted"));
      EXPECT_THAT(bench.output(), ::testing::Not(::testing::HasSubstr("no_reply")));
    }
  }
}

TEST_F(Bench, HandshakesThatGotNoAnswerAreCounted) {
  const auto server = Deployment::get().start_server();
  ChildProcess bench{command(server->address(), "handshake",
                             {"--smoke", "--rate=200", "--constant", "--warm-up=0", "--duration=2",
                              "--patience=0.5", "--repeats=1"}),
                     {}};
  ASSERT_TRUE(bench.await_output("measurement 1 of 1")) << bench.output();
  server->process().signal(SIGSTOP);  // and it stays so
  ASSERT_EQ(bench.wait_exit(), 1) << bench.output();
  server->process().signal(SIGCONT);
  bench.await_end_of_output();
  const std::string output = bench.output();
  const std::size_t line = output.find("\nhandshake ", output.find("command "));
  const std::size_t at = output.find("no_reply: ", line);
  ASSERT_NE(at, std::string::npos) << output;
  std::uint64_t ok = 0;
  if (const std::size_t told = output.find("ok: ", line); told != std::string::npos) {
    ok = std::stoull(output.substr(told + 4));
  }
  EXPECT_EQ(ok + std::stoull(output.substr(at + 10)), 400u) << output;
}

TEST_F(Bench, AServerThatWasKilledIsNoSuccess) {
  const TemporaryDirectory directory;
  const std::string json = (directory.path() / "killed.json").string();
  const auto server = Deployment::get().start_server();
  ChildProcess bench{command(server->address(), "ping",
                             {"--smoke", "--in-flight=4", "--warm-up=0", "--duration=0.5",
                              "--patience=0.2", "--repeats=3", "--json=" + json}),
                     {}};
  ASSERT_TRUE(bench.await_output("measurement 3 of 3")) << bench.output();
  server->process().signal(SIGKILL);
  EXPECT_EQ(bench.wait_exit(60s), 1);
  bench.await_end_of_output();
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("Connections were lost"));
  ChildProcess same{{built_program("parsec-bench"), "compare", json, json}, {}};
  EXPECT_EQ(same.wait_exit(60s), 0);
  same.await_end_of_output();
  // But the shares of what was lost, which are counted, may be the same.
  std::istringstream lines{same.output()};
  for (std::string line; std::getline(lines, line);) {
    if (line.find("no_reply") != std::string::npos) continue;
    EXPECT_THAT(line, ::testing::Not(::testing::HasSubstr("no difference")));
  }
  EXPECT_THAT(same.output(), ::testing::HasSubstr("Careful: In the result after "));
}

TEST_F(Bench, AnInterruptedRunReportsTheRepeatsThatAreComplete) {
  const TemporaryDirectory directory;
  const std::string json = (directory.path() / "part.json").string();
  ChildProcess bench{command(here(), "ping",
                             {"--smoke", "--in-flight=4", "--warm-up=0", "--duration=0.3",
                              "--repeats=1000", "--json=" + json}),
                     {}};
  ASSERT_TRUE(bench.await_output("measurement 3 of 1000")) << bench.output();
  bench.signal(SIGINT);
  EXPECT_EQ(bench.wait_exit(), 130);
  bench.await_end_of_output();
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("Interrupted; 2 of 1000 repeats"));
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("limited by: "));
  EXPECT_THAT(text_of(json), ::testing::HasSubstr("\"parsec-bench-result\""));
}

TEST_F(Bench, AConnectionThatCannotBeDialledEndsTheRun) {
  std::vector<std::string> words =
      command(here(), "handshake",
              {"--smoke", "--in-flight=300", "--warm-up=0", "--duration=30", "--repeats=1"});
  std::string line = "ulimit -n 150; exec";
  for (const std::string& word : words) line += " '" + word + "'";
  ChildProcess bench{{"/bin/sh", "-c", line}, {}};
  EXPECT_EQ(bench.wait_exit(), 1) << bench.output();
  bench.await_end_of_output();
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("Too few open files"));
}

TEST_F(Bench, TheHighestRateIsLookedFor) {
  std::vector<std::string> words = command(here(), "ping",
                                           {"--smoke", "--p99=200", "--first-rate=400000",
                                            "--warm-up=0", "--duration=0.05", "--repeats=1"});
  words[1] = "search";
  ChildProcess bench{words, {}};
  ASSERT_EQ(bench.wait_exit(60s), 0) << bench.output();
  bench.await_end_of_output();
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("within 200 ms."));
  EXPECT_THAT(bench.output(), ::testing::HasSubstr("  broken"));
}

/// From measurements to pages and plans, through the files.
TEST_F(Bench, ResultsAreKeptComparedAndPlannedWith) {
  const TemporaryDirectory directory;
  const auto file = [&](const std::string& name) { return (directory.path() / name).string(); };
  const auto execute = [](std::vector<std::string> words, int code = 0) {
    ChildProcess bench{words, {}};
    EXPECT_EQ(bench.wait_exit(60s), code) << words[1] << ": " << bench.output();
    bench.await_end_of_output();
    return bench.output();
  };
  const std::vector<std::string> quick{"--smoke", "--warm-up=0", "--duration=0.05", "--repeats=1",
                                       "--db=" + Deployment::get().database_url()};
  const auto measure = [&](const char* subcommand, const char* scenario,
                           std::vector<std::string> more) {
    auto words = command(here(), scenario, quick);
    words[1] = subcommand;
    words.insert(words.end(), more.begin(), more.end());
    return execute(words);
  };
  measure("run", "vlob_read", {"--json=" + file("a.json"), "--html=" + file("a.html")});
  measure("run", "vlob_update", {"--in-flight=4", "--json=" + file("b.json")});
  EXPECT_THAT(measure("search", "vlob_read",
                      {"--first-rate=400000", "--p99=200", "--json=" + file("search.json")}),
              ::testing::HasSubstr("  broken"));
  EXPECT_THAT(
      measure("scaling", "vlob_read", {"--connections=1,2,4", "--html=" + file("scaling.html")}),
      ::testing::HasSubstr("Universal Scalability Law over connections"));
  for (const char* page : {"a.html", "scaling.html"}) {
    EXPECT_THAT(text_of(file(page)), ::testing::HasSubstr("</html>"));
  }
  const std::string json = text_of(file("a.json"));
  EXPECT_THAT(json, ::testing::HasSubstr("\"synchronous_commit\""));
  EXPECT_THAT(json, ::testing::Not(::testing::HasSubstr(token)));

  EXPECT_THAT(execute({built_program("parsec-bench"), "compare", file("a.json"), file("b.json"),
                       "--html=" + file("both.html")}),
              ::testing::HasSubstr("Careful: The scenarios differ."));
  EXPECT_THAT(text_of(file("both.html")), ::testing::HasSubstr("Figure by figure"));
  execute({built_program("parsec-bench"), "report", file("search.json"),
           "--html=" + file("search.html")});
  EXPECT_THAT(text_of(file("search.html")), ::testing::HasSubstr("Rates that were tried"));
  EXPECT_THAT(execute({built_program("parsec-bench"), "law", "shards", "1=" + file("a.json"),
                       "2=" + file("b.json")}),
              ::testing::HasSubstr("No law: "));
  EXPECT_THAT(execute({built_program("parsec-bench"), "plan",
                       source_path("bench/deployments/commands.json"), file("a.json"),
                       file("b.json"), "--json=" + file("plan.json")}),
              ::testing::HasSubstr("A thousand small organizations"));
  EXPECT_THAT(text_of(file("plan.json")), ::testing::HasSubstr("\"parsec-bench-plan\""));
  EXPECT_THAT(
      execute({built_program("parsec-bench"), "report", file("plan.json"), "--html=/dev/null"}, 1),
      ::testing::HasSubstr("format: must be parsec-bench-result"));
}

TEST_F(Bench, WhatIsWrongIsTold) {
  struct Row {
    const char* name;
    std::vector<std::string> command;
    const char* text;
  };
  Address nobody = here();
  nobody.port = 1;
  auto wrong_token = command(here(), "ping", {});
  wrong_token.push_back("--administration-token=wrong");
  wrong_token.erase(wrong_token.begin() + 3);
  auto directory = command(here(), "ping", {});
  directory[4] = "--scenario=/tmp";
  const std::vector<Row> rows{
      {"nobody there", command(nobody, "ping", {"--smoke"}), "Connection refused"},
      {"wrong token", wrong_token, "bad_admin_token"},
      {"no scenario", command(here(), "nothing", {}), "cannot read "},
      {"a directory", directory, "it is a directory"},
      {"no place", command(here(), "ping", {"--json=/no/such/place/a.json"}),
       "cannot write /no/such/place/a.json: No such file or directory"},
      {"the same twice", command(here(), "ping", {"--json=/dev/null", "--html=/dev/null"}),
       "--json and --html are the same file"},
      {"too many", command(here(), "ping", {"--smoke", "--connections=1000000"}), "open files"},
  };
  for_each_row(rows, [](const Row& row) {
    ChildProcess bench{row.command, {}};
    EXPECT_EQ(bench.wait_exit(), 1);
    bench.await_end_of_output();
    EXPECT_THAT(bench.output(), ::testing::HasSubstr(row.text));
  });
}

}  // namespace
}  // namespace parsec::testing
