// A small client of our own protocol, for the administration commands: blocking, one request at a
// time, on the same codecs as the server.
//
//   auto client = Client::open(address, token);
//   auto reply = client->call([](msgpack::Writer& request) { request.map(1); … });
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/core/stream.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/address.h"
#include "protocol/websocket/websocket.h"

namespace parsec::app {

/// A message from the server; `value` views `bytes`.
struct Document {
  std::vector<std::byte> bytes;
  msgpack::Value value;

  /// Of a map's key; empty when it is absent or no string.
  std::string text(std::string_view key) const;
};

class Client {
 public:
  /// Connects and opens an administration connection (protocol/2-handshake.md, API v1). The error
  /// is a sentence for the user.
  static std::expected<Client, std::string> open(
      const protocol::BackendAddress& address, const std::string& administration_token,
      std::chrono::milliseconds timeout = std::chrono::seconds{30});

  using Fill = std::function<void(msgpack::Writer& request)>;
  /// Sends what `fill` writes, and waits for the reply.
  std::expected<Document, std::string> call(const Fill& fill);

 private:
  explicit Client(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

  std::expected<void, std::string> upgrade(const std::string& authority);
  std::expected<void, std::string> handshake(const std::string& administration_token);
  std::expected<void, std::string> send(websocket::Opcode opcode, Bytes payload);
  std::expected<Document, std::string> receive();
  std::expected<void, std::string> read_more();

  std::unique_ptr<Stream> stream_;
  websocket::FrameReader frames_{websocket::Role::client};
  std::vector<std::byte> buffer_;  // of the last read
  std::span<std::byte> unread_;    // its rest
};

}  // namespace parsec::app
