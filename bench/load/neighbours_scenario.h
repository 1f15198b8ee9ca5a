// What neighbours do to each other: victims, whose latency is measured alone and beside each of the
// hogs, one after the other. Every one is a scenario with a population of its own, and so has
// organizations of its own. JSON (bench/scenarios/neighbours.json): members of a scenario, and
// `in_flight`, `holds_realm`.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/scenario.h"

namespace parsec::bench {

struct Party {
  Scenario scenario;
  std::uint32_t in_flight = 1;  // closed loop
  /// Of a hog: meanwhile a session in the database holds the row of its first realm, as psql or
  /// another program may.
  bool holds_realm = false;
};

struct NeighboursScenario {
  std::string name;
  std::string description;
  std::vector<Party> victims;
  std::vector<Party> hogs;

  /// A small part of everything, only to see it run.
  void shrink();
  /// Keeps the hogs of these names; the error names one that there is not.
  std::expected<void, std::string> keep_hogs(const std::vector<std::string>& names);

  /// The error names the place: `hogs[1].commands[0].bytes: …`.
  static std::expected<NeighboursScenario, std::string> parse(std::string_view json);
  static std::expected<NeighboursScenario, std::string> load(const std::string& file);
};

}  // namespace parsec::bench
