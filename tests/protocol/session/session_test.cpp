// A session from its first byte to its last, with the database and the events in the test's hand.
#include "protocol/session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using ::testing::HasSubstr;
using websocket::Opcode;

class SessionTest : public ::testing::Test, public ServiceFixture {};

// --- protocol/1-transport.md §1.1, §1.2

TEST_F(SessionTest, ASilentPeerHasADeadlineUntilTheHandshakeIsOver) {
  const auto id = open();
  EXPECT_EQ(transport[id].deadline, settings.head_timeout);
  service.on_deadline(id);
  EXPECT_EQ(transport[id].closed, engine::CloseMode::abort);

  const auto upgraded = open_websocket();
  EXPECT_EQ(transport[upgraded].deadline, settings.handshake_timeout);
  service.on_deadline(upgraded);
  EXPECT_TRUE(is_closed(upgraded));

  EXPECT_EQ(transport[open_administration()].deadline, std::nullopt);
}

TEST_F(SessionTest, AHeadInPiecesAndWhatFollowsItInThePacketAreBothRead) {
  const auto id = open();
  raw(id, "GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(transport[id].output.empty());
  raw(id, "st: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto text = as_text(transport[id].output.bytes());
  EXPECT_THAT(std::string{text}, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(std::string{text}, HasSubstr("HTTP/1.1 404 Not Found"));
  EXPECT_FALSE(is_closed(id));
}

TEST_F(SessionTest, ABodyIsSkipped) {
  const auto id = open();
  raw(id, "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
  raw(id, "56789GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string text{as_text(transport[id].output.bytes())};
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 404 Not Found"));
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(SessionTest, AnEndlessHeadIsRefused) {
  const auto id = open();
  raw(id, "GET / HTTP/1.1\r\nX-Long: ");
  for (std::size_t sent = 0; sent <= settings.max_head_bytes && !is_closed(id); sent += 1000) {
    raw(id, std::string(1000, 'x'));
  }
  EXPECT_TRUE(is_closed(id));
}

TEST_F(SessionTest, APipelineOfPagesThatNobodyReadsEndsTheConnection) {
  const auto id = open();
  std::string heads;
  for (int i = 0; i < 20'000; ++i) heads += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  raw(id, heads);
  EXPECT_TRUE(is_closed(id));
  EXPECT_LT(transport[id].output.size(), settings.output_high_water + 4096);
}

TEST_F(SessionTest, WhatCameOverPlainHttpIsLedToHttps) {
  settings.forwarded_proto = protocol::ForwardedProto{"X-Forwarded-Proto", "https"};
  const auto id = open();
  raw(id, "GET /a HTTP/1.1\r\nHost: x\r\nx-forwarded-proto: http\r\n\r\n");
  raw(id, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http\r\nContent-Length: 4\r\n\r\nbody");
  raw(id, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n");
  raw(id, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string text{as_text(transport[id].output.bytes())};
  EXPECT_THAT(text, ::testing::MatchesRegex("HTTP/1.1 301 .*location: https://x/a\r\n.*"
                                            "HTTP/1.1 301 .*location: https://x/\r\n.*"
                                            "HTTP/1.1 200 OK.*HTTP/1.1 200 OK.*"));
  EXPECT_FALSE(is_closed(id));
}

TEST_F(SessionTest, AnUpgradeIsLeftAlone) {
  settings.forwarded_proto = protocol::ForwardedProto{"X-Forwarded-Proto", "https"};
  const auto id = open();
  raw(id,
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "X-Forwarded-Proto: http\r\n\r\n");
  EXPECT_THAT(std::string{as_text(transport[id].output.bytes())},
              ::testing::StartsWith("HTTP/1.1 101 "));
}

TEST_F(SessionTest, AHandshakeNeedsNoLargeMessage) {
  EXPECT_EQ(settings.max_handshake_bytes, 128U * 1024);
  for (const bool too_large : {false, true}) {
    const auto id = open_websocket();
    const std::string answer(settings.max_handshake_bytes + (too_large ? 1 : 0), '\0');
    frame(id, Opcode::binary, as_bytes(answer));
    const auto sent = take_sent(id);
    ASSERT_EQ(sent.size(), too_large ? 1U : 2U);  // else the refusal comes before the Close
    EXPECT_EQ(sent.back().close_code(), too_large ? 1009 : 1000);
  }
}

TEST_F(SessionTest, ALargeHandshakeIsRefusedWhenItIsAnnounced) {
  const auto id = open_websocket();
  // The head of a masked frame of 128 KiB + 1, and none of its bytes.
  raw(id, std::string_view{"\x82\xff\0\0\0\0\0\x02\0\x01mask", 14});
  raw(id, "x");
  EXPECT_EQ(take_sent(id).back().close_code(), 1009);
}

TEST_F(SessionTest, PingIsAnsweredInEveryState) {
  const auto id = open_websocket();
  frame(id, Opcode::ping, as_bytes("early"));
  auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].opcode, Opcode::pong);
  EXPECT_EQ(as_text(sent[0].payload), "early");
}

TEST_F(SessionTest, FragmentsMakeOneMessageWithControlFramesBetween) {
  const auto id = open_administration();
  engine::OutputBuffer document;
  msgpack::Writer writer{document};
  writer.map(2);
  writer.str("cmd"), writer.str("ping"), writer.str("ping"), writer.str("xyz");
  const auto bytes = document.bytes();
  engine::OutputBuffer stream;
  constexpr std::array<std::byte, 4> mask{};
  websocket::write_masked_frame(stream, Opcode::binary, bytes.first(4), mask);
  stream.data()[0] &= std::byte{0x7f};  // no FIN
  websocket::write_masked_frame(stream, Opcode::ping, as_bytes("mid"), mask);
  websocket::write_masked_frame(stream, Opcode::continuation, bytes.subspan(4), mask);
  for (const char octet : as_text(stream.bytes())) raw(id, {&octet, 1});
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].opcode, Opcode::pong);
  EXPECT_EQ(describe(*msgpack::parse(sent[1].payload)), R"({status="ok" pong="xyz"})");
}

TEST_F(SessionTest, ATextMessageIsRefusedAndTheConnectionEnds) {
  const auto id = open_administration();
  frame(id, Opcode::text, as_bytes("hello"));
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(describe(*msgpack::parse(sent[0].payload)),
            R"({status="invalid_msg_format" reason="Invalid message format"})");
  EXPECT_EQ(sent[1].close_code(), 1000);
  EXPECT_TRUE(is_closed(id));
}

TEST_F(SessionTest, InvalidTextAndOversizedMessagesHaveTheirOwnCloseCodes) {
  auto id = open_administration();
  frame(id, Opcode::text, as_bytes("\xff\xfe"));
  EXPECT_EQ(take_sent(id).back().close_code(), 1007);

  settings.max_message_bytes = 100;
  id = open_administration();
  frame(id, Opcode::binary, as_bytes(std::string(101, '\0')));
  EXPECT_EQ(take_sent(id).back().close_code(), 1009);
  settings.max_message_bytes = 16 << 20;
}

// --- §1.2, §1.4: order

TEST_F(SessionTest, RequestsThatComeWhileOneIsUnderWayAreServedInOrder) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  send_command(id, "nope");
  send_command(id, "events_listen", 1,
               [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(false); });
  EXPECT_TRUE(take_sent(id).empty());
  answer({{text_cell("ok")}});
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(describe(*msgpack::parse(sent[0].payload)), R"({status="ok" messages=[]})");
  EXPECT_EQ(describe(*msgpack::parse(sent[1].payload)),
            R"({status="unknown_command" reason="Unknown command"})");
  EXPECT_EQ(describe(*msgpack::parse(sent[2].payload)), R"({status="no_events"})");
}

TEST_F(SessionTest, ADeepPipelineStopsReadingUntilItIsServed) {
  settings.max_waiting_requests = 4;
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  for (int i = 0; i < 6; ++i) send_command(id, "nope");
  EXPECT_TRUE(transport[id].reading_paused);
  answer({{text_cell("ok")}});
  EXPECT_FALSE(transport[id].reading_paused);
  EXPECT_EQ(take_sent(id).size(), 7u);
}

TEST_F(SessionTest, AClientThatDoesNotReadWaitsEvenWithUnknownCommands) {
  settings.output_high_water = 64;
  const auto id = open_administration();
  for (int i = 0; i < 10; ++i) send_command(id, "nope");
  EXPECT_EQ(take_sent(id).size(), 2u);
  service.on_drained(id);
  EXPECT_EQ(take_sent(id).size(), 2u);
  settings.output_high_water = 256 * 1024;
}

TEST_F(SessionTest, AClientThatDoesNotReadWaitsWithItsNextRequest) {
  settings.output_high_water = 64;
  const auto id = open_administration();
  send_ping(id, std::string(100, 'x'));
  send_ping(id, "second");
  EXPECT_EQ(take_sent(id).size(), 1u);
  service.on_drained(id);
  EXPECT_EQ(take_reply(id), R"({status="ok" pong="second"})");
  settings.output_high_water = 256 * 1024;
}

// --- §1.4, db/storage.md §2: the database fails

TEST_F(SessionTest, AResultThatNoReplyCanHoldEndsTheConnectionAlone) {
  settings.max_result_bytes = 100'000;
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  answer({{text_cell("ok"), {}, {}, {}, {}},
          {{},
           int_cell(1),
           text_cell("bob@dev1"),
           int_cell(0),
           text_cell(std::string(100'000, 'x'))}});
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].close_code(), 1011);
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(SessionTest, AFailingDatabaseEndsTheConnectionInsteadOfGuessing) {
  for (const auto outcome : {db::Outcome::unavailable, db::Outcome::unknown, db::Outcome::failed}) {
    const auto id = open_device("Org", "alice@dev1");
    send_command(id, "message_get", 1,
                 [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
    database.fail(outcome);
    turn();
    const auto sent = take_sent(id);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].close_code(), 1011);
    EXPECT_EQ(database.acquired, 0);
  }
}

TEST_F(SessionTest, AnAuthorWithoutRightsAnyMoreGetsCloseInsteadOfAReply) {
  for (const auto* status : {"author_revoked", "organization_expired"}) {
    const auto id = open_device("Org", "alice@dev1");
    send_command(id, "message_get", 1,
                 [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
    answer({{text_cell(status)}});
    const auto sent = take_sent(id);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].close_code(), 1000);
  }
}

TEST_F(SessionTest, AFullRingIsTriedAgain) {
  const auto id = open_device("Org", "alice@dev1");
  database.full = true;
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  turn();
  EXPECT_TRUE(database.submitted.empty());
  database.full = false;
  turn();
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(id), R"({status="ok" messages=[]})");
}

TEST_F(SessionTest, WhatTheFullRingNeverTookIsDroppedWithItsSession) {
  const auto id = open_device("Org", "alice@dev1");
  database.full = true;
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  event({"Org", protocol::UserRevoked{"alice"}});
  EXPECT_TRUE(is_closed(id));  // the transport still sends what is in its buffer
  EXPECT_EQ(database.acquired, 0);
  database.full = false;
  turn();
  EXPECT_TRUE(database.submitted.empty());
}

TEST_F(SessionTest, AReplyForAConnectionThatEndedIsDropped) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  close(id);
  answer({{text_cell("ok")}});
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(SessionTest, ShutdownEndsEveryConnectionPolitely) {
  const auto id = open_device("Org", "alice@dev1");
  service.on_shutdown();
  EXPECT_EQ(take_sent(id).back().close_code(), 1000);
  EXPECT_TRUE(is_closed(id));
}

TEST_F(SessionTest, ShutdownLetsTheCommandUnderWayFinish) {
  const auto id = open_device("Org", "alice@dev1");
  const auto body = [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); };
  send_command(id, "message_get", 1, body);
  send_command(id, "message_get", 1, body);  // waits behind it
  service.on_shutdown();
  EXPECT_FALSE(is_closed(id));
  answer({{text_cell("ok")}});
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[1].close_code(), 1000);
  EXPECT_TRUE(is_closed(id));
  EXPECT_TRUE(database.submitted.empty());
}

}  // namespace
}  // namespace parsec::testing
