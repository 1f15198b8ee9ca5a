// Any bytes as a msgpack document: what is accepted can be walked to its last byte, and comes back
// from the writer with the same content.
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace {

using parsec::msgpack::Kind;
using parsec::msgpack::Value;
using parsec::msgpack::Writer;

void copy(Value value, Writer& writer) {
  switch (value.kind()) {
    case Kind::nil:
      return writer.nil();
    case Kind::boolean:
      return writer.boolean(value.boolean());
    case Kind::integer:
      return writer.integer(value.integer());
    case Kind::real:
      return writer.real(value.real());
    case Kind::str:
      return writer.str(value.str());
    case Kind::bin:
      return writer.bin(value.bin());
    case Kind::uuid:
      return writer.uuid(value.uuid());
    case Kind::datetime:
      return writer.datetime(value.datetime());
    case Kind::ext:
      return writer.ext(value.ext_type(), value.ext());
    case Kind::array:
      writer.array(value.count());
      for (auto items = value.items(); auto item = items.next();) copy(*item, writer);
      return;
    case Kind::map:
      writer.map(value.count());
      for (auto entries = value.entries(); auto entry = entries.next();) {
        if (entry->key.kind() == Kind::str) assert(value.find(entry->key.str()));
        copy(entry->key, writer);
        copy(entry->value, writer);
      }
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const parsec::Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  const auto value = parsec::msgpack::parse(bytes);
  if (!value) return 0;
  assert(value->encoded().size() == size);

  parsec::engine::OutputBuffer once;
  Writer first{once};
  copy(*value, first);
  // Ours is the shortest form: writing it again changes nothing.
  const auto again = parsec::msgpack::parse(once.bytes());
  assert(again);
  parsec::engine::OutputBuffer twice;
  Writer second{twice};
  copy(*again, second);
  assert(parsec::as_text(once.bytes()) == parsec::as_text(twice.bytes()));
  return 0;
}
