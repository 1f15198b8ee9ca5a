// protocol/1-transport.md §1.1, §1.2: the upgrade, frames, the order of requests and replies, long
// polls.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Transport : public IntegrationTest {
 protected:
  static std::string ping_request(std::string_view text = "x") {
    return pack(Map{{"cmd", "ping"}, {"ping", text}});
  }
  static ReplyMatcher pong(std::string_view text = "x") { return Ok({{"pong", text}}); }
};

// --- §1.1 the first bytes ------------------------------------------------------------------------

TEST_F(Transport, UpgradesWhateverTheFormOfTheRequest) {
  const std::string version = "Sec-WebSocket-Version: 13";
  const std::string upgrade = "Upgrade: websocket";
  struct Row {
    const char* name;
    std::string target;
    std::vector<std::string> headers;
  };
  const std::vector<Row> rows{
      {"/", "/", {upgrade, "Connection: Upgrade", version}},
      {"a page's path", "/redirect/a?b=c", {upgrade, "Connection: Upgrade", version}},
      {"an unknown path", "/no/such/page", {upgrade, "Connection: Upgrade", version}},
      {"token in lower case", "/ws", {upgrade, "Connection: upgrade", version}},
      {"token in upper case", "/ws", {upgrade, "Connection: UPGRADE", version}},
      {"beside another token", "/ws", {upgrade, "Connection: keep-alive, Upgrade", version}},
      {"before another token", "/ws", {upgrade, "Connection: upgrade ,keep-alive", version}},
      {"names and value in odd case",
       "/ws",
       {"uPGRADE: WebSocket", "cONNECTION: Upgrade", "SEC-WEBSOCKET-VERSION: 13"}},
      {"an extension offered",
       "/ws",
       {upgrade, "Connection: Upgrade", version, "Sec-WebSocket-Extensions: permessage-deflate"}},
      {"further headers",
       "/ws",
       {upgrade, "Connection: Upgrade", version, "User-Agent: parsec/2.0", "Cookie: a=b"}},
  };
  for_each_row(rows, [](const Row& row) {
    Connection connection{here(), {.target = row.target, .headers = row.headers}};
    EXPECT_EQ(connection.challenge()["handshake"], Document("challenge"));
  });
}

TEST_F(Transport, AcceptsTheHeadInPieces) {
  const std::string head = UpgradeRequest{}.text(here());
  for (const std::size_t size : {1u, 7u, 40u}) {
    Socket socket{here()};
    for (std::size_t at = 0; at < head.size(); at += size) {
      socket.send(std::string_view{head}.substr(at, size));
      ASSERT_TRUE(socket.flush(within(patience)));
    }
    while (socket.input.find("\r\n\r\n") == std::string::npos) {
      ASSERT_TRUE(socket.receive(within(patience)));
    }
    EXPECT_TRUE(socket.input.starts_with("HTTP/1.1 101 ")) << socket.input;
    // The accept key of the example in RFC 6455 §1.3.
    EXPECT_NE(socket.input.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
  }
}

TEST_F(Transport, ServesFramesThatCameWithTheHead) {
  Socket socket{here()};
  socket.send(UpgradeRequest{}.text(here()) + frame(Opcode::ping, "early"));
  while (socket.input.find("\x8A\x05"
                           "early") == std::string::npos) {
    ASSERT_TRUE(socket.receive(within(patience))) << socket.input;
  }
}

// --- §1.2 messages and frames --------------------------------------------------------------------

TEST_F(Transport, PutsFragmentsTogether) {
  Session session = alice();
  const std::string request = ping_request("abc");
  std::vector<std::size_t> every_octet;
  for (std::size_t i = 1; i < request.size(); ++i) every_octet.push_back(i);
  struct Row {
    const char* name;
    std::vector<std::size_t> cuts;
  };
  const std::vector<Row> rows{{"two", {3}},
                              {"an empty first one", {0}},
                              {"an empty last one", {request.size()}},
                              {"an empty one between", {4, 4}},
                              {"octet by octet", every_octet}};
  for_each_row(rows, [&](const Row& row) {
    std::size_t begin = 0;
    std::vector<std::size_t> ends = row.cuts;
    ends.push_back(request.size());
    for (std::size_t i = 0; i < ends.size(); ++i) {
      session.send_raw(frame(i == 0 ? Opcode::binary : Opcode::continuation,
                             std::string_view{request}.substr(begin, ends[i] - begin),
                             {.fin = i + 1 == ends.size()}));
      begin = ends[i];
    }
    EXPECT_THAT(session.reply(), pong("abc"));
  });
}

TEST_F(Transport, TakesControlFramesBetweenFragments) {
  Session session = alice();
  const std::string_view request =
      "\x82\xA3"
      "cmd"
      "\xA4"
      "ping"
      "\xA4"
      "ping"
      "\xA1"
      "x";
  session.send_raw(frame(Opcode::binary, request.substr(0, 4), {.fin = false}));
  session.ping("one");
  session.send_raw(frame(Opcode::pong, "unasked"));
  session.send_raw(frame(Opcode::continuation, request.substr(4, 3), {.fin = false}));
  session.ping("two");
  session.send_raw(frame(Opcode::continuation, request.substr(7)));
  EXPECT_THAT(session.reply(), pong());
}

TEST_F(Transport, FindsFramesAtAnyPacketBoundary) {
  Session session = alice();
  std::string stream;
  for (int i = 0; i < 12; ++i) stream += frame(Opcode::binary, ping_request(std::to_string(i)));
  for (const std::size_t size : {std::size_t{1}, std::size_t{5}, std::size_t{13}, stream.size()}) {
    SCOPED_TRACE(size);
    for (std::size_t at = 0; at < stream.size(); at += size) {
      session.send_raw(std::string_view{stream}.substr(at, size));
      ASSERT_TRUE(session.socket().flush(within(patience)));
    }
    for (int i = 0; i < 12; ++i) EXPECT_THAT(session.reply(), pong(std::to_string(i)));
  }
}

TEST_F(Transport, TakesEveryFormOfLength) {
  Session session = alice();
  for (const std::size_t size : {0u, 60u, 100u, 126u, 1000u, 65'000u, 65'536u, 700'000u}) {
    const Map request{{"cmd", "ping"}, {"ping", "x"}, {"ignored", Octets{size, 'y'}}};
    EXPECT_THAT(session.ask(request), pong()) << size;
  }
}

TEST_F(Transport, AnswersPingWithItsPayload) {
  Session session = alice();
  session.ping("");
  session.ping("short");
  session.ping(std::string(125, 'p'));
}

TEST_F(Transport, IgnoresPongs) {
  Session session = alice();
  for (const std::size_t size : {0u, 1u, 125u}) {
    session.send_raw(frame(Opcode::pong, std::string(size, 'p')));
  }
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), pong());
}

TEST_F(Transport, AnswersCloseAndEnds) {
  const auto made = organization();
  struct Row {
    const char* name;
    std::string payload;
  };
  const std::vector<Row> rows{{"1000", close_payload(1000)},
                              {"with a reason", close_payload(1000, "good bye")},
                              {"1001", close_payload(1001)},
                              {"of an application", close_payload(4000)},
                              {"without a code", ""}};
  for_each_row(rows, [&](const Row& row) {
    Session session = made->connect(made->alice());
    session.send_raw(frame(Opcode::close, row.payload));
    EXPECT_TRUE(session.wait_end().has_value()) << "no Close frame";
  });
  Connection fresh{here()};
  fresh.challenge();
  EXPECT_TRUE(fresh.close().has_value()) << "no Close frame before the handshake";
}

TEST_F(Transport, RefusesTextWithAReply) {
  const auto made = organization();
  for (const char* text : {"", "hello", R"({"cmd": "ping", "ping": "x"})"}) {
    Session session = made->connect(made->alice());
    session.send_raw(frame(Opcode::text, text));
    EXPECT_EQ(session.reply(), invalid_format);
    EXPECT_EQ(session.wait_end(), 1000);
  }
  Connection fresh{here()};
  fresh.challenge();
  fresh.send_raw(frame(Opcode::text, "hello"));
  EXPECT_EQ(fresh.reply(), invalid_format);
  EXPECT_EQ(fresh.wait_end(), 1000);
}

TEST_F(Transport, ClosesOnViolationsOfRfc6455) {
  const auto made = organization();
  struct Row {
    const char* name;
    std::string bytes;
    std::uint16_t code = 1002;
  };
  const std::string request = ping_request();
  const std::vector<Row> rows{
      {"no mask", frame(Opcode::binary, request, {.masked = false})},
      {"control frame without mask", frame(Opcode::ping, "x", {.masked = false})},
      {"reserved bit 1", frame(Opcode::binary, request, {.reserved_bits = 4})},
      {"reserved bit 2", frame(Opcode::binary, request, {.reserved_bits = 2})},
      {"reserved bit 3", frame(Opcode::ping, "x", {.reserved_bits = 1})},
      {"opcode 3", frame(static_cast<Opcode>(3), "")},
      {"opcode 7", frame(static_cast<Opcode>(7), "x")},
      {"opcode 11", frame(static_cast<Opcode>(11), "")},
      {"opcode 15", frame(static_cast<Opcode>(15), "x")},
      {"stray continuation", frame(Opcode::continuation, request)},
      {"message inside a message",
       frame(Opcode::binary, "\x81", {.fin = false}) + frame(Opcode::binary, request)},
      {"fragmented Ping", frame(Opcode::ping, "x", {.fin = false})},
      {"fragmented Close", frame(Opcode::close, close_payload(1000), {.fin = false})},
      {"Ping of 126 octets", frame(Opcode::ping, std::string(126, 'p'))},
      {"Close of one octet", frame(Opcode::close, "\x03")},
      {"Close 999", frame(Opcode::close, close_payload(999))},
      {"Close 1005", frame(Opcode::close, close_payload(1005))},
      {"Close 1006", frame(Opcode::close, close_payload(1006))},
      {"Close 1015", frame(Opcode::close, close_payload(1015))},
      {"Close 5000", frame(Opcode::close, close_payload(5000))},
      {"Close with a reason that is not UTF-8",
       frame(Opcode::close, close_payload(1000, "\xFF\xFE")), 1007},
      {"text that is not UTF-8", frame(Opcode::text, "\xFF\xFE"), 1007},
      {"text that ends inside a character", frame(Opcode::text, "a\xC3"), 1007},
      {"length with its top bit set", std::string{"\x82\xFF\x80\0\0\0\0\0\0\0\0\0\0\0", 14}},
  };
  for_each_row(rows, [&](const Row& row) {
    Session session = made->connect(made->alice());
    session.send_raw(row.bytes);
    EXPECT_EQ(session.wait_end(), row.code);
    EXPECT_FALSE(session.has_message()) << "a reply before the Close";
  });
}

// --- §1.2 request and reply ----------------------------------------------------------------------

TEST_F(Transport, ServesAPipelineInOrder) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const Uuid vlob_id = new_uuid();
  session.start("vlob_create", {{"realm_id", realm_id},
                                {"encryption_revision", 1},
                                {"vlob_id", vlob_id},
                                {"timestamp", now()},
                                {"blob", "1"_bin}});
  for (int version = 2; version <= 5; ++version) {
    session.start("vlob_update", Session::update_fields(vlob_id, version, random_octets(100)));
    session.start("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
    session.start("ping", {{"ping", std::to_string(version)}});
    session.start("no_such_command");
  }
  EXPECT_THAT(session.reply(), Ok());
  for (int version = 2; version <= 5; ++version) {
    EXPECT_THAT(session.reply(), Ok());
    EXPECT_EQ(session.reply()["version"], Document(version));
    EXPECT_THAT(session.reply(), pong(std::to_string(version)));
    EXPECT_EQ(session.reply(), unknown_command);
  }
}

TEST_F(Transport, ServesADeepPipeline) {
  Session session = alice();
  std::string stream;
  for (int i = 0; i < 500; ++i) stream += frame(Opcode::binary, ping_request(std::to_string(i)));
  session.send_raw(stream);
  for (int i = 0; i < 500; ++i) EXPECT_THAT(session.reply(), pong(std::to_string(i)));
}

TEST_F(Transport, CancelsALongPollByAnyNewRequest) {
  Session session = alice();
  session.subscribe();
  struct Row {
    const char* name;
    Map request;
    ReplyMatcher reply;
  };
  const std::vector<Row> rows{
      {"a command", {{"cmd", "ping"}, {"ping", "x"}}, pong()},
      {"an unknown command", {{"cmd", "nope"}}, ::testing::Eq(unknown_command)},
      {"an invalid request", {{"cmd", "ping"}}, Invalid({{"ping", missing}})},
      {"a listen that does not wait",
       {{"cmd", "events_listen"}, {"wait", false}},
       Status("no_events")},
      {"a command that asks the database",
       {{"cmd", "message_get"}, {"offset", 0}},
       Ok({{"messages", list()}})},
  };
  for_each_row(rows, [&](const Row& row) {
    session.start("events_listen", {{"wait", true}});
    session.ping();
    EXPECT_THAT(session.ask(row.request), row.reply);
    EXPECT_THAT(session.call("ping", {{"ping", "next"}}), pong("next"));
  });
  EXPECT_TRUE(session.stays_silent());
}

TEST_F(Transport, LosesNoEventWithACancelledLongPoll) {
  Session session = alice();
  Session other = session.organization().connect(session.add_device("dev2"));
  other.subscribe();
  for (int i = 0; i < 20; ++i) {
    other.start("events_listen");
    other.ping();
    other.start("ping", {{"ping", "cancel"}});
    session.require("ping", {{"ping", std::to_string(i)}});
    Document reply = other.reply();
    if (reply.map().find("event") != nullptr) {  // the event was faster than the cancellation
      EXPECT_EQ(reply["ping"], Document(std::to_string(i)));
      EXPECT_THAT(other.reply(), pong("cancel"));
      continue;
    }
    EXPECT_THAT(reply, pong("cancel"));
    EXPECT_EQ(other.next_event(), pinged(std::to_string(i)));
  }
  expect_no_event(other);
}

TEST_F(Transport, ReplacesALongPollByALongPoll) {
  Session session = alice();
  Session other = session.organization().connect(session.add_device("dev2"));
  other.subscribe();
  for (int i = 0; i < 4; ++i) other.start("events_listen");
  other.ping();
  session.require("ping", {{"ping", "once"}});
  EXPECT_THAT(other.reply(), Ok(pinged("once")));
  EXPECT_TRUE(other.stays_silent());
}

TEST_F(Transport, KeepsALongPollThroughControlFrames) {
  Session session = alice();
  Session other = session.organization().connect(session.add_device("dev2"));
  other.subscribe();
  other.start("events_listen");
  other.ping();
  other.send_raw(frame(Opcode::pong, "x"));
  other.ping();
  session.require("ping", {{"ping", "still there"}});
  EXPECT_THAT(other.reply(), Ok(pinged("still there")));
}

TEST_F(Transport, AnswersPingInEveryWaitingState) {
  Connection fresh{here()};
  fresh.challenge();
  fresh.ping("before the answer");
  Session session = alice();
  session.subscribe();
  session.start("events_listen");
  session.ping("while it listens");
}

TEST_F(Transport, ServesOthersWhenAPeerLeavesInAnyState) {
  const auto made = organization();
  for (int state = 0; state < 5; ++state) {
    Socket socket{here()};
    if (state == 0) socket.send("GET /ws HT");
    if (state >= 1) socket.send(UpgradeRequest{}.text(here()));
    if (state == 2) socket.send(frame(Opcode::binary, std::string(100, 'x')).substr(0, 50));
    socket.flush(within(patience));
    socket.reset();
    Session session = made->connect(made->alice());
    if (state == 3) session.subscribe();
    session.start(state == 3 ? "events_listen" : "human_find");
    session.abort();
  }
  EXPECT_THAT(made->connect(made->alice()).call("ping", {{"ping", "x"}}), pong());
}

TEST_F(Transport, EndsWithAPeerThatHalfClosed) {
  Session session = alice();
  session.start("ping", {{"ping", "x"}});
  session.socket().flush(within(patience));
  session.socket().finish_sending();
  session.wait_end();
}

}  // namespace
}  // namespace parsec::testing
