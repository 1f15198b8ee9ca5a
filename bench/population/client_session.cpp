#include "bench/population/client_session.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "bench/population/certificates.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;

constexpr std::size_t max_head_bytes = 16 * 1024;
/// RFC 6455 §4.1 wants a fresh one against caches; there is none between us and what is measured.
constexpr std::string_view websocket_key = "dGhlIHNhbXBsZSBub25jZQ==";

std::string_view text(const msgpack::Value& map, std::string_view key) {
  const auto found = map.find(key);
  return found && found->kind() == msgpack::Kind::str ? found->str() : std::string_view{};
}

/// The fields of every answer, in a map of `fields` more.
msgpack::Writer begin_answer(engine::OutputBuffer& content, std::uint32_t fields, int version,
                             std::string_view type) {
  msgpack::Writer writer{content};
  writer.map(3 + fields);
  writer.str("handshake");
  writer.str("answer");
  writer.str("client_api_version");
  writer.array(2);
  writer.integer(version);
  writer.integer(0);
  writer.str("type");
  writer.str(type);
  return writer;
}

void write_answer(engine::OutputBuffer& content, const AdministrationLogin& login, Bytes) {
  auto writer = begin_answer(content, 1, 1, "administration");
  writer.str("token");
  writer.str(login.token);
}

void write_answer(engine::OutputBuffer& content, const AnonymousLogin& login, Bytes) {
  auto writer = begin_answer(content, 1, 1, "anonymous");
  writer.str("organization_id");
  writer.str(login.organization_id);
}

void write_answer(engine::OutputBuffer& content, const DeviceLogin& login, Bytes challenge) {
  auto writer = begin_answer(content, 4, 2, "AUTHENTICATED");
  writer.str("organization_id");
  writer.str(login.organization_id);
  writer.str("device_id");
  writer.str(login.device_id);
  writer.str("rvk");
  writer.bin(login.root_verify_key);
  writer.str("answer");
  writer.bin(sign(login.key, challenge));
}

}  // namespace

void ClientSession::open(engine::OutputBuffer& out) {
  out.append("GET /ws HTTP/1.1\r\nHost: ");
  out.append(*host_);
  out.append(
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: ");
  out.append(websocket_key);
  out.append("\r\n\r\n");
}

void ClientSession::send(engine::OutputBuffer& out, Bytes message) {
  constexpr std::array mask{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
  websocket::write_masked_frame(out, websocket::Opcode::binary, message, mask);
}

std::expected<std::optional<ClientSession::Happened>, std::string> ClientSession::next(
    std::span<std::byte>& input, engine::OutputBuffer& out) {
  if (std::exchange(pieces_are_whole_, false)) pieces_.reset();
  if (phase_ == Phase::upgrading) {
    const auto whole = take_head(input);
    if (!whole) return Error{whole.error()};
    if (!*whole) return std::nullopt;
    phase_ = Phase::challenged;
  }
  for (;;) {
    const auto part = frames_.next(input);
    if (!part) return Error{"broke the WebSocket protocol"};
    if (!*part) return std::nullopt;
    const websocket::FramePart& frame = **part;
    if (frame.opcode == websocket::Opcode::ping) {
      constexpr std::array<std::byte, 4> mask{};
      websocket::write_masked_frame(out, websocket::Opcode::pong, frame.payload, mask);
      continue;
    }
    if (frame.opcode == websocket::Opcode::close) return Error{"closed the connection"};
    if (frame.opcode == websocket::Opcode::pong) continue;
    const bool whole = frame.fin && frame.last;
    Bytes message = frame.payload;
    if (pieces_ || !whole) {
      if (!pieces_) pieces_ = std::make_unique<std::vector<std::byte>>();
      pieces_->insert(pieces_->end(), frame.payload.begin(), frame.payload.end());
      if (!whole) continue;
      message = *pieces_;
      pieces_are_whole_ = true;
    }
    auto happened = take_message(message, out);
    if (!happened || *happened) return happened;
    if (std::exchange(pieces_are_whole_, false)) pieces_.reset();
  }
}

std::expected<bool, std::string> ClientSession::take_head(std::span<std::byte>& input) {
  if (!pieces_) pieces_ = std::make_unique<std::vector<std::byte>>();
  const std::size_t before = pieces_->size();
  pieces_->insert(pieces_->end(), input.begin(), input.end());
  const std::string_view head = as_text(*pieces_);
  const std::size_t end = head.find("\r\n\r\n");
  if (end == head.npos) {
    if (head.size() > max_head_bytes) return Error{"does not speak HTTP"};
    input = {};
    return false;
  }
  if (!head.starts_with("HTTP/1.1 101 ")) {
    return Error{"refused the WebSocket: " + std::string{head.substr(0, head.find("\r\n"))}};
  }
  input = input.subspan(end + 4 - before);
  pieces_.reset();
  return true;
}

std::expected<std::optional<ClientSession::Happened>, std::string> ClientSession::take_message(
    Bytes bytes, engine::OutputBuffer& out) {
  const auto value = msgpack::parse(bytes);
  if (!value || value->kind() != msgpack::Kind::map) return Error{"sent an invalid message"};
  switch (phase_) {
    case Phase::challenged: {
      if (auto answered = answer(*value, out); !answered) return Error{answered.error()};
      phase_ = Phase::answered;
      return std::nullopt;
    }
    case Phase::answered:
      if (text(*value, "result") != "ok") {
        return Error{"refused the handshake: " + std::string{text(*value, "result")} + " " +
                     std::string{text(*value, "help")}};
      }
      phase_ = Phase::ready;
      return Happened{Ready{}};
    default:
      return Happened{Message{*value}};
  }
}

std::expected<void, std::string> ClientSession::answer(const msgpack::Value& challenge,
                                                       engine::OutputBuffer& out) const {
  const auto bytes = challenge.find("challenge");
  if (!bytes || bytes->kind() != msgpack::Kind::bin) return Error{"sent no challenge"};
  engine::OutputBuffer content;
  std::visit([&](const auto& login) { write_answer(content, login, bytes->bin()); }, *login_);
  send(out, content.bytes());
  return {};
}

}  // namespace parsec::bench
