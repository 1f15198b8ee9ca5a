// The client's side of a connection, without I/O: WebSocket opening, handshake, messages
// (protocol/1-transport.md, protocol/2-handshake.md). Small, since a generator has many thousands.
//
//   session.open(out);                              // the first bytes
//   while (auto happened = session.next(input, out)) { … }   // of what arrived
//   session.send(out, message);                     // once ready
//
// Thread of its connection.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bench/population/population.h"
#include "engine/output_buffer.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/websocket/websocket.h"

namespace parsec::bench {

struct AdministrationLogin {
  std::string token;
};
struct AnonymousLogin {
  std::string organization_id;
};
struct DeviceLogin {
  std::string organization_id;
  std::string device_id;
  protocol::VerifyKey root_verify_key;
  SigningKey key;
};
using Login = std::variant<AdministrationLogin, AnonymousLogin, DeviceLogin>;

class ClientSession {
 public:
  /// The login outlives the session. host: for the Host header.
  ClientSession(const Login& login, const std::string& host) : login_(&login), host_(&host) {}

  /// Appends what a client says first.
  void open(engine::OutputBuffer& out);

  struct Ready {};  // the handshake succeeded
  struct Message {
    msgpack::Value value;  // a map; views the input, valid until the next call
  };
  using Happened = std::variant<Ready, Message>;
  /// Takes from the front of `input`; answers of its own go to `out`. nullopt: all was taken. The
  /// error, a phrase for people, is the end of the session.
  std::expected<std::optional<Happened>, std::string> next(std::span<std::byte>& input,
                                                           engine::OutputBuffer& out);

  bool is_ready() const { return phase_ == Phase::ready; }
  /// A request, ready-made.
  static void send(engine::OutputBuffer& out, Bytes message);

 private:
  enum class Phase : std::uint8_t { upgrading, challenged, answered, ready };

  std::expected<bool, std::string> take_head(std::span<std::byte>& input);
  std::expected<std::optional<Happened>, std::string> take_message(Bytes bytes,
                                                                   engine::OutputBuffer& out);
  std::expected<void, std::string> answer(const msgpack::Value& challenge,
                                          engine::OutputBuffer& out) const;

  const Login* login_;
  const std::string* host_;
  websocket::FrameReader frames_{websocket::Role::client};
  Phase phase_ = Phase::upgrading;
  /// The head, or a message, that came in pieces; null when there is none.
  std::unique_ptr<std::vector<std::byte>> pieces_;
  bool pieces_are_whole_ = false;  // told of, to be dropped
};

}  // namespace parsec::bench
