// Bounds and deadlines: protocol/1-transport.md §1.1, §1.2 (head, message), protocol/2-handshake.md
// (deadline), protocol/6-events.md §6.1 (queue), and peers that do not read, do not speak, or are
// many.
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// Against a server whose limits are tight, so that they can be met.
class Limits : public IntegrationTest {
 protected:
  static constexpr std::size_t message_bytes = 65'536;
  static constexpr Duration deadline{1'000};

  static void SetUpTestSuite() {
    server_ = Deployment::get().start_server(
        {.arguments = {"--head-timeout=1", "--handshake-timeout=1", "--max-message-size=64KiB",
                       "--max-waiting-events=10"}});
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(server_->stop(), 0) << server_->process().output();
    server_.reset();
  }

  static const Address& tight() { return server_->address(); }
  static Session tight_session() {
    const auto made = organization();
    return made->connect(made->alice(), tight());
  }

  static std::size_t resident_bytes() {
    std::ifstream file{"/proc/" + std::to_string(server_->process().pid()) + "/statm"};
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * 4096;
  }

  static inline std::unique_ptr<ServerProcess> server_;
};

// --- Messages ------------------------------------------------------------------------------------

TEST_F(Limits, MessagesUpToTheBoundAndNotBeyond) {
  Session session = tight_session();
  // A ping request of exactly that many octets.
  const auto request = [](std::size_t size) {
    const Map fields{{"cmd", "ping"}, {"ping", "x"}, {"more", Octets{1000, '\0'}}};
    const std::size_t without = pack(fields).size() - 1000;
    const Octets rest{size - without, '\0'};
    return pack(fields.with({{"more", rest}}));
  };
  const std::string largest = request(message_bytes);
  ASSERT_EQ(largest.size(), message_bytes);
  EXPECT_THAT(session.ask_raw(largest), Ok({{"pong", "x"}}));
  const std::string too_large = request(message_bytes + 1);
  const std::string_view text{too_large};
  struct Row {
    const char* name;
    std::string bytes;
  };
  const std::vector<Row> rows{
      {"in one frame", frame(Opcode::binary, text)},
      {"in fragments", frame(Opcode::binary, text.substr(0, 40'000), {.fin = false}) +
                           frame(Opcode::continuation, text.substr(40'000))},
      {"a length that is only announced", frame(Opcode::binary, text).substr(0, 15)},
      {"a length beyond every memory", "\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFmask and more"},
      {"text", frame(Opcode::text, std::string(message_bytes + 1, 't'))},
  };
  for_each_row(rows, [&](const Row& row) {
    Session one = again(session, tight());
    one.send_raw(row.bytes);
    EXPECT_EQ(one.wait_end(), 1009);
    EXPECT_FALSE(one.has_message());
  });
  // Empty fragments cost nothing, and the sum of the others counts.
  for (int i = 0; i < 20'000; ++i) {
    session.send_raw(frame(i == 0 ? Opcode::binary : Opcode::continuation, "", {.fin = false}));
  }
  session.send_raw(frame(Opcode::continuation, largest));
  EXPECT_THAT(session.reply(), Ok({{"pong", "x"}}));
}

TEST_F(Limits, DefaultBoundIs16MiB) {
  Session session = alice();
  constexpr std::size_t mib = 1'048'576;
  std::string request = "\x91" + pack("not a map, so that nothing is kept");
  request.resize(16 * mib, '\0');
  session.send_raw(frame(Opcode::binary, request));
  EXPECT_EQ(session.reply(), invalid_format);
  session.wait_end();
  Session other = again(session);
  request += '\0';
  other.send_raw(frame(Opcode::binary, request));
  EXPECT_EQ(other.wait_end(), 1009);
}

// --- Deadlines -----------------------------------------------------------------------------------

TEST_F(Limits, SilentConnectionsEndAndOthersDoNot) {
  const auto started = std::chrono::steady_clock::now();
  Session working = tight_session();
  Session listening = again(working, tight());
  listening.subscribe().start("events_listen");
  // Those with a deadline: no head, a part of one, one that drips, no answer to the challenge.
  Socket nothing{tight()};
  Socket part{tight()};
  part.send("GET / HTTP/1.1\r\nHost: x\r\n");
  Socket drip{tight()};
  drip.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  Connection unanswered{tight()};
  unanswered.challenge();
  Connection chatting{tight()};
  chatting.challenge();
  const auto ends_in_time = [&](const std::function<bool()>& ended) {
    const bool in_time = eventually(ended, 4 * deadline);
    EXPECT_GE(std::chrono::steady_clock::now() - started, deadline / 2);
    return in_time;
  };
  EXPECT_TRUE(ends_in_time([&] {  // neither a drip nor Pings put a deadline off
    drip.send("x");
    chatting.send_raw(frame(Opcode::ping, "x"));
    std::this_thread::sleep_for(20ms);
    drip.receive_available();
    chatting.poll_frames();
    return drip.ended() && chatting.socket().ended();
  }));
  for (Socket* socket : {&nothing, &part}) {
    EXPECT_FALSE(socket->receive(within(4 * deadline))) << socket->input;
  }
  unanswered.wait_end(4 * deadline);
  // Those without: nothing is said on them for longer than any of these deadlines.
  working.ping();
  listening.ping();
}

// --- Queues --------------------------------------------------------------------------------------

TEST_F(Limits, AnOverflowingQueueOfEventsIsNeverSilent) {
  auto [alice, bob] = pair();
  Session slow = again(bob, tight());
  slow.subscribe();
  bob.subscribe();
  for (int i = 0; i < 40; ++i) alice.require("ping", {{"ping", std::to_string(i)}});
  slow.wait_end();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(bob.next_event(), pinged(std::to_string(i)));
  // It comes back, and goes on.
  Session back = again(bob, tight());
  back.subscribe();
  alice.require("ping", {{"ping", "again"}});
  EXPECT_EQ(back.next_event(), pinged("again"));
}

TEST_F(Limits, APeerThatReadsNothingCostsNoMemory) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Octets block = random_octets(1'000'000);
  const Uuid block_id = alice.create_block(realm_id, block);
  Session other = again(alice, tight());
  const std::size_t before = resident_bytes();
  constexpr int requests = 150;
  Connection greedy{tight(), {.receive_buffer_size = 4096}};
  ASSERT_EQ(greedy.answer(alice.device().answer(greedy.challenge()))["result"], Document("ok"));
  for (int i = 0; i < requests; ++i) greedy.start("block_read", {{"block_id", block_id}});
  for (int i = 0; i < 20; ++i) {  // meanwhile others are served
    EXPECT_THAT(other.call("message_get", {{"offset", 0}}), Status("ok"));
  }
  EXPECT_LT(resident_bytes(), before + 60'000'000);
  for (int i = 0; i < requests; ++i) {
    const Document reply = greedy.reply();
    ASSERT_TRUE(reply["block"] == Document(block)) << i;
  }
}

TEST_F(Limits, RequestsThatWaitForTheirTurnAreAllServed) {
  Session session = tight_session();
  Session other = again(session, tight());
  constexpr int count = 5'000;
  for (int i = 0; i < count; ++i) {
    session.start(i % 2 == 0 ? "message_get" : "nope", {{"offset", 0}});
  }
  EXPECT_THAT(other.call("message_get", {{"offset", 0}}), Status("ok"));
  for (int i = 0; i < count; ++i) {
    EXPECT_THAT(session.reply(), Status(i % 2 == 0 ? "ok" : "unknown_command"));
  }
}

// --- Many ----------------------------------------------------------------------------------------

TEST_F(Limits, ThousandsOfIdleConnectionsBesideWorkingOnes) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  constexpr std::size_t count = 2'000;
  if (files.rlim_cur < 2 * count) GTEST_SKIP() << "too few descriptors: " << files.rlim_cur;
  Session working = alice();
  const Uuid vlob_id = working.create_vlob(working.create_realm());
  std::vector<Connection> idle;
  for (std::size_t i = 0; i < count; ++i) idle.emplace_back(here());
  for (Connection& connection : idle) {
    connection.challenge();
    connection.send(administration_answer(token));
  }
  for (Connection& connection : idle) EXPECT_EQ(connection.reply()["result"], Document("ok"));
  for (int version = 2; version < 20; ++version) working.update_vlob(vlob_id, version);
  for (std::size_t i = 0; i < count; i += 100) {
    EXPECT_THAT(idle[i].call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  }
  for (std::size_t i = 0; i < count; i += 2) idle[i].abort();
  for (std::size_t i = 1; i < count; i += 2) {
    idle[i].start("ping", {{"ping", std::to_string(i)}});
  }
  for (std::size_t i = 1; i < count; i += 2) {
    EXPECT_THAT(idle[i].reply(), Ok({{"pong", std::to_string(i)}}));
  }
  working.ping();
}

}  // namespace
}  // namespace parsec::testing
