#include "tests/app/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/source_tree.h"

namespace parsec::testing {

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = source_path("tests/app/golden/") + name;
  if (std::getenv("PARSEC_UPDATE_GOLDEN") != nullptr) {
    std::ofstream{path} << text;
    return;
  }
  std::ostringstream expected;
  expected << std::ifstream{path}.rdbuf();
  EXPECT_EQ(text, expected.str()) << path << " differs; PARSEC_UPDATE_GOLDEN=1 updates it";
}

}  // namespace parsec::testing
