// How capacity changes with one parameter: connections, shards, lanes, data. At each count either
// the ceiling (closed loop) or the highest rate that keeps a promise is measured, and the
// scalability law is fitted to what comes out.
//
// Over any Driver; blocks as long as the measurements take.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/analysis/saturation.h"
#include "bench/analysis/scalability.h"
#include "bench/driver.h"
#include "bench/repeats.h"

namespace parsec::bench {

struct ScalingStep {
  double count = 0;
  /// Of the ceiling, or of the highest rate that kept the promise.
  std::vector<Measurement> repeats;

  /// Answers `ok` per second.
  Repeats capacity() const;
  bool generator_was_the_limit() const;
};

struct ScalingSeries {
  std::string parameter;  // "connections"
  std::vector<ScalingStep> steps;

  std::expected<ScalabilityLaw, std::string> law() const;
};

/// What measures at one count.
struct ScalingSetup {
  std::unique_ptr<Driver> driver;
  /// Of the closed loop; with a promise: warm-up, duration, pattern and seed.
  Load load;
};
using SetUp = std::function<std::expected<ScalingSetup, std::string>(double count)>;

struct ScalingOptions {
  std::string parameter;
  std::vector<double> counts;
  std::uint32_t repeats = 3;
  /// Its promise, first rate and precision; nullopt: the ceiling.
  std::optional<SaturationOptions> promise;
};

using OnStep = std::function<void(const ScalingStep&)>;

/// An error is that of setting up or of measuring, or says at which count nothing was carried.
std::expected<ScalingSeries, std::string> measure_scaling(const ScalingOptions& options,
                                                          const SetUp& set_up,
                                                          const OnStep& on_step);

}  // namespace parsec::bench
