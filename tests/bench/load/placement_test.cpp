#include "bench/load/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace parsec::bench {
namespace {

TEST(Placement, ThoseThatOnlyStayComeFirst) {
  Scenario scenario;
  scenario.population = {.organizations = 2, .users = 3, .devices = 2, .realms = 1, .vlobs = 1};
  scenario.connections = 3;
  scenario.subscribers = 4;
  scenario.idle = 2;
  const auto all = place(Population{"p", scenario.population}, scenario);
  ASSERT_EQ(all.size(), 9u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].role, i < 2 ? Role::idle : i < 6 ? Role::subscriber : Role::active);
  }
  EXPECT_EQ(all[6].number, 0u);
  EXPECT_EQ(all[8].number, 2u);
}

TEST(Placement, NobodyIsThereTwiceAsLongAsThereAreDevices) {
  Scenario scenario;
  scenario.population = {.organizations = 4, .users = 3, .devices = 2, .realms = 1, .vlobs = 1};
  scenario.connections = 24;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> devices;
  for (const Placed& each : place(Population{"p", scenario.population}, scenario)) {
    EXPECT_LT(each.device.organization, 4u);
    devices.insert({each.device.organization, each.device.user, each.device.device});
  }
  EXPECT_EQ(devices.size(), 24u);
}

}  // namespace
}  // namespace parsec::bench
