// WebSocket framing (RFC 6455), server side and client side, without I/O.
//
// The server's FrameReader unmasks in place and keeps a few bytes of state per connection;
// assembling fragments is the session's business, because only it knows when memory may be held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/output_buffer.h"
#include "engine/types.h"

namespace parsec::websocket {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

/// A part of a frame that has arrived: payload already unmasked. A data frame may come in many
/// parts; a control frame always comes whole.
struct FramePart {
  Opcode opcode;  // of the frame; continuation frames say so
  bool fin;       // of the frame
  bool first;     // first part of its frame
  bool last;      // last part of its frame
  std::uint64_t frame_size;
  std::span<std::byte> payload;
};

enum class Violation : std::uint8_t {
  unmasked,  // or masked, on the client's side
  reserved_bit,
  unknown_opcode,
  fragmented_control,
  long_control,
  stray_continuation,
  interrupted_message,  // a new data frame inside a fragmented message
  bad_length,           // top bit set, or not the shortest form
};
std::string_view name(Violation violation);

enum class Role : std::uint8_t { server, client };

/// Finds frames in a stream. 32 bytes of state; a control frame's payload that arrives in pieces
/// is held (on the heap) until it is whole.
class FrameReader {
 public:
  explicit FrameReader(Role role = Role::server) : client_(role == Role::client) {}

  /// Takes bytes from the front of `input` (which shrinks) until a part is found. nullopt: all
  /// input was taken and no part is complete. A data frame's part is a view of `input`, a control
  /// frame's is valid until the next call. After a violation the stream cannot be read further.
  std::expected<std::optional<FramePart>, Violation> next(std::span<std::byte>& input);

  /// True between the frames of a fragmented message, or inside a frame.
  bool inside_message() const { return message_open_ || head_size_ > 0; }

 private:
  using Part = std::optional<FramePart>;
  using ControlPayload = std::array<std::byte, 125>;

  std::expected<bool, Violation> take_head(std::span<std::byte>& input);
  std::optional<Violation> start_frame();
  std::size_t head_bytes_wanted() const;
  std::uint64_t frame_size() const;
  Part take_data(std::span<std::byte>& input);
  Part take_control(std::span<std::byte>& input);
  FramePart part(std::span<std::byte> payload, bool first, bool last) const;

  std::array<std::byte, 14> head_{};  // of the current frame, as far as it came
  std::uint8_t head_size_ = 0;
  bool client_ : 1;
  bool message_open_ : 1 = false;  // a data frame without FIN came, its continuation is awaited
  bool in_frame_ : 1 = false;      // the head is whole and valid
  std::uint64_t left_ = 0;         // payload bytes of the current frame still to come
  std::unique_ptr<ControlPayload> control_;  // of a control frame that came in pieces
};

/// Close frame payload: code and reason. A violation of RFC 6455 §5.5.1/§7.4 (one byte, a code
/// that must not be sent, a reason that is not UTF-8) is `false` with the code to answer with.
struct ClosePayload {
  bool valid;
  std::uint16_t code;  // valid: the peer's (1005 when it sent none); else 1002 or 1007
};
ClosePayload parse_close(Bytes payload);

/// Appends a whole frame, unmasked (server).
void write_frame(engine::OutputBuffer& out, Opcode opcode, Bytes payload);
/// Appends a whole frame, masked with `mask` (client).
void write_masked_frame(engine::OutputBuffer& out, Opcode opcode, Bytes payload,
                        std::array<std::byte, 4> mask);
void write_close(engine::OutputBuffer& out, std::uint16_t code);

/// A binary message whose payload is appended between construction and destruction. Reserves the
/// frame head that size_hint needs and moves the payload once if the guess was wrong.
class MessageWriter {
 public:
  explicit MessageWriter(engine::OutputBuffer& out, std::size_t size_hint = 0);
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

 private:
  engine::OutputBuffer& out_;
  std::size_t start_;
  std::size_t head_size_;
};

/// Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455 §4.2.2).
std::string accept_key(std::string_view key);

/// XOR with the mask, starting at byte `phase` (0–3) of it.
void unmask(std::span<std::byte> bytes, std::array<std::byte, 4> mask, std::size_t phase);

}  // namespace parsec::websocket
