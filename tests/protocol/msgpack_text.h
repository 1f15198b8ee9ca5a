// A msgpack document as one line of text, to compare and to print.
#pragma once

#include <string>

#include "protocol/msgpack/msgpack_reader.h"

namespace parsec::msgpack {

/// nil, true, 12, 1.5, "text", bin:00ff, uuid:…, datetime:<microseconds>, ext(7):00, [a, b], {k:
/// v}.
std::string to_text(Value value);

}  // namespace parsec::msgpack
