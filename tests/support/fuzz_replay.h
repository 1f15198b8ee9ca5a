// The fuzz targets of tests/fuzz as ordinary tests, by any compiler: each gets its corpus, then a
// bounded number of mutations of it from a fixed seed. A target ends the process when it finds
// something.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace parsec::testing {

using FuzzTarget = int (*)(const std::uint8_t*, std::size_t);

void replay(FuzzTarget target, const std::string& name, int mutations);

}  // namespace parsec::testing
