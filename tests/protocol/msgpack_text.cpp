#include "tests/protocol/msgpack_text.h"

#include <fmt/format.h>

#include "tests/protocol/hex.h"

namespace parsec::msgpack {

std::string to_text(Value value) {
  switch (value.kind()) {
    case Kind::nil:
      return "nil";
    case Kind::boolean:
      return value.boolean() ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer());
    case Kind::real:
      return fmt::format("{:a}", value.real());
    case Kind::str:
      return '"' + std::string{value.str()} + '"';
    case Kind::bin:
      return "bin:" + to_hex(value.bin());
    case Kind::uuid:
      return "uuid:" + to_hex(value.uuid().bytes);
    case Kind::datetime:
      return "datetime:" + std::to_string(value.datetime().microseconds);
    case Kind::ext:
      return fmt::format("ext({}):{}", value.ext_type(), to_hex(value.ext()));
    case Kind::array: {
      std::string text = "[";
      for (auto items = value.items(); auto item = items.next();) {
        if (text.size() > 1) text += ", ";
        text += to_text(*item);
      }
      return text + "]";
    }
    case Kind::map: {
      std::string text = "{";
      for (auto entries = value.entries(); auto entry = entries.next();) {
        if (text.size() > 1) text += ", ";
        text += to_text(entry->key) + ": " + to_text(entry->value);
      }
      return text + "}";
    }
  }
  return "?";
}

}  // namespace parsec::msgpack
