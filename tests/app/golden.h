// Golden files: texts of the program under tests/app/golden/, compared byte by byte.
//
// PARSEC_UPDATE_GOLDEN=1 makes the tests write what they see; the change is reviewed in the diff.
#pragma once

#include <string>

namespace parsec::testing {

/// Fails the running test where `text` differs from the file of that name.
void expect_golden(const std::string& name, const std::string& text);

}  // namespace parsec::testing
