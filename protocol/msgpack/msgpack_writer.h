// Writes msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) with the ext types of
// the Parsec protocol (protocol/1-transport.md §1.3) straight into an output buffer.
//
// The caller keeps the promise of map() and array(): as many items follow as were announced.
// Integers take their shortest form. What every reply is made of is inline.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "engine/output_buffer.h"
#include "engine/types.h"

namespace parsec::msgpack {

class Writer {
 public:
  explicit Writer(engine::OutputBuffer& out) : out_(out) {}

  void nil() { out_.push(0xC0); }
  void boolean(bool value) { out_.push(value ? 0xC3 : 0xC2); }
  void integer(std::int64_t value) {
    if (value >= -32 && value <= 127) return out_.push(static_cast<std::uint8_t>(value));
    long_integer(value);
  }
  void real(double value);
  void str(std::string_view value) {
    if (value.size() >= 32) return long_str(value);
    std::byte* at = out_.reserve(32);
    at[0] = static_cast<std::byte>(0xA0 | value.size());
    if (!value.empty()) std::memcpy(at + 1, value.data(), value.size());
    out_.commit(1 + value.size());
  }
  void bin(Bytes value);
  void array(std::uint32_t count) {
    if (count < 16) return out_.push(static_cast<std::uint8_t>(0x90 | count));
    head(0xDC, count);
  }
  void map(std::uint32_t count) {
    if (count < 16) return out_.push(static_cast<std::uint8_t>(0x80 | count));
    head(0xDE, count);
  }
  void uuid(const Uuid& value);   // ext type 2
  void datetime(DateTime value);  // ext type 1
  void ext(std::int8_t type, Bytes value);

  void optional_str(std::optional<std::string_view> v) { v ? str(*v) : nil(); }
  void optional_bin(std::optional<Bytes> v) { v ? bin(*v) : nil(); }
  void optional_datetime(std::optional<DateTime> v) { v ? datetime(*v) : nil(); }

  engine::OutputBuffer& buffer() { return out_; }

 private:
  void long_integer(std::int64_t value);
  void long_str(std::string_view value);
  /// A tag with a 16-bit count, or the next tag with a 32-bit one.
  void head(std::uint8_t tag16, std::uint32_t count);

  engine::OutputBuffer& out_;
};

/// The double that stands for a point in time on the wire, and back (protocol/1-transport.md §1.3).
double encode_datetime(DateTime value);
std::optional<DateTime> decode_datetime(double seconds);

}  // namespace parsec::msgpack
