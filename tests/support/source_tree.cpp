#include "tests/support/source_tree.h"

namespace parsec::testing {

std::string source_path(std::string_view relative) {
  return std::string{PARSEC_SOURCE_DIR "/"}.append(relative);
}

std::string built_program(std::string_view name) {
  return std::string{PARSEC_BINARY_DIR "/"}.append(name);
}

}  // namespace parsec::testing
