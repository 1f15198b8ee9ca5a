// Where the checkout and the programs of this build lie. Compiled in one place, so that the other
// objects are the same in every checkout and a compiler cache serves them all.
#pragma once

#include <string>
#include <string_view>

namespace parsec::testing {

/// Absolute path of a file or folder of the checkout, given relative to its root.
std::string source_path(std::string_view relative);

/// Absolute path of a program of this build: "parsec", "parsec-bench".
std::string built_program(std::string_view name);

}  // namespace parsec::testing
