#include "app/core/client.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/output_buffer.h"
#include "protocol/bytes/base64.h"
#include "protocol/bytes/random.h"

namespace parsec::app {
namespace {

using Error = std::unexpected<std::string>;

constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr std::size_t max_head_bytes = 16 * 1024;
constexpr std::size_t max_message_bytes = 16 * 1024 * 1024;  // the server's own bound

bool contains_line(std::string_view head, std::string_view name, std::string_view value) {
  // Header names are case-insensitive; the server's own are lower case, a proxy's need not be.
  std::string lower{head};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::size_t found = lower.find("\r\n" + std::string{name} + ":");
  if (found == std::string::npos) return false;
  std::string_view rest = head.substr(found + 2 + name.size() + 1);
  rest = rest.substr(0, rest.find("\r\n"));
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  rest = rest.substr(0, rest.find_last_not_of(" \t") + 1);
  return rest == value;
}

std::array<std::byte, 4> random_mask() {
  std::array<std::byte, 4> mask{};
  protocol::fill_random(mask);
  return mask;
}

}  // namespace

std::string Document::text(std::string_view key) const {
  const std::optional<msgpack::Value> found = value.find(key);
  if (!found || found->kind() != msgpack::Kind::str) return {};
  return std::string{found->str()};
}

std::expected<Client, std::string> Client::open(const protocol::BackendAddress& address,
                                                const std::string& administration_token,
                                                std::chrono::milliseconds timeout) {
  auto stream = Stream::connect(address, timeout);
  if (!stream) return Error{std::move(stream.error())};
  Client client{std::move(*stream)};
  if (auto done = client.upgrade(address.authority()); !done) return Error{done.error()};
  if (auto done = client.handshake(administration_token); !done) return Error{done.error()};
  return client;
}

std::expected<Document, std::string> Client::call(const Fill& fill) {
  engine::OutputBuffer request;
  msgpack::Writer writer{request};
  fill(writer);
  if (auto sent = send(websocket::Opcode::binary, request.bytes()); !sent) {
    return Error{sent.error()};
  }
  return receive();
}

/// RFC 6455 §4.1
std::expected<void, std::string> Client::upgrade(const std::string& authority) {
  std::array<std::byte, 16> nonce{};
  protocol::fill_random(nonce);
  const std::string key = protocol::base64_encode(nonce);
  const std::string request = "GET /ws HTTP/1.1\r\nHost: " + authority +
                              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                              key + "\r\n\r\n";
  if (auto sent = stream_->write_all(as_bytes(request)); !sent) return sent;
  std::string head;
  std::size_t end = std::string::npos;
  while (end == std::string::npos) {
    if (head.size() > max_head_bytes) return Error{"The server does not speak HTTP"};
    if (auto read = read_more(); !read) return read;
    head += as_text(unread_);
    end = head.find("\r\n\r\n");
  }
  unread_ = unread_.last(head.size() - end - 4);  // frames may follow at once
  head.resize(end + 2);
  const bool accepted = head.starts_with("HTTP/1.1 101 ") &&
                        contains_line(head, "sec-websocket-accept", websocket::accept_key(key));
  if (!accepted) return Error{"The address does not belong to a Parsec server"};
  return {};
}

/// protocol/2-handshake.md: the server speaks first.
std::expected<void, std::string> Client::handshake(const std::string& administration_token) {
  auto challenge = receive();
  if (!challenge) return Error{challenge.error()};
  if (challenge->text("handshake") != "challenge") return Error{"The server sent no challenge"};
  auto result = call([&](msgpack::Writer& answer) {
    answer.map(4);
    answer.str("handshake");
    answer.str("answer");
    answer.str("client_api_version");
    answer.array(2);
    answer.integer(1);
    answer.integer(2);
    answer.str("type");
    answer.str("administration");
    answer.str("token");
    answer.str(administration_token);
  });
  if (!result) return Error{result.error()};
  const std::string code = result->text("result");
  if (code == "bad_admin_token") return Error{"The server refused the administration token"};
  if (code != "ok") return Error{"The server refused the connection: " + code};
  return {};
}

std::expected<void, std::string> Client::send(websocket::Opcode opcode, Bytes payload) {
  engine::OutputBuffer frame;
  websocket::write_masked_frame(frame, opcode, payload, random_mask());
  return stream_->write_all(frame.bytes());
}

std::expected<Document, std::string> Client::receive() {
  Document document;
  for (;;) {
    const auto part = frames_.next(unread_);
    if (!part) return Error{"The server broke the WebSocket protocol"};
    if (!*part) {
      if (auto read = read_more(); !read) return Error{read.error()};
      continue;
    }
    const websocket::FramePart& frame = **part;
    switch (frame.opcode) {
      case websocket::Opcode::ping:
        if (auto sent = send(websocket::Opcode::pong, frame.payload); !sent) {
          return Error{sent.error()};
        }
        continue;
      case websocket::Opcode::pong:
        continue;
      case websocket::Opcode::close:
        return Error{"The server closed the connection"};
      default:
        break;
    }
    if (document.bytes.size() + frame.payload.size() > max_message_bytes) {
      return Error{"The server sent a message that is too long"};
    }
    document.bytes.insert(document.bytes.end(), frame.payload.begin(), frame.payload.end());
    if (!frame.fin || !frame.last) continue;
    const auto value = msgpack::parse(document.bytes);
    if (!value || value->kind() != msgpack::Kind::map) {
      return Error{"The server sent an invalid message"};
    }
    document.value = *value;
    return document;
  }
}

std::expected<void, std::string> Client::read_more() {
  buffer_.resize(buffer_bytes);
  auto count = stream_->read_some(buffer_);
  if (!count) return Error{"The connection failed: " + count.error()};
  if (*count == 0) return Error{"The server closed the connection"};
  unread_ = std::span{buffer_}.first(*count);
  return {};
}

}  // namespace parsec::app
