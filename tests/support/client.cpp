#include "tests/support/client.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace parsec::testing {
namespace {

std::string place(const Where& where) {
  const std::string_view path = where.file_name();
  return std::string{path.substr(path.rfind('/') + 1)} + ":" + std::to_string(where.line());
}

/// A header's value, as it came; nullopt: it is not there.
std::optional<std::string_view> header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string_view line = head.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(':');
    const auto same_letter = [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) ==
             std::tolower(static_cast<unsigned char>(b));
    };
    if (colon != std::string_view::npos &&
        std::ranges::equal(line.substr(0, colon), name, same_letter)) {
      std::string_view value = line.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      return value;
    }
    at = end;
  }
  return std::nullopt;
}

[[noreturn]] void broken(std::string_view what, const Where& where) {
  throw ClientError("the server broke the protocol: " + std::string{what} + " (at " + place(where) +
                    ")");
}

}  // namespace

ConnectionEnded::ConnectionEnded(std::optional<std::uint16_t> code, const Where& where)
    : ClientError("the server ended the connection (" +
                  (code ? "Close " + std::to_string(*code) : std::string{"no Close"}) + ") at " +
                  place(where)),
      close_code(code) {}

// --- Frames --------------------------------------------------------------------------------------

std::string frame(Opcode opcode, std::string_view payload, FrameShape shape) {
  std::string bytes;
  bytes += static_cast<char>((shape.fin ? 0x80 : 0) | shape.reserved_bits << 4 |
                             static_cast<int>(opcode));
  const int mask_bit = shape.masked ? 0x80 : 0;
  const std::size_t size = payload.size();
  const int length_octets = size < 126 ? 0 : size < 65'536 ? 2 : 8;
  bytes += static_cast<char>(mask_bit | (length_octets == 0   ? static_cast<int>(size)
                                         : length_octets == 2 ? 126
                                                              : 127));
  for (int i = length_octets - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
  if (!shape.masked) return bytes.append(payload);
  std::array<char, 4> mask;
  randombytes_buf(mask.data(), mask.size());
  bytes.append(mask.data(), mask.size());
  bytes.reserve(bytes.size() + size);
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(payload[i] ^ mask[i % 4]);
  return bytes;
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return payload.append(reason);
}

std::string UpgradeRequest::text(const Address& address) const {
  std::string head = method + " " + target + " HTTP/1.1\r\nHost: " + address.host + ":" +
                     std::to_string(address.port) + "\r\n";
  if (!key.empty()) head += "Sec-WebSocket-Key: " + key + "\r\n";
  for (const std::string& line : headers) head += line + "\r\n";
  return head + "\r\n";
}

WebSocket::WebSocket(const Address& address, const UpgradeRequest& request, Where where)
    : socket_(std::make_unique<Socket>(address, request.receive_buffer_size)) {
  socket_->send(request.text(address));
  const Deadline deadline = within(patience);
  std::size_t end;
  while ((end = socket_->input.find("\r\n\r\n")) == std::string::npos) {
    if (!socket_->receive(deadline)) throw ConnectionEnded(std::nullopt, where);
  }
  const std::string head = socket_->input.substr(0, end);
  socket_->input.erase(0, end + 4);
  if (!head.starts_with("HTTP/1.1 101 ")) broken("no 101 but " + head, where);
  if (header(head, "Sec-WebSocket-Accept") != websocket::accept_key(request.key)) {
    broken("another Sec-WebSocket-Accept: " + head, where);
  }
  if (header(head, "Sec-WebSocket-Protocol") || header(head, "Sec-WebSocket-Extensions")) {
    broken("a subprotocol or an extension: " + head, where);
  }
}

// --- Reading -------------------------------------------------------------------------------------

bool WebSocket::read_until(const std::function<bool()>& done, Deadline deadline,
                           const Where& where) {
  take_frames(where);
  while (!done()) {
    if (socket_->ended()) return false;
    try {
      socket_->receive(deadline);
    } catch (const TimedOut&) {
      throw TimedOut("nothing arrived in time (at " + place(where) + ")");
    }
    take_frames(where);
  }
  return true;
}

void WebSocket::take_frames(const Where& where) {
  std::string bytes = std::exchange(socket_->input, {});
  std::span<std::byte> left = std::as_writable_bytes(std::span{bytes});
  while (!left.empty()) {
    const auto part = reader_.next(left);
    if (!part) broken(websocket::name(part.error()), where);
    if (*part) take_frame(**part, where);
  }
}

void WebSocket::take_frame(const websocket::FramePart& part, const Where& where) {
  const std::string_view payload = as_text(part.payload);
  switch (part.opcode) {
    case Opcode::ping:
      if (!close_code_) send_raw(frame(Opcode::pong, payload));
      return;
    case Opcode::pong:
      pongs_.emplace_back(payload);
      return;
    case Opcode::close: {
      const auto close = websocket::parse_close(part.payload);
      if (!close.valid) broken("an invalid Close", where);
      if (close_code_) broken("a second Close", where);
      close_code_ = close.code;
      send_raw(frame(Opcode::close, payload.substr(0, 2)));
      return;
    }
    default:
      break;
  }
  if (close_code_) broken("data behind its Close", where);
  if (part.first && part.opcode != Opcode::continuation) {
    partial_.clear();
    partial_binary_ = part.opcode == Opcode::binary;
  }
  partial_ += payload;
  if (part.last && part.fin) messages_.push_back({partial_binary_, std::exchange(partial_, {})});
}

Message WebSocket::receive(Duration timeout, Where where) {
  if (!read_until([&] { return !messages_.empty(); }, within(timeout), where)) {
    throw ConnectionEnded(close_code_, where);
  }
  Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

std::optional<Message> WebSocket::poll(Duration timeout, Where where) {
  try {
    return receive(timeout, where);
  } catch (const TimedOut&) {
    return std::nullopt;
  }
}

bool WebSocket::poll_frames(Where where) {
  if (!socket_->ended()) socket_->receive_available();
  take_frames(where);
  return has_message() || socket_->ended();
}

void WebSocket::ping(std::string_view payload, Duration timeout, Where where) {
  send_raw(frame(Opcode::ping, payload));
  if (!read_until([&] { return !pongs_.empty(); }, within(timeout), where)) {
    throw ConnectionEnded(close_code_, where);
  }
  if (pongs_.front() != payload) broken("a Pong with another payload", where);
  pongs_.pop_front();
}

std::optional<std::uint16_t> WebSocket::wait_end(Duration timeout, Where where) {
  read_until([] { return false; }, within(timeout), where);
  return close_code_;
}

std::optional<std::uint16_t> WebSocket::close(std::uint16_t code, Duration timeout) {
  send_raw(frame(Opcode::close, close_payload(code)));
  return wait_end(timeout);
}

// --- Requests ------------------------------------------------------------------------------------

void Connection::start(std::string_view cmd, const Map& fields) {
  send(Map{{"cmd", cmd}}.with(fields));
}

Document Connection::reply(Duration timeout, Where where) {
  const Message message = receive(timeout, where);
  if (!message.binary) broken("a text message", where);
  return unpack(message.payload);
}

Document Connection::call(std::string_view cmd, const Map& fields, Duration timeout, Where where) {
  start(cmd, fields);
  return reply(timeout, where);
}

Document Connection::require(std::string_view cmd, const Map& fields, Where where) {
  Document got = call(cmd, fields, patience, where);
  if (got["status"] != Document("ok")) {
    throw ClientError(std::string{cmd} + ": " + to_text(got) + " (at " + place(where) + ")");
  }
  return got;
}

Document Connection::ask(const Document& document, Where where) {
  return ask_raw(pack(document), where);
}

Document Connection::ask_raw(std::string_view message, Where where) {
  WebSocket::send(message);
  return reply(patience, where);
}

bool Connection::stays_silent(Duration duration, Where where) {
  return !poll(duration, where).has_value();
}

Document Connection::challenge(Where where) { return reply(patience, where); }

Document Connection::answer(const Document& answer, Where where) { return ask(answer, where); }

// --- Handshakes ----------------------------------------------------------------------------------

Map handshake_answer(int version, std::string_view type, const Map& fields) {
  return Map{{"handshake", "answer"}, {"client_api_version", list(version, 0)}, {"type", type}}
      .with(fields);
}

Map administration_answer(std::string_view token) {
  return handshake_answer(1, "administration", {{"token", token}});
}

Map anonymous_answer(std::string_view organization_id, const Document& rvk) {
  return handshake_answer(1, "anonymous", {{"organization_id", organization_id}, {"rvk", rvk}});
}

Map invited_answer(std::string_view organization_id, Uuid token, std::string_view type) {
  return handshake_answer(
      2, "INVITED",
      {{"organization_id", organization_id}, {"invitation_type", type}, {"token", token}});
}

Connection connect(const Address& address, const Document& answer, Where where) {
  Connection connection{address, {}, where};
  connection.challenge(where);
  const Document result = connection.answer(answer, where);
  if (result["result"] != Document("ok")) {
    throw ClientError("handshake: " + to_text(result) + " (at " + place(where) + ")");
  }
  return connection;
}

}  // namespace parsec::testing
