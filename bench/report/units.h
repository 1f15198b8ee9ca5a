// Quantities as people read them. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "bench/analysis/comparison.h"

namespace parsec::bench {

/// Three digits that count, thousands apart: 12,300; 4.56; 0.0789.
std::string quantity(double value);
/// Whole, every digit: 12,345.
std::string count(double value);
/// 1.5 KiB, 23.1 GiB.
std::string bytes(double value);
/// 12.3 µs, 4.56 ms, 7.89 s.
std::string duration(double nanoseconds);
/// A share as percent without a fraction: 45 %.
std::string percent(double share);

/// A figure of a comparison.
std::string written(double value, Unit unit);

}  // namespace parsec::bench
