// Which device each connection of a scenario is of, and what it is there for. Values.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/load/scenario.h"

namespace parsec::bench {

enum class Role : std::uint8_t {
  active,      // sends what the scenario's commands say
  subscriber,  // listens to events
  idle,        // is logged in
};

struct Placed {
  DeviceNumber device;
  Role role = Role::active;
  /// Among the active ones of all generator shards.
  std::uint32_t number = 0;
};

/// All connections of the scenario, in the order in which they are opened: those that only stay
/// come first, so that the active ones measure nothing but the load.
std::vector<Placed> place(const Population& population, const Scenario& scenario);

}  // namespace parsec::bench
