// The contract's test vectors (JSON lines beside the project), where they are there.
#pragma once

#include <simdjson.h>

#include <filesystem>
#include <functional>
#include <string>

#include "tests/support/source_tree.h"

namespace parsec {

/// Calls `row` with each line of ../shared/protocol/vectors/<name>; false if there is no such file.
inline bool for_each_vector(
    const std::string& name,
    const std::function<void(simdjson::ondemand::document_reference)>& row) {
  const auto path =
      std::filesystem::path{testing::source_path("../shared/protocol/vectors")} / name;
  if (!std::filesystem::exists(path)) return false;
  const auto text = simdjson::padded_string::load(path.string()).value();
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document_stream rows = parser.iterate_many(text);
  for (auto document : rows) row(document.value());
  return true;
}

}  // namespace parsec
