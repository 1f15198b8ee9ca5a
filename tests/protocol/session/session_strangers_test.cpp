// What peers that nobody knows may take: memory, time, connections, guesses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/service_fixture.h"

namespace parsec::protocol {
namespace {

using namespace std::chrono_literals;
using websocket::Opcode;

class SessionStrangers : public ::testing::Test, protected testing::ServiceFixture {
 protected:
  void flood(engine::ConnectionId id, int pings) {
    const std::string payload(125, 'p');
    for (int i = 0; i < pings; ++i) frame(id, Opcode::ping, as_bytes(payload));
  }
  /// A masked frame of so many zeros.
  void send_bytes(engine::ConnectionId id, std::size_t count) {
    const std::string bytes(count, '\0');
    frame(id, Opcode::binary, as_bytes(bytes));
  }
  engine::ConnectionId send_token(std::string_view token) {
    const auto id = open_websocket();
    send(id, 4, [&](msgpack::Writer& writer) {
      writer.str("handshake"), writer.str("answer");
      writer.str("client_api_version"), writer.array(2), writer.integer(1), writer.integer(2);
      writer.str("type"), writer.str("administration");
      writer.str("token"), writer.str(token);
    });
    return id;
  }
};

// --- Pings that nobody reads the answers of

TEST_F(SessionStrangers, ADeafPeerGetsOnePongForAllItsPings) {
  for (const auto id : {open_websocket(), open_anonymous("Org"), open_device("Org", "alice@dev1"),
                        open_administration()}) {
    transport[id].output.clear();
    flood(id, 20'000);
    EXPECT_LT(transport[id].output.size(), settings.pong_high_water + 256);
    EXPECT_TRUE(transport[id].wants_drained);
    frame(id, Opcode::ping, as_bytes("newest"));
    transport[id].output.clear();
    service.on_drained(id);
    const auto sent = take_sent(id);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].opcode, Opcode::pong);
    EXPECT_EQ(as_text(sent[0].payload), "newest");
    service.on_drained(id);
    EXPECT_TRUE(take_sent(id).empty());
  }
}

TEST_F(SessionStrangers, ADeafStrangersRequestsWaitEarly) {
  const auto id = open_anonymous("Org");
  transport[id].output.clear();
  for (int i = 0; i < 10'000 && !transport[id].reading_paused; ++i) send_command(id, "nope");
  EXPECT_TRUE(transport[id].reading_paused);
  EXPECT_LT(transport[id].output.size(), 2 * settings.stranger_high_water);
  EXPECT_TRUE(transport[id].wants_drained);
}

TEST_F(SessionStrangers, PagesThatNobodyReadsAreFew) {
  const auto id = open();
  for (int i = 0; i < 1000 && !is_closed(id); ++i) raw(id, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(is_closed(id));
  EXPECT_LT(transport[id].output.size(), settings.stranger_high_water + 16 * 1024);
}

// --- Messages before the handshake is over

TEST_F(SessionStrangers, NothingLargeIsTakenWhileTheDatabaseIsAsked) {
  const auto id = start_device("Org", "alice@dev1");
  send_bytes(id, settings.max_handshake_bytes + 1);
  EXPECT_EQ(take_sent(id).back().close_code(), 1009);
}

TEST_F(SessionStrangers, NothingMoreIsReadWhileTheDatabaseIsAsked) {
  const auto id = start_device("Org", "alice@dev1");
  EXPECT_FALSE(transport[id].reading_paused);
  send_ping(id, "x");
  EXPECT_TRUE(transport[id].reading_paused);
  answer_handshake("alice@dev1");
  EXPECT_FALSE(transport[id].reading_paused);
}

// --- Time

TEST_F(SessionStrangers, AnAnonymousConnectionMustAskSomething) {
  const auto id = open_anonymous("Org");
  EXPECT_EQ(transport[id].deadline, settings.anonymous_timeout);
  transport[id].deadline.reset();
  send_ping(id, "x");
  EXPECT_EQ(transport[id].deadline, settings.anonymous_timeout);
  service.on_deadline(id);
  EXPECT_TRUE(is_closed(id));
  EXPECT_EQ(take_sent(id).back().close_code(), 1000);
}

TEST_F(SessionStrangers, WhoIsKnownMayIdleForEver) {
  for (const auto id : {open_device("Org", "alice@dev1"), open_administration()}) {
    send_ping(id, "x");
    EXPECT_EQ(transport[id].deadline, std::nullopt);
  }
}

// --- Connections

TEST_F(SessionStrangers, TheOldestThatIdlesMakesRoom) {
  settings.max_strangers = 3;
  const auto member = open_device("Org", "alice@dev1");
  const auto busy = start_device("Org", "bob@dev1");
  const auto idle = open_websocket();
  const auto silent = open();
  const auto fresh = open();
  EXPECT_EQ(transport[idle].closed, engine::CloseMode::abort);
  for (const auto id : {member, busy, silent, fresh}) EXPECT_FALSE(is_closed(id));
}

TEST_F(SessionStrangers, WhoWasRefusedMakesRoomFirst) {
  settings.max_strangers = 2;
  const auto refused = open();
  raw(refused, "nonsense\r\n\r\n");
  ASSERT_EQ(transport[refused].closed, engine::CloseMode::after_flush);
  const auto guesser = send_token("wrong");
  const auto fresh = open();
  EXPECT_EQ(transport[refused].closed, engine::CloseMode::abort);
  const auto fresher = open();
  EXPECT_EQ(transport[guesser].closed, engine::CloseMode::abort);
  for (const auto id : {fresh, fresher}) EXPECT_FALSE(is_closed(id));
}

TEST_F(SessionStrangers, AnAnonymousConnectionIsAStranger) {
  settings.max_strangers = 2;
  const auto anonymous = open_anonymous("Org");
  open_administration();
  const auto silent = open();
  EXPECT_FALSE(is_closed(anonymous));
  open();
  EXPECT_TRUE(is_closed(anonymous));
  EXPECT_FALSE(is_closed(silent));
}

// --- Guesses

TEST_F(SessionStrangers, AWrongTokenIsAnsweredAfterAPause) {
  const auto first = send_token("wrong");
  EXPECT_TRUE(take_sent(first).empty());
  EXPECT_EQ(transport[first].deadline, settings.wrong_token_pause);
  const auto second = send_token("wrong");
  EXPECT_EQ(transport[second].deadline, 2 * settings.wrong_token_pause);
  service.on_deadline(first);
  ASSERT_EQ(take_sent(first).size(), 2U);  // the refusal, the Close
  EXPECT_TRUE(is_closed(first));
  // The right one is not kept waiting.
  const auto right = send_token("s3cr3t");
  EXPECT_EQ(take_sent(right).size(), 1U);
  EXPECT_EQ(transport[right].deadline, std::nullopt);
}

}  // namespace
}  // namespace parsec::protocol
