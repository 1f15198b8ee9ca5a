// app/administration.md: what balancers, service managers and Prometheus see of a server, in each
// of its states.
#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <regex>

#include "tests/integration/integration_test.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {
namespace {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;
};

Answer ask(const Address& address, const std::string& target, const std::string& method = "GET",
           const std::string& header = "") {
  Socket socket{address};
  socket.send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header +
              "\r\n");
  while (socket.receive(within(patience))) {
  }
  const auto end = socket.input.find("\r\n\r\n");
  if (end == std::string::npos) return {.status = 0, .head = socket.input, .body = ""};
  return {.status = std::stoi(socket.input.substr(9, 3)),
          .head = socket.input.substr(0, end),
          .body = socket.input.substr(end + 4)};
}

/// The answer that fulfils the condition, or the last one before the time is over.
template <class Condition>
Answer await(const Address& address, const std::string& target, Condition condition) {
  const auto deadline = within(Duration{30'000});
  for (;;) {
    Answer answer;
    try {
      answer = ask(address, target);
    } catch (const std::exception&) {
      // nobody listens yet
    }
    if (condition(answer) || std::chrono::steady_clock::now() > deadline) return answer;
    std::this_thread::sleep_for(20ms);
  }
}

Answer await_body(const Address& address, const std::string& target, const std::string& text) {
  return await(address, target,
               [&](const Answer& answer) { return answer.body.find(text) != std::string::npos; });
}

constexpr const char* ready = "{\"status\": \"ready\", \"level\": 5}\n";

std::string not_ready(const std::string& reasons, const std::string& level = "5") {
  return "{\"status\": \"not_ready\", \"level\": " + level + ", \"reasons\": [" + reasons + "]}\n";
}

/// A server with a listener for monitoring.
class MonitoredServer {
 public:
  explicit MonitoredServer(std::vector<std::string> arguments = {}, std::string database = "") {
    metrics.port = free_port();
    arguments.push_back("--metrics-listen=127.0.0.1:" + std::to_string(metrics.port));
    ServerOptions options{.arguments = std::move(arguments)};
    options.database = database.empty() ? Deployment::get().database_url() : database;
    server = std::make_unique<ServerProcess>(options);
  }

  std::string metric(const std::string& series) const {
    const std::string body = "\n" + ask(metrics, "/metrics").body;
    const auto at = body.find("\n" + series + " ");
    if (at == body.npos) return "<absent>";
    const auto value = at + series.size() + 2;
    return body.substr(value, body.find('\n', value) - value);
  }

  Address metrics;
  std::unique_ptr<ServerProcess> server;
};

class Monitoring : public IntegrationTest {};

TEST_F(Monitoring, HealthyAndReadyOnBothPorts) {
  const MonitoredServer monitored;
  for (const Address& address : {monitored.server->address(), monitored.metrics}) {
    for (const char* path : {"/health", "/health/live"}) {
      const Answer answer = ask(address, path);
      EXPECT_EQ(answer.status, 200);
      EXPECT_EQ(answer.body, "{\"status\": \"ok\"}\n");
      EXPECT_NE(answer.head.find("content-type: application/json"), std::string::npos);
      EXPECT_NE(answer.head.find("cache-control: no-store"), std::string::npos);
    }
    for (const char* path : {"/ready", "/health/ready"}) {
      EXPECT_EQ(ask(address, path).status, 200);
      EXPECT_EQ(ask(address, path).body, ready);
      EXPECT_EQ(ask(address, path, "HEAD").status, 200);
      EXPECT_EQ(ask(address, path, "HEAD").body, "");
      EXPECT_EQ(ask(address, path, "DELETE").status, 405);
    }
  }
  EXPECT_EQ(ask(monitored.server->address(), "/metrics").status, 404);
  EXPECT_EQ(ask(monitored.metrics, "/").status, 404);
  EXPECT_EQ(ask(monitored.metrics, "/metrics", "DELETE").status, 405);
}

TEST_F(Monitoring, IsNeverRedirectedToHttps) {
  const MonitoredServer monitored{{"--forward-proto-enforce-https=X-Forwarded-Proto:https"}};
  const Address& address = monitored.server->address();
  EXPECT_EQ(ask(address, "/", "GET", "X-Forwarded-Proto: http\r\n").status, 301);
  EXPECT_EQ(ask(address, "/health", "GET", "X-Forwarded-Proto: http\r\n").status, 200);
  EXPECT_EQ(ask(address, "/ready", "GET", "X-Forwarded-Proto: http\r\n").status, 200);
}

TEST_F(Monitoring, MetricsMayNeedAToken) {
  const MonitoredServer monitored{{"--metrics-token=hidden-secret", "--log-level=DEBUG"}};
  EXPECT_EQ(ask(monitored.metrics, "/metrics").status, 401);
  for (const char* wrong : {"Bearer hidden", "bearer hidden-secret", "hidden-secret",
                            "Bearer hidden-secret2", "Basic hidden-secret"}) {
    const auto header = std::string{"Authorization: "} + wrong + "\r\n";
    EXPECT_EQ(ask(monitored.metrics, "/metrics", "GET", header).status, 401) << wrong;
  }
  const std::string right = "Authorization: Bearer hidden-secret\r\n";
  EXPECT_EQ(ask(monitored.metrics, "/metrics", "GET", right).status, 200);
  EXPECT_EQ(ask(monitored.metrics, "/health").status, 200) << "for everybody";
  const std::string output = monitored.server->process().output();
  EXPECT_EQ(output.find("hidden-secret"), std::string::npos) << output;
}

TEST_F(Monitoring, AcceptDecidesOnTheFormat) {
  const MonitoredServer monitored;
  const Answer text = ask(monitored.metrics, "/metrics");
  EXPECT_NE(text.head.find("content-type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_EQ(text.body.find("# EOF"), std::string::npos);
  const Answer open = ask(monitored.metrics, "/metrics", "GET",
                          "Accept: application/openmetrics-text;version=1.0.0\r\n");
  EXPECT_NE(open.head.find("content-type: application/openmetrics-text; version=1.0.0"),
            std::string::npos);
  EXPECT_TRUE(open.body.ends_with("\n# EOF\n"));
}

TEST_F(Monitoring, CountsWhatClientsDo) {
  const MonitoredServer monitored;
  const auto alice = this->alice();
  Session here = again(alice, monitored.server->address());
  EXPECT_THAT(here.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  const Uuid realm_id = here.create_realm();
  here.create_block(realm_id);
  EXPECT_EQ(monitored.metric("parsec_connections{kind=\"authenticated\"}"), "1");
  EXPECT_EQ(monitored.metric("parsec_handshakes_total{api_major=\"2\",result=\"ok\"}"), "1");
  EXPECT_EQ(monitored.metric("parsec_requests_total{command=\"ping\",status=\"ok\"}"), "1");
  EXPECT_EQ(monitored.metric("parsec_request_duration_seconds_count{command=\"realm_create\"}"),
            "1");
  EXPECT_EQ(monitored.metric("parsec_block_store_requests_total{store=\"0_postgresql\","
                             "operation=\"create\",outcome=\"ok\"}"),
            "1");
  EXPECT_EQ(monitored.metric("parsec_listen_up"), "1");
  EXPECT_EQ(monitored.metric("parsec_database_level"), "5");
  EXPECT_EQ(monitored.metric("parsec_http_requests_total{route=\"websocket\",code=\"101\"}"), "1");
  EXPECT_NE(monitored.metric("parsec_received_bytes_total{transport=\"websocket\"}"), "0");
  EXPECT_NE(monitored.metric("parsec_database_commit_duration_seconds_count{worker=\"0\"}"), "0");
  const std::string all = ask(monitored.metrics, "/metrics").body;
  for (const std::string& personal :
       {std::string{alice.organization().id()}, std::string{"alice"}, realm_id.hex()}) {
    EXPECT_EQ(all.find(personal), std::string::npos) << personal;
  }
}

TEST_F(Monitoring, StartingUntilTheDatabaseIsThere) {
  Address metrics{.port = free_port()};
  ChildProcess process{
      {parsec_program(), "backend", "run", "--dev", "--port=" + std::to_string(free_port()),
       "--db=postgresql://nobody@127.0.0.1:1/none", "--db-first-tries-number=0",
       "--metrics-listen=127.0.0.1:" + std::to_string(metrics.port)},
      {}};
  EXPECT_EQ(await_body(metrics, "/ready", "starting").body, not_ready("\"starting\"", "null"));
  EXPECT_EQ(ask(metrics, "/ready").status, 503);
  EXPECT_EQ(ask(metrics, "/health").status, 200);
  const std::string told = ask(metrics, "/metrics").body;
  EXPECT_NE(told.find("parsec_not_ready{reason=\"starting\"} 1\n"), std::string::npos);
  EXPECT_EQ(told.find("parsec_connections"), std::string::npos);
}

TEST_F(Monitoring, StoppingIsToldWhileClientsAreServed) {
  MonitoredServer monitored{{"--drain-time=600"}};
  Session alice = again(this->alice(), monitored.server->address());
  monitored.server->process().signal(SIGTERM);
  for (const Address& address : {monitored.metrics, monitored.server->address()}) {
    EXPECT_EQ(await_body(address, "/ready", "stopping").body, not_ready("\"stopping\""));
    EXPECT_EQ(ask(address, "/health").status, 200);
  }
  EXPECT_THAT(alice.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  monitored.server->process().signal(SIGTERM);  // at once
  EXPECT_EQ(monitored.server->process().wait_exit(), -SIGTERM);
}

TEST_F(Monitoring, StopsBehindTheDrainTime) {
  MonitoredServer monitored{{"--drain-time=0.3"}};
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(monitored.server->stop(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 300ms);
}

/// With a PostgreSQL of its own, that tests take away.
class MonitoringOfDatabase : public Monitoring {
 protected:
  MonitoringOfDatabase() {
    const auto migrated = run_parsec({"backend", "migrate", "--db", postgres.url()});
    EXPECT_EQ(migrated.exit, 0) << migrated.output;
    monitored.emplace(std::vector<std::string>{}, postgres.url());
  }
  void admin(const std::string& sql) {
    auto connection = open_connection(postgres.conninfo("postgres"));
    run_sql(connection, sql);
  }
  void expect_both(const std::string& body) {
    for (const Address& address : {monitored->metrics, monitored->server->address()}) {
      EXPECT_EQ(await_body(address, "/ready", body).body, body);
      EXPECT_EQ(ask(address, "/health").status, 200) << "nothing hangs";
    }
  }

  PrivatePostgres postgres;
  std::optional<MonitoredServer> monitored;
};

TEST_F(MonitoringOfDatabase, GoneAndBack) {
  postgres.stop();
  expect_both(not_ready("\"database_unreachable\", \"listen_down\""));
  EXPECT_EQ(monitored->metric("parsec_database_up"), "0");
  postgres.start();
  expect_both(ready);
}

TEST_F(MonitoringOfDatabase, NotificationsGone) {
  admin("ALTER DATABASE parsec ALLOW_CONNECTIONS false");
  admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
  expect_both(not_ready("\"listen_down\""));
  EXPECT_EQ(monitored->metric("parsec_listen_up"), "0");
  admin("ALTER DATABASE parsec ALLOW_CONNECTIONS true");
  expect_both(ready);
}

TEST_F(MonitoringOfDatabase, SomebodyMigratesIt) {
  auto connection = open_connection(postgres.conninfo());
  run_sql(connection,
          "INSERT INTO migration (_id, name, applied) SELECT 6, 'from the future', now()");
  expect_both(not_ready("\"wrong_level\"", "6"));
  run_sql(connection, "DELETE FROM migration WHERE _id = 6");
  expect_both(ready);
}

/// As an administrator who looks for what was slow would see it.
TEST_F(Monitoring, SlowRequestsAreTold) {
  const MonitoredServer monitored{{"--slow-request=0.2", "--log-format=JSON"}};
  Session alice = again(this->alice(), monitored.server->address());
  const Uuid realm_id = alice.create_realm();
  const Uuid vlob_id = alice.create_vlob(realm_id, "vlob"_bin);
  EXPECT_EQ(monitored.server->process().output().find("Slow request"), std::string::npos);
  DatabaseProbe other{Deployment::get().database_url()};
  other.execute("BEGIN");
  other.execute("LOCK TABLE vlob_atom IN ACCESS EXCLUSIVE MODE");
  alice.start("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
  std::this_thread::sleep_for(300ms);  // what is slow takes time
  other.execute("ROLLBACK");
  EXPECT_THAT(alice.reply(), Status("ok"));
  EXPECT_TRUE(monitored.server->process().await_output("\"event\":\"Slow request\""));
  const std::string output = monitored.server->process().output();
  const std::regex line{R"(.*"event":"Slow request".*"organization_id":")" +
                        std::string{alice.organization().id()} +
                        R"(","cmd":"vlob_read","duration":[\d.]+,"database_wait":[\d.e-]+,)"
                        R"("database_time":[\d.]+.*)"};
  EXPECT_TRUE(std::regex_search(output, line)) << output;
}

/// Stops one thread of a process, as a loop without an end in it would; until the end of this.
class StoppedThread {
 public:
  StoppedThread(pid_t process, const std::string& name) : thread_(find(process, name)) {
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr), 0) << std::strerror(errno);
    EXPECT_EQ(::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr), 0) << std::strerror(errno);
    int status = 0;
    EXPECT_EQ(::waitpid(thread_, &status, __WALL), thread_);
  }
  ~StoppedThread() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  static pid_t find(pid_t process, const std::string& name) {
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator{tasks}) {
      std::ifstream file{task.path() / "comm"};
      std::string comm;
      if (std::getline(file, comm) && comm == name) return std::stoi(task.path().filename());
    }
    throw std::runtime_error("no thread " + name);
  }

  const pid_t thread_;
};

TEST_F(Monitoring, AThreadThatHangsIsNamed) {
  const struct {
    const char* name;
    const char* thread;
    const char* told;
  } rows[] = {{"shard", "shard-1", "shard 1"}, {"worker", "db-worker-0", "database worker 0"}};
  for_each_row(rows, [](const auto& row) {
    const MonitoredServer monitored{{"--shards=2", "--hung-after=2"}};
    EXPECT_EQ(ask(monitored.metrics, "/health").status, 200);
    {
      const StoppedThread stopped{monitored.server->process().pid(), row.thread};
      const Answer failing = await_body(monitored.metrics, "/health", "failing");
      EXPECT_EQ(failing.status, 503);
      const std::regex body{R"(\{"status": "failing", "reasons": \[")" + std::string{row.told} +
                            R"(: no turn for \d+ s"\]\}\n)"};
      EXPECT_TRUE(std::regex_match(failing.body, body)) << failing.body;
      EXPECT_EQ(monitored.metric("parsec_stalled_threads"), "1");
    }
    EXPECT_EQ(await_body(monitored.metrics, "/health", "ok").status, 200) << "it goes on";
  });
}

/// On the main port another shard tells. The kernel gives connections to both, so some of them
/// wait.
TEST_F(Monitoring, TheOtherShardTellsOfTheOneThatHangs) {
  const MonitoredServer monitored{{"--shards=2", "--hung-after=2"}};
  const StoppedThread stopped{monitored.server->process().pid(), "shard-0"};
  await_body(monitored.metrics, "/health", "failing");
  std::vector<std::unique_ptr<Socket>> sockets;
  for (int i = 0; i < 64; ++i) {
    sockets.push_back(std::make_unique<Socket>(monitored.server->address()));
    sockets.back()->send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  const auto told = [](const auto& socket) {
    socket->receive_available();
    return socket->input.find("shard 0: no turn for") != std::string::npos;
  };
  const auto deadline = within(patience);
  while (std::ranges::none_of(sockets, told) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(std::ranges::any_of(sockets, told));
}

TEST_F(Monitoring, AnIdleServerTurnsOver) {
  const MonitoredServer monitored{{"--hung-after=2"}};
  const auto deadline = within(Duration{4'000});
  while (std::chrono::steady_clock::now() < deadline) {
    // Not on the main port: that would be something to do.
    ASSERT_EQ(ask(monitored.metrics, "/health").body, "{\"status\": \"ok\"}\n");
    std::this_thread::sleep_for(50ms);
  }
}

TEST_F(Monitoring, APortThatIsTakenIsAnError) {
  const MonitoredServer first;
  const auto second =
      run_parsec({"backend", "run", "--dev",
                  "--metrics-listen=127.0.0.1:" + std::to_string(first.metrics.port)});
  EXPECT_EQ(second.exit, 1);
  EXPECT_NE(second.output.find("--metrics-listen: "), std::string::npos) << second.output;
}

}  // namespace
}  // namespace parsec::testing
