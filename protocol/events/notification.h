// What servers of one database tell each other (protocol/6-events.md §6.2): builds the msgpack map
// that a stored function sends with NOTIFY.
//
// Numbers that only the transaction knows (checkpoint, index) come last: the map is given to SQL
// without its last value, which the function appends (parsec_functions.notify in db/schema/sql). So
// the transaction's own work is one concatenation.
#pragma once

#include <string_view>

#include "engine/output_buffer.h"
#include "engine/types.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::protocol {

/// `Notification n("realm.vlobs_updated", 7); n.key("author").str(…); … n.key("checkpoint");`
/// then pass n.bytes() to the function, which appends the checkpoint.
class Notification {
 public:
  /// fields: the signal's own, without __id__ and __signal__. Draws a fresh __id__.
  Notification(std::string_view signal, std::uint32_t fields);

  msgpack::Writer& key(std::string_view name) {
    writer_.str(name);
    return writer_;
  }
  Bytes bytes() const { return buffer_.bytes(); }

  /// PostgreSQL refuses payloads of 8000 bytes and more; base64 makes 4 of 3.
  static constexpr std::size_t max_bytes = 7999 / 4 * 3;

 private:
  engine::OutputBuffer buffer_;
  msgpack::Writer writer_;
};

}  // namespace parsec::protocol
