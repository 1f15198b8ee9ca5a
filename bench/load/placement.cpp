#include "bench/load/placement.h"

namespace parsec::bench {

std::vector<Placed> place(const Population& population, const Scenario& scenario) {
  const std::uint32_t organizations = population.size().organizations;
  std::vector<std::uint32_t> next(organizations);  // device of each organization
  std::vector<Placed> all;
  const auto deal = [&](std::uint32_t count, Role role) {
    std::uint32_t number = 0;
    for (const std::uint32_t organization : deal_out(count, organizations, scenario.zipf)) {
      // Numbers that are apart by the number of organizations are of the same one.
      const std::uint64_t step = next[organization]++;
      const DeviceNumber device = population.device(step * organizations + organization);
      all.push_back({device, role, number++});
    }
  };
  deal(scenario.idle, Role::idle);
  deal(scenario.subscribers, Role::subscriber);
  deal(scenario.connections, Role::active);
  return all;
}

}  // namespace parsec::bench
