// A client's conversation with a server that a test plays: whole, cut anywhere, and broken off.
#include "bench/population/client_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/population/certificates.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const Population example{"load", {}};
const std::string host = "example.com:6777";

Octets challenge_bytes() { return Octets(48, std::byte{0x5a}); }

/// What the server says, a frame each.
void frame(engine::OutputBuffer& out, const std::function<void(msgpack::Writer&)>& fill) {
  engine::OutputBuffer message;
  msgpack::Writer writer{message};
  fill(writer);
  websocket::write_frame(out, websocket::Opcode::binary, message.bytes());
}
void challenge(msgpack::Writer& out) {
  out.map(2);
  out.str("handshake");
  out.str("challenge");
  out.str("challenge");
  out.bin(challenge_bytes());
}
void result(msgpack::Writer& out, std::string_view code, std::string_view help) {
  out.map(3);
  out.str("handshake");
  out.str("result");
  out.str("result");
  out.str(code);
  out.str("help");
  out.str(help);
}

class Conversation : public ::testing::Test {
 protected:
  Login login = DeviceLogin{"Org", "u0@d0", example.root_key(0).verify_key, example.device_key({})};
  ClientSession session{login, host};
  engine::OutputBuffer sent;
  engine::OutputBuffer server;
  std::vector<std::string> happened;

  /// Hands over what the server said, in parts of that size; notes what the session tells.
  std::string hear(std::size_t part = SIZE_MAX) {
    std::vector<std::byte> all(server.bytes().begin(), server.bytes().end());
    server.clear();
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t size = std::min(part, all.size() - at);
      std::span<std::byte> input = std::span{all}.subspan(at, size);
      at += size;
      for (;;) {
        auto next = session.next(input, sent);
        if (!next) return next.error();
        if (!*next) break;
        const auto* message = std::get_if<ClientSession::Message>(&**next);
        happened.push_back(message == nullptr ? "ready"
                                              : std::string{message->value.find("pong")->str()});
      }
    }
    return "";
  }
  void welcome() {
    server.append("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n");
    frame(server, challenge);
  }
  void pong(std::string_view text) {
    frame(server, [text](msgpack::Writer& out) {
      out.map(2);
      out.str("status");
      out.str("ok");
      out.str("pong");
      out.str(text);
    });
  }
};

TEST_F(Conversation, ReachesTheFirstReplyHoweverItIsCut) {
  for (const std::size_t part : {SIZE_MAX, std::size_t{1}, std::size_t{3}, std::size_t{50}}) {
    session = ClientSession{login, host};
    happened.clear();
    sent.clear();
    session.open(sent);
    EXPECT_THAT(std::string{as_text(sent.bytes())}, StartsWith("GET /ws HTTP/1.1\r\nHost: "));
    welcome();
    frame(server, [](msgpack::Writer& out) { result(out, "ok", ""); });
    const std::string long_text(70'000, 'x');
    pong("short");
    pong(long_text);
    pong("last");
    EXPECT_EQ(hear(part), "");
    EXPECT_EQ(happened, (std::vector<std::string>{"ready", "short", long_text, "last"}));
    EXPECT_TRUE(session.is_ready());
  }
}

TEST_F(Conversation, TheAnswerIsTheChallengeSigned) {
  welcome();
  EXPECT_EQ(hear(), "");
  std::vector<std::byte> all(sent.bytes().begin(), sent.bytes().end());
  std::span<std::byte> input{all};
  websocket::FrameReader reader{websocket::Role::server};
  const auto part = reader.next(input);
  ASSERT_TRUE(part && *part && (*part)->last);
  const auto answer = msgpack::parse((*part)->payload);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->find("type")->str(), "AUTHENTICATED");
  EXPECT_EQ(answer->find("organization_id")->str(), "Org");
  const auto signed_challenge =
      protocol::verify_signed(answer->find("answer")->bin(), example.device_key({}).verify_key);
  ASSERT_TRUE(signed_challenge);
  EXPECT_TRUE(std::ranges::equal(*signed_challenge, challenge_bytes()));
}

TEST_F(Conversation, PingsAreAnswered) {
  welcome();
  EXPECT_EQ(hear(), "");
  sent.clear();
  websocket::write_frame(server, websocket::Opcode::ping, as_bytes("hello"));
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(sent.size(), 2u + 4u + 5u);
  EXPECT_EQ(sent.bytes()[0], std::byte{0x8A});
}

TEST_F(Conversation, WhateverBreaksItIsTold) {
  server.append("HTTP/1.1 404 Not Found\r\n\r\n");
  EXPECT_EQ(hear(), "refused the WebSocket: HTTP/1.1 404 Not Found");

  session = ClientSession{login, host};
  server.append(std::string(20'000, 'x'));
  EXPECT_EQ(hear(), "does not speak HTTP");

  session = ClientSession{login, host};
  welcome();
  frame(server,
        [](msgpack::Writer& out) { result(out, "revoked_device", "Device has been revoked"); });
  EXPECT_EQ(hear(), "refused the handshake: revoked_device Device has been revoked");

  session = ClientSession{login, host};
  welcome();
  websocket::write_frame(server, websocket::Opcode::binary, as_bytes("\xC1"));
  EXPECT_EQ(hear(), "sent an invalid message");

  session = ClientSession{login, host};
  welcome();
  websocket::write_close(server, 1000);
  EXPECT_EQ(hear(), "closed the connection");
}

}  // namespace
}  // namespace parsec::bench
