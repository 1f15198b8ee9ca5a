// Measurements as text for a terminal. Pure functions.
#pragma once

#include <span>
#include <string>

#include "bench/driver.h"

namespace parsec::bench {

/// Repeats of one load together: a line for each command, medians over the repeats with their
/// spread, percentiles of all repeats' histograms added up; then who was how busy.
std::string describe(std::span<const Measurement> repeats);

}  // namespace parsec::bench
