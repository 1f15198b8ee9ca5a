#include "protocol/websocket/websocket.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "protocol/bytes/base64.h"
#include "protocol/bytes/big_endian.h"
#include "protocol/bytes/utf8.h"

namespace parsec::websocket {
namespace {

// First byte of a frame, then the second (RFC 6455 §5.2).
constexpr std::byte fin_bit{0x80};
constexpr std::byte reserved_bits{0x70};
constexpr std::byte opcode_bits{0x0F};
constexpr std::byte mask_bit{0x80};
constexpr std::byte length_bits{0x7F};

constexpr std::uint8_t length_is_16_bit = 126;
constexpr std::uint8_t length_is_64_bit = 127;
constexpr std::size_t mask_bytes = 4;
constexpr std::size_t max_control_bytes = 125;

bool is_control(Opcode opcode) { return std::to_underlying(opcode) >= 8; }

bool is_known(Opcode opcode) {
  switch (opcode) {
    case Opcode::continuation:
    case Opcode::text:
    case Opcode::binary:
    case Opcode::close:
    case Opcode::ping:
    case Opcode::pong:
      return true;
  }
  return false;
}

Opcode opcode_of(std::byte first) { return static_cast<Opcode>(first & opcode_bits); }

std::size_t extended_length_bytes(std::uint8_t length) {
  return length == length_is_16_bit ? 2 : length == length_is_64_bit ? 8 : 0;
}

std::size_t unmasked_head_bytes(std::uint64_t payload_size) {
  return payload_size < length_is_16_bit ? 2 : payload_size <= 0xFFFF ? 4 : 10;
}

/// Writes head_bytes(payload_size) bytes.
void put_head(std::byte* to, Opcode opcode, std::uint64_t payload_size, std::byte mask) {
  to[0] = fin_bit | static_cast<std::byte>(opcode);
  if (payload_size < length_is_16_bit) {
    to[1] = mask | static_cast<std::byte>(payload_size);
  } else if (payload_size <= 0xFFFF) {
    to[1] = mask | std::byte{length_is_16_bit};
    store_big_endian(to + 2, static_cast<std::uint16_t>(payload_size));
  } else {
    to[1] = mask | std::byte{length_is_64_bit};
    store_big_endian(to + 2, payload_size);
  }
}

/// Codes that an endpoint may send (RFC 6455 §7.4, and 1012 to 1014 of the IANA registry).
bool may_be_sent(std::uint16_t code) {
  if (code >= 1000 && code <= 1014) return code != 1004 && code != 1005 && code != 1006;
  return code >= 3000 && code <= 4999;
}

}  // namespace

std::string_view name(Violation violation) {
  switch (violation) {
    case Violation::unmasked:
      return "frame without mask";
    case Violation::reserved_bit:
      return "reserved bit";
    case Violation::unknown_opcode:
      return "unknown opcode";
    case Violation::fragmented_control:
      return "fragmented control frame";
    case Violation::long_control:
      return "long control frame";
    case Violation::stray_continuation:
      return "continuation of nothing";
    case Violation::interrupted_message:
      return "new message inside a fragmented one";
    case Violation::bad_length:
      return "bad length";
  }
  return "?";
}

static_assert(sizeof(FrameReader) <= 32, "every idle connection has one");

// --- Reading

std::expected<std::optional<FramePart>, Violation> FrameReader::next(std::span<std::byte>& input) {
  if (!in_frame_) {
    const auto whole = take_head(input);
    if (!whole) return std::unexpected(whole.error());
    if (!*whole) return std::nullopt;
    if (const auto violation = start_frame()) return std::unexpected(*violation);
  }
  return is_control(opcode_of(head_[0])) ? take_control(input) : take_data(input);
}

/// True once the head is whole. A violation is told as soon as its byte is there, in the order of
/// RFC 6455 §5.2.
std::expected<bool, Violation> FrameReader::take_head(std::span<std::byte>& input) {
  while (true) {
    if (head_size_ >= 1) {
      const auto opcode = opcode_of(head_[0]);
      const bool fin = (head_[0] & fin_bit) != std::byte{0};
      if ((head_[0] & reserved_bits) != std::byte{0}) {
        return std::unexpected(Violation::reserved_bit);
      }
      if (!is_known(opcode)) return std::unexpected(Violation::unknown_opcode);
      if (is_control(opcode) && !fin) return std::unexpected(Violation::fragmented_control);
      if (opcode == Opcode::continuation && !message_open_) {
        return std::unexpected(Violation::stray_continuation);
      }
      if ((opcode == Opcode::text || opcode == Opcode::binary) && message_open_) {
        return std::unexpected(Violation::interrupted_message);
      }
    }
    if (head_size_ >= 2) {
      const bool masked = (head_[1] & mask_bit) != std::byte{0};
      if (masked == client_) return std::unexpected(Violation::unmasked);
      const auto length = std::to_integer<std::uint8_t>(head_[1] & length_bits);
      if (is_control(opcode_of(head_[0])) && length > max_control_bytes) {
        return std::unexpected(Violation::long_control);
      }
    }
    const auto wanted = head_bytes_wanted();
    if (head_size_ == wanted) return true;
    const auto taken = std::min(wanted - head_size_, input.size());
    if (taken == 0) return false;
    std::memcpy(head_.data() + head_size_, input.data(), taken);
    head_size_ = static_cast<std::uint8_t>(head_size_ + taken);
    input = input.subspan(taken);
  }
}

/// As far as it can be told from the bytes that are there.
std::size_t FrameReader::head_bytes_wanted() const {
  if (head_size_ < 2) return 2;
  const auto length = std::to_integer<std::uint8_t>(head_[1] & length_bits);
  return 2 + extended_length_bytes(length) + (client_ ? 0 : mask_bytes);
}

std::uint64_t FrameReader::frame_size() const {
  const auto length = std::to_integer<std::uint8_t>(head_[1] & length_bits);
  if (length == length_is_16_bit) return load_big_endian<std::uint16_t>(head_.data() + 2);
  if (length == length_is_64_bit) return load_big_endian<std::uint64_t>(head_.data() + 2);
  return length;
}

std::optional<Violation> FrameReader::start_frame() {
  const auto size = frame_size();
  if (size >> 63 != 0 || unmasked_head_bytes(size) + (client_ ? 0 : mask_bytes) != head_size_) {
    return Violation::bad_length;
  }
  if (!is_control(opcode_of(head_[0]))) message_open_ = (head_[0] & fin_bit) == std::byte{0};
  in_frame_ = true;
  left_ = size;
  return std::nullopt;
}

FrameReader::Part FrameReader::take_data(std::span<std::byte>& input) {
  if (input.empty() && left_ > 0) return std::nullopt;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  const auto payload = input.first(size);
  input = input.subspan(size);
  const auto before = frame_size() - left_;
  if (!client_) {
    std::array<std::byte, mask_bytes> mask;
    std::memcpy(mask.data(), &head_[head_size_ - mask_bytes], mask_bytes);
    unmask(payload, mask, before % mask_bytes);
  }
  const auto found = part(payload, before == 0, size == left_);
  left_ -= size;
  if (left_ == 0) {
    in_frame_ = false;
    head_size_ = 0;
  }
  return found;
}

/// Pieces are collected unmasked.
FrameReader::Part FrameReader::take_control(std::span<std::byte>& input) {
  const auto whole_size = static_cast<std::size_t>(frame_size());
  if (left_ == whole_size && input.size() >= whole_size) return take_data(input);
  if (!control_) control_ = std::make_unique<ControlPayload>();
  const auto held = whole_size - static_cast<std::size_t>(left_);
  if (const auto piece = take_data(input)) {
    std::ranges::copy(piece->payload, control_->begin() + static_cast<std::ptrdiff_t>(held));
    if (piece->last) return part(std::span{*control_}.first(whole_size), true, true);
  }
  return std::nullopt;
}

FramePart FrameReader::part(std::span<std::byte> payload, bool first, bool last) const {
  return {.opcode = opcode_of(head_[0]),
          .fin = (head_[0] & fin_bit) != std::byte{0},
          .first = first,
          .last = last,
          .frame_size = frame_size(),
          .payload = payload};
}

void unmask(std::span<std::byte> bytes, std::array<std::byte, 4> mask, std::size_t phase) {
  std::rotate(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(phase), mask.end());
  const auto mask32 = std::bit_cast<std::uint32_t>(mask);
  const auto mask64 = std::uint64_t{mask32} << 32 | mask32;
  std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  const auto apply = [&at, &left]<typename Block>(const Block& block_mask) {
    while (left >= sizeof(Block)) {
      Block block;
      std::memcpy(&block, at, sizeof block);
      block ^= block_mask;
      std::memcpy(at, &block, sizeof block);
      at += sizeof block;
      left -= sizeof block;
    }
  };
  using Vector [[gnu::vector_size(64)]] = std::uint64_t;  // the compiler splits it as the CPU needs
  apply(Vector{} + mask64);
  apply(mask64);
  for (std::size_t i = 0; i < left; ++i) at[i] ^= mask[i % 4];
}

ClosePayload parse_close(Bytes payload) {
  if (payload.empty()) return {true, 1005};
  if (payload.size() == 1) return {false, 1002};
  const auto code = load_big_endian<std::uint16_t>(payload.data());
  if (!may_be_sent(code)) return {false, 1002};
  if (!protocol::is_utf8(as_text(payload.subspan(2)))) return {false, 1007};
  return {true, code};
}

// --- Writing

void write_frame(engine::OutputBuffer& out, Opcode opcode, Bytes payload) {
  const auto head = unmasked_head_bytes(payload.size());
  put_head(out.reserve(head + payload.size()), opcode, payload.size(), std::byte{0});
  out.commit(head);
  out.append(payload);
}

void write_masked_frame(engine::OutputBuffer& out, Opcode opcode, Bytes payload,
                        std::array<std::byte, 4> mask) {
  const auto head = unmasked_head_bytes(payload.size());
  std::byte* at = out.reserve(head + mask_bytes + payload.size());
  put_head(at, opcode, payload.size(), mask_bit);
  std::memcpy(at + head, mask.data(), mask_bytes);
  out.commit(head + mask_bytes);
  out.append(payload);
  unmask({out.data() + out.size() - payload.size(), payload.size()}, mask, 0);
}

void write_close(engine::OutputBuffer& out, std::uint16_t code) {
  std::array<std::byte, 2> payload;
  store_big_endian(payload.data(), code);
  write_frame(out, Opcode::close, payload);
}

MessageWriter::MessageWriter(engine::OutputBuffer& out, std::size_t size_hint)
    : out_(out), start_(out.size()), head_size_(unmasked_head_bytes(size_hint)) {
  out_.reserve(head_size_ + size_hint);
  out_.commit(head_size_);
}

MessageWriter::~MessageWriter() {
  const auto size = out_.size() - start_ - head_size_;
  const auto head = unmasked_head_bytes(size);
  if (head != head_size_) {
    if (head > head_size_) out_.reserve(head - head_size_);
    std::byte* const start = out_.data() + start_;
    std::memmove(start + head, start + head_size_, size);
    if (head > head_size_) {
      out_.commit(head - head_size_);
    } else {
      out_.truncate(start_ + head + size);
    }
  }
  put_head(out_.data() + start_, Opcode::binary, size, std::byte{0});
}

// --- Opening

std::string accept_key(std::string_view key) {
  constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 §1.3
  // Fetched once: a lookup by name takes a lock of OpenSSL's.
  static EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  const auto text = std::string{key}.append(guid);
  std::array<unsigned char, 20> digest;
  unsigned int size = 0;
  const int done = EVP_Digest(text.data(), text.size(), digest.data(), &size, sha1, nullptr);
  assert(done == 1 && size == digest.size());
  return protocol::base64_encode(std::as_bytes(std::span{digest}));
}

}  // namespace parsec::websocket
