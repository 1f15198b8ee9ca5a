// Included by targets whose subject logs what it refuses: nobody would read it.
#pragma once

#include <spdlog/spdlog.h>

namespace parsec::testing {

[[maybe_unused]] inline const bool quiet = [] {
  spdlog::set_level(spdlog::level::off);
  return true;
}();

}  // namespace parsec::testing
