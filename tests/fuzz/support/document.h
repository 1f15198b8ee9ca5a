// What a client may send, from what is in an input: a document in which times are near to now and
// certificates are signed, which no input could hold for itself.
#pragma once

#include <string>
#include <string_view>

#include "engine/types.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {

/// Copies documents. A time within the first hours of 1970 becomes as far from now; the bytes `S`
/// and a document (or any bytes) a certificate of it.
class DocumentWriter {
 public:
  DocumentWriter(const SigningKey& key, DateTime now) : key_(key), now_(now) {}

  void copy(msgpack::Value value, msgpack::Writer& writer) const;
  /// The fields, and `cmd` in front of them; nothing if it is no map.
  std::string request(std::string_view cmd, Bytes fields) const;

 private:
  void copy_bin(Bytes bytes, msgpack::Writer& writer) const;
  std::vector<std::byte> certificate(Bytes content) const;

  const SigningKey& key_;
  const DateTime now_;
};

DateTime wall_clock();

}  // namespace parsec::testing
