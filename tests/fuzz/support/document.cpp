#include "tests/fuzz/support/document.h"

#include <chrono>

#include "tests/protocol/signing.h"

namespace parsec::testing {

using msgpack::Kind;
using msgpack::Value;
using msgpack::Writer;

DateTime wall_clock() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

std::vector<std::byte> DocumentWriter::certificate(Bytes content) const {
  engine::OutputBuffer written;
  Writer writer{written};
  if (const auto document = msgpack::parse(content)) {
    copy(*document, writer);
    content = written.bytes();
  }
  return key_.sign(as_bytes(testing_support::compress(as_text(content))));
}

void DocumentWriter::copy_bin(Bytes bytes, Writer& writer) const {
  if (!bytes.empty() && bytes[0] == std::byte{'S'}) {
    return writer.bin(certificate(bytes.subspan(1)));
  }
  writer.bin(as_text(bytes) == "K" ? Bytes{key_.verify_key()} : bytes);
}

void DocumentWriter::copy(Value value, Writer& writer) const {
  constexpr std::int64_t near = 10'000'000'000;  // microseconds
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
      return copy_bin(value.bin(), writer);
    case Kind::uuid:
      return writer.uuid(value.uuid());
    case Kind::datetime: {
      const auto time = value.datetime().microseconds;
      const bool is_near = time > -near && time < near;
      return writer.datetime({is_near ? now_.microseconds + time : time});
    }
    case Kind::ext:
      return writer.ext(value.ext_type(), value.ext());
    case Kind::array:
      writer.array(value.count());
      for (auto items = value.items(); auto item = items.next();) copy(*item, writer);
      return;
    case Kind::map:
      writer.map(value.count());
      for (auto entries = value.entries(); auto entry = entries.next();) {
        copy(entry->key, writer);
        copy(entry->value, writer);
      }
      return;
  }
}

std::string DocumentWriter::request(std::string_view cmd, Bytes fields) const {
  const auto document = msgpack::parse(fields);
  if (!document || document->kind() != Kind::map) return {};
  engine::OutputBuffer out;
  Writer writer{out};
  writer.map(document->count() + 1);
  writer.str("cmd"), writer.str(cmd);
  for (auto entries = document->entries(); auto entry = entries.next();) {
    copy(entry->key, writer);
    copy(entry->value, writer);
  }
  return std::string{as_text(out.bytes())};
}

}  // namespace parsec::testing
