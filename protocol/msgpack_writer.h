// Writes msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) with the ext types of
// the Parsec protocol (1-transport.md §1.3) straight into an output buffer.
//
// The caller keeps the promise of map() and array(): as many items follow as were announced.
// Integers take their shortest form.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "db/types.h"
#include "engine/output_buffer.h"

namespace parsec::msgpack {

class Writer {
 public:
  explicit Writer(engine::OutputBuffer& out) : out_(out) {}

  void nil();
  void boolean(bool value);
  void integer(std::int64_t value);
  void real(double value);
  void str(std::string_view value);
  void bin(Bytes value);
  void array(std::uint32_t count);
  void map(std::uint32_t count);
  void uuid(const Uuid& value);      // ext type 2
  void datetime(DateTime value);     // ext type 1
  void ext(std::int8_t type, Bytes value);

  void optional_str(std::optional<std::string_view> v) { v ? str(*v) : nil(); }
  void optional_bin(std::optional<Bytes> v) { v ? bin(*v) : nil(); }
  void optional_datetime(std::optional<DateTime> v) { v ? datetime(*v) : nil(); }

  engine::OutputBuffer& buffer() { return out_; }

 private:
  engine::OutputBuffer& out_;
};

}  // namespace parsec::msgpack
