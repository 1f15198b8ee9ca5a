// A Parsec client for tests: WebSocket frames that can be shaped by hand, requests and replies.
//
// WebSocket checks what the server sends (RFC 6455, protocol/1-transport.md §1.2) and throws where
// that is broken; it answers Pings and Closes by itself. Connection adds the challenge, the answer
// and calls. All waits are bounded; several connections may be driven from one thread (socket.h).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/websocket/websocket.h"
#include "tests/support/document.h"
#include "tests/support/socket.h"

namespace parsec::testing {

using Where = std::source_location;

/// The server ended the connection while the test waited for a message.
struct ConnectionEnded : ClientError {
  ConnectionEnded(std::optional<std::uint16_t> code, const Where& where);
  std::optional<std::uint16_t> close_code;  // of its Close frame; nullopt: TCP just ended
};

// --- Frames --------------------------------------------------------------------------------------

using websocket::Opcode;

/// What makes a frame an unusual, or an illegal one.
struct FrameShape {
  bool fin = true;
  int reserved_bits = 0;  // 1 to 7
  bool masked = true;
};
std::string frame(Opcode opcode, std::string_view payload, FrameShape shape = {});
std::string close_payload(std::uint16_t code, std::string_view reason = {});

struct UpgradeRequest {
  std::string method = "GET";
  std::string target = "/ws";
  std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  std::vector<std::string> headers = {"Upgrade: websocket", "Connection: Upgrade",
                                      "Sec-WebSocket-Version: 13"};
  int receive_buffer_size = 0;

  std::string text(const Address& address) const;
};

struct Message {
  bool binary;
  std::string payload;
};

class WebSocket {
 public:
  /// Opens it; throws where the server's 101 is missing or wrong.
  explicit WebSocket(const Address& address, const UpgradeRequest& request = {},
                     Where where = Where::current());

  void send(std::string_view payload) { send_raw(frame(Opcode::binary, payload)); }
  void send_raw(std::string_view bytes) { socket_->send(bytes); }

  /// The next message. Throws TimedOut, or ConnectionEnded.
  Message receive(Duration timeout = patience, Where where = Where::current());
  /// nullopt: none came in time. Throws ConnectionEnded.
  std::optional<Message> poll(Duration timeout, Where where = Where::current());

  /// Sends a Ping and waits for its Pong; messages that come meanwhile are kept.
  void ping(std::string_view payload = "are you there", Duration timeout = patience,
            Where where = Where::current());

  /// Waits for the end of the TCP connection; the code of the server's Close frame, if any.
  std::optional<std::uint16_t> wait_end(Duration timeout = patience,
                                        Where where = Where::current());
  /// Says Close, and waits for the server's end.
  std::optional<std::uint16_t> close(std::uint16_t code = 1000, Duration timeout = patience);
  /// Leaves with a TCP reset.
  void abort() { socket_->reset(); }

  bool has_message() const { return !messages_.empty(); }
  /// Takes what the kernel has, without waiting. True: a message is there, or the end.
  bool poll_frames(Where where = Where::current());
  Socket& socket() { return *socket_; }

 private:
  /// Reads frames until `done`. False: the stream ended before.
  bool read_until(const std::function<bool()>& done, Deadline deadline, const Where& where);
  void take_frames(const Where& where);
  void take_frame(const websocket::FramePart& part, const Where& where);

  std::unique_ptr<Socket> socket_;
  websocket::FrameReader reader_{websocket::Role::client};
  std::deque<Message> messages_;
  std::deque<std::string> pongs_;
  std::string partial_;  // of a message whose last fragment has not come
  bool partial_binary_ = true;
  std::string control_;
  std::optional<std::uint16_t> close_code_;
};

// --- Requests and replies ------------------------------------------------------------------------

class Connection : public WebSocket {
 public:
  using WebSocket::send;
  using WebSocket::WebSocket;

  void send(const Document& document) { WebSocket::send(pack(document)); }
  /// Sends a request without waiting for its reply.
  void start(std::string_view cmd, const Map& fields = {});
  Document reply(Duration timeout = patience, Where where = Where::current());
  Document call(std::string_view cmd, const Map& fields = {}, Duration timeout = patience,
                Where where = Where::current());
  /// A call that must answer ok: a step on the way to what a test is about.
  Document require(std::string_view cmd, const Map& fields = {}, Where where = Where::current());
  /// Any document, or bytes as they are, as a request.
  Document ask(const Document& document, Where where = Where::current());
  Document ask_raw(std::string_view message, Where where = Where::current());

  /// Nothing arrives for a while, and the connection lives on.
  bool stays_silent(Duration duration = Duration{150}, Where where = Where::current());

  /// Waits for the challenge of a fresh connection (protocol/2-handshake.md).
  Document challenge(Where where = Where::current());
  /// Sends an answer, and waits for the result.
  Document answer(const Document& answer, Where where = Where::current());
};

// --- Answers of the handshake that need no device ------------------------------------------------

Map handshake_answer(int version, std::string_view type, const Map& fields);
Map administration_answer(std::string_view token);
Map anonymous_answer(std::string_view organization_id, const Document& rvk = nullptr);
Map invited_answer(std::string_view organization_id, Uuid token, std::string_view type);

/// A connection whose handshake, with this answer, succeeded.
Connection connect(const Address& address, const Document& answer, Where where = Where::current());

}  // namespace parsec::testing
