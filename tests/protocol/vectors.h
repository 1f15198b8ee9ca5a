// Test vectors of the contract, protocol/3-types.md: JSON lines.
#pragma once

#include <simdjson.h>

#include <functional>
#include <string>

#include "tests/support/source_tree.h"

namespace parsec {

/// Calls `row` with each line of tests/protocol/vectors/<name>.
inline void for_each_vector(
    const std::string& name,
    const std::function<void(simdjson::ondemand::document_reference)>& row) {
  const auto text =
      simdjson::padded_string::load(testing::source_path("tests/protocol/vectors/") + name).value();
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document_stream rows = parser.iterate_many(text);
  for (auto document : rows) row(document.value());
}

}  // namespace parsec
