// Measurements as text for a terminal. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/analysis/comparison.h"
#include "bench/analysis/neighbours.h"
#include "bench/analysis/saturation.h"
#include "bench/analysis/scaling.h"
#include "bench/driver.h"

namespace parsec::bench {

/// Repeats of one load together: a line for each command, medians over the repeats with their
/// spread, percentiles of all repeats' histograms added up; then who was how busy.
std::string describe(std::span<const Measurement> repeats);

/// A line for a rate that was tried.
std::string describe(const Rung& rung, std::chrono::nanoseconds p99_bound);
/// A line for a count that was tried; and what all of them say together.
std::string describe(const ScalingStep& step);
std::string describe(const ScalingSeries& series);
/// A line for each figure, and what makes them hard to compare.
std::string describe(const Comparison& comparison);
/// A line for each victim beside each hog.
std::string describe(const std::vector<NeighbourRow>& rows);
/// What was found, in a sentence.
std::string describe(const Saturation& found, std::chrono::nanoseconds p99_bound);

}  // namespace parsec::bench
