// What is too much is refused, and the others do not notice (options of `backend run`,
// protocol/1-transport.md).
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "tests/faults/background_client.h"
#include "tests/faults/raw_connections.h"
#include "tests/support/database_probe.h"

namespace parsec::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Lt;

constexpr std::size_t kibibyte = 1024;

/// As long as it lives, servers start as the last command of that line of shell: the server raises
/// a soft limit, and this process could not raise a hard one again.
class LimitedProgram {
 public:
  explicit LimitedProgram(const std::string& before) {
    const std::string program = parsec_program();
    const int descriptor = ::mkstemp(script_.data());
    const std::string text = "#!/bin/sh\n" + before + " '" + program + "' \"$@\"\n";
    const bool written = ::write(descriptor, text.data(), text.size()) == std::ssize(text);
    ::fchmod(descriptor, 0700);
    ::close(descriptor);
    if (!written) throw ClientError("cannot write " + script_);
    if (const char* chosen = std::getenv(variable)) chosen_ = chosen;
    ::setenv(variable, script_.c_str(), 1);
  }
  ~LimitedProgram() {
    if (chosen_) {
      ::setenv(variable, chosen_->c_str(), 1);
    } else {
      ::unsetenv(variable);
    }
    ::unlink(script_.c_str());
  }
  LimitedProgram(const LimitedProgram&) = delete;
  LimitedProgram& operator=(const LimitedProgram&) = delete;

 private:
  static constexpr const char* variable = "PARSEC_PROGRAM";
  std::string script_ = (std::filesystem::temp_directory_path() / "parsec-test-XXXXXX").native();
  std::optional<std::string> chosen_;
};

class LimitsUnderLoad : public FaultTest {
 protected:
  void start(std::vector<std::string> arguments = {},
             BackgroundClient::Work work = BackgroundClient::Work::all) {
    arguments.push_back("--shards=1");
    server_ = start_server(std::move(arguments));
    organization_ = organization(*server_);
    background_ = std::make_unique<BackgroundClient>(organization_, work);
    ASSERT_TRUE(background_->await_rounds(20));
  }
  const Address& address() const { return server_->address(); }
  void check_background() {
    EXPECT_TRUE(background_->await_rounds(20));
    background_->stop();
    EXPECT_EQ(background_->failure(), "");
  }
  /// With a limit of open files that leaves room for so many connections, and --max-connections
  /// above it. (Not changed in the running server: io_uring reads it when an accept is armed.)
  void start_with_open_files(std::size_t room, BackgroundClient::Work work) {
    start({"--max-connections=1000"}, work);
    const std::size_t needed = open_files(*server_) - 1;  // the background client's
    background_->stop();
    EXPECT_EQ(server_->stop(), 0);
    {
      const LimitedProgram limited{"ulimit -n " + std::to_string(needed + room) + "; exec"};
      server_->start();
    }
    background_ = std::make_unique<BackgroundClient>(organization_, work);
    ASSERT_TRUE(background_->await_rounds(20));
  }

  std::unique_ptr<ServerProcess> server_;
  std::shared_ptr<Organization> organization_;
  std::unique_ptr<BackgroundClient> background_;
};

// --- Messages and heads --------------------------------------------------------------------------

TEST_F(LimitsUnderLoad, MessageSize) {
  start({"--max-message-size=64KiB"});
  const auto ping_of = [](std::size_t message_bytes) {
    const std::size_t around =
        pack(Map{{"cmd", "ping"}, {"ping", std::string(40'000, 'p')}}).size();
    const std::string text(message_bytes - (around - 40'000), 'p');
    return pack(Map{{"cmd", "ping"}, {"ping", text}});
  };
  // A text of 40,000 bytes and one of 64 KiB have a length of the same size.
  const std::string largest = ping_of(64 * kibibyte);
  const std::string too_large = ping_of(64 * kibibyte + 1);
  ASSERT_EQ(largest.size(), 64 * kibibyte);
  ASSERT_EQ(too_large.size(), 64 * kibibyte + 1);

  struct Row {
    const char* name;
    std::string bytes;
    bool accepted;
  } const rows[] = {
      {"the largest", frame(Opcode::binary, largest), true},
      {"the largest, in two frames",
       frame(Opcode::binary, largest.substr(0, 1000), {.fin = false}) +
           frame(Opcode::continuation, largest.substr(1000)),
       true},
      {"one byte more", frame(Opcode::binary, too_large), false},
      {"one byte more, in two frames",
       frame(Opcode::binary, too_large.substr(0, 1000), {.fin = false}) +
           frame(Opcode::continuation, too_large.substr(1000)),
       false},
      {"announced only", frame(Opcode::binary, std::string(100'000, 'x')).substr(0, 20), false},
      {"beyond all memory",
       "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
       "maskx",
       false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Session alice = organization_->connect(organization_->alice());
    alice.send_raw(row.bytes);
    if (row.accepted) {
      EXPECT_EQ(alice.reply()["status"], Document("ok"));
    } else {
      EXPECT_EQ(alice.wait_end(), 1009);
    }
  }
  check_background();
}

TEST_F(LimitsUnderLoad, HeadSize) {
  start();
  RawConnections connections{address()};
  connections.join(3);
  const std::string line = "x-filler: " + std::string(1000, 'f') + "\r\n";
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += line;
  connections.send(0, "GET / HTTP/1.1\r\n" + lines);           // unfinished
  connections.send(1, "GET / HTTP/1.1\r\n" + lines + "\r\n");  // finished
  connections.send(2, "GET /" + std::string(20'000, 'u') + " HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return connections.ended() == 3; })) << connections.ended();
  check_background();
}

// --- Requests that wait --------------------------------------------------------------------------

/// Behind a request that is stuck in the database others wait, up to a bound; then TCP holds the
/// client back. Once it goes on, all are served, in their order.
TEST_F(LimitsUnderLoad, WaitingRequests) {
  start({}, BackgroundClient::Work::pings);
  constexpr int updates = 400;
  constexpr std::size_t blob_bytes = 64 * kibibyte;  // 25 MiB in all
  std::int64_t grown = 0;
  // The first round fills what is kept for all later ones: receive buffers, for instance.
  for (int round = 0; round < 2; ++round) {
    Session alice = organization_->connect(organization_->alice());
    const Uuid vlob_id = alice.create_vlob(alice.create_realm());

    DatabaseProbe lock{database_url()};
    lock.execute("BEGIN");
    lock.execute("LOCK TABLE vlob_atom IN ACCESS EXCLUSIVE MODE");
    const std::int64_t before = resident_bytes(*server_);
    const std::uint64_t received = Counters{*server_}.shards("received_bytes");
    for (int version = 2; version < 2 + updates; ++version) {
      alice.start("vlob_update", Session::update_fields(vlob_id, version, Octets(blob_bytes, 'b')));
    }
    EXPECT_TRUE(background_->await_rounds(500));
    const std::uint64_t taken = Counters{*server_}.shards("received_bytes") - received;
    grown = resident_bytes(*server_) - before;
    EXPECT_THAT(taken, AllOf(Gt(128 * kibibyte), Lt(8192 * kibibyte)));
    report("of ", updates * blob_bytes / kibibyte, " KiB of requests the server took ",
           taken / kibibyte, " KiB while the first was stuck, and grew by ",
           grown / static_cast<std::int64_t>(kibibyte), " KiB");

    lock.execute("COMMIT");
    for (int version = 2; version < 2 + updates; ++version) {
      ASSERT_EQ(alice.reply()["status"], Document("ok")) << "version " << version;
    }
  }
  EXPECT_THAT(grown, Lt(12'288 * static_cast<std::int64_t>(kibibyte)));
  check_background();
}

// --- Connections ---------------------------------------------------------------------------------

TEST_F(LimitsUnderLoad, MaxConnections) {
  start({"--max-connections=40", "--max-strangers=100"});
  RawConnections connections{address()};
  connections.join(100);
  EXPECT_TRUE(eventually([&] { return connections.ended() == 61; }))
      << connections.ended() << " turned away";
  EXPECT_THROW(Connection{address()}, ClientError);
  EXPECT_EQ(connections.ended(), 61U) << "those who were there stay";
  connections.leave();
  EXPECT_TRUE(eventually([this] { return Counters{*server_}.connections() == 1; }));
  organization_->connect(organization_->alice()).require("ping", {{"ping", "back"}});
  EXPECT_THAT(Counters{*server_}.shards("accept_refused"), Ge(61));
  EXPECT_THAT(server_->process().output(), ::testing::HasSubstr("clients were turned away"));
  check_background();
}

TEST_F(LimitsUnderLoad, OpenFiles) {
  constexpr std::size_t room = 16;
  start_with_open_files(room, BackgroundClient::Work::all);
  RawConnections connections{address()};
  connections.join(64);  // the kernel takes them in its queue
  EXPECT_TRUE(eventually([this] { return Counters{*server_}.shards("accept_pauses") > 0; }));
  EXPECT_THAT(server_->process().output(), ::testing::HasSubstr("Clients cannot be let in"));
  EXPECT_THAT(Counters{*server_}.connections(), Lt(room + 8)) << "give or take the server's own";
  EXPECT_TRUE(background_->await_rounds(50)) << "who is there is served";
  // They leave: those in the queue are let in, and a new one.
  connections.leave();
  organization_->connect(organization_->alice()).require("ping", {{"ping", "back"}});
  EXPECT_TRUE(eventually([this] { return Counters{*server_}.connections() == 1; }));
  check_background();
}

/// The kernel counts the queues of io_uring against it where the process has no CAP_IPC_LOCK.
TEST_F(LimitsUnderLoad, LockedMemory) {
  const LimitedProgram limited{
      "ulimit -l 1024; without=; [ $(id -u) != 0 ] || "
      "without='setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock'; exec $without"};
  const auto server = start_server({"--shards=24"});
  const std::string said = server->process().output();
  if (said.find("memory may be locked") == said.npos) {
    GTEST_SKIP() << "this kernel does not count io_uring's queues as locked memory";
  }
  EXPECT_THAT(said, ::testing::HasSubstr("entries instead of 4096"));
  EXPECT_THAT(said, ::testing::HasSubstr("shards instead of 24"));
  const auto served = organization(*server);
  for (int i = 0; i < 50; ++i) {  // of all its shards
    served->connect(served->alice()).require("ping", {{"ping", "back"}});
  }
}

/// The same while the database is lost: no descriptor is left for new connections to it.
TEST_F(LimitsUnderLoad, OpenFilesAndNoDatabase) {
  start_with_open_files(16, BackgroundClient::Work::pings);
  RawConnections connections{address()};
  connections.join(128);
  ASSERT_TRUE(eventually([this] { return Counters{*server_}.shards("accept_pauses") > 0; }));
  DatabaseProbe database{database_url()};
  database.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'parsec'");
  ASSERT_TRUE(background_->await_rounds(200));
  connections.leave();
  const auto started = Clock::now();
  const auto served = [this] {
    try {
      organization_->connect(organization_->alice()).require("ping", {{"ping", "back"}});
      return true;
    } catch (const ConnectionEnded&) {
      return false;
    }
  };
  EXPECT_TRUE(eventually(served, 10s));
  report("out of open files, and the database lost: served again after ",
         milliseconds_since(started), " ms");
  check_background();
}

}  // namespace
}  // namespace parsec::testing
