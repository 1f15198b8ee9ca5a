// A reply being written into the connection's output: a binary WebSocket message holding one
// msgpack map. The frame's length is filled in when the Reply goes out of scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/output_buffer.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/websocket/websocket.h"

namespace parsec::protocol {

class Reply {
 public:
  /// fields: how many entries follow beside `status`. size_hint: see websocket::MessageWriter.
  Reply(engine::OutputBuffer& out, std::string_view status, std::uint32_t fields,
        std::size_t size_hint = 0)
      : message_(out, size_hint), writer_(out) {
    writer_.map(1 + fields);
    key("status").str(status);
  }

  /// The next key; write its value with the writer that is returned.
  msgpack::Writer& key(std::string_view name) {
    writer_.str(name);
    return writer_;
  }
  msgpack::Writer& writer() { return writer_; }

 private:
  websocket::MessageWriter message_;
  msgpack::Writer writer_;
};

}  // namespace parsec::protocol
