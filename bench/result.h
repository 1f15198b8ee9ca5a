// What parsec-bench found out, with all that is needed to judge it later: the scenario, the
// measurements whole, and the machine. Reports, comparisons and plans are made from these; as a
// file it is JSON (report/result_json.h).
//
// Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/analysis/neighbours.h"
#include "bench/analysis/saturation.h"
#include "bench/analysis/scaling.h"
#include "bench/driver.h"
#include "bench/load/scenario.h"

namespace parsec::bench {

/// Where and with what it was measured. Empty texts and 0: not known.
struct Environment {
  std::string date;          // UTC, ISO 8601
  std::string command_line;  // without secrets
  std::string cpu_model;
  std::uint32_t cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string kernel;
  std::string distribution;
  std::string governor;        // of the processors' frequency
  std::string virtualisation;  // "none", or what is known of it
  /// Of programs and libraries: what the server calls itself under `server`.
  std::map<std::string, std::string> versions;
  std::map<std::string, std::string> postgresql_settings;

  bool operator==(const Environment&) const = default;
};

struct Search {
  std::chrono::nanoseconds p99_bound{};
  double precision = 0;  // as in SaturationOptions
  Saturation found;
};

struct Result {
  Environment environment;
  Scenario scenario;
  std::vector<Measurement> run;  // repeats of one load
  std::optional<Search> search;
  std::vector<Rung> ladder;
  std::optional<ScalingSeries> scaling;
  /// If there are any, nothing else was measured; the scenario is then the first victim's, with the
  /// name of the whole.
  std::vector<NeighbourRow> neighbours;

  /// Repeats of the one load that stands for it all, where percentiles and costs are taken: the
  /// run; else the ladder's rung at half of the saturation; else the highest rate that kept the
  /// promise (the lowest tried, if none did); else the last step of the scaling. Empty: nothing was
  /// measured.
  std::span<const Measurement> typical() const;
};

}  // namespace parsec::bench
