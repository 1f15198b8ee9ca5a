// Bytes as tests compare and print them.
#pragma once

#include <string>

#include "engine/types.h"

namespace parsec::testing {

inline std::string text_of(Bytes bytes) { return std::string{as_text(bytes)}; }

}  // namespace parsec::testing
