// Any text as a scenario, a result or the description of a deployment: what is accepted as a result
// is written and read again as the same, and no scenario that is accepted asks for what cannot be
// done.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/analysis/deployment.h"
#include "bench/load/scenario.h"
#include "bench/report/result_json.h"

namespace {

using namespace parsec::bench;

void read_scenario(std::string_view json) {
  auto scenario = Scenario::parse(json);
  if (!scenario) {
    assert(!scenario.error().empty());
    return;
  }
  assert(scenario->check());
  assert(!scenario->commands.empty());
  for (const auto& share : scenario->commands) {
    assert(share.weight > 0 && !scenario->label(share).empty());
    assert(scenario->uses(share.command));
  }
  scenario->shrink();
  assert(scenario->check());
  constexpr std::uint32_t few = 100;
  if (scenario->population.organizations <= few) {
    const auto dealt = deal_out(few, scenario->population.organizations, scenario->zipf);
    assert(dealt.size() == few);
    for (const auto organization : dealt) assert(organization < scenario->population.organizations);
  }
}

void read_whole_result(std::string_view json) {
  const auto result = read_result(json);
  if (!result) {
    assert(!result.error().empty());
    return;
  }
  const auto text = write_result(*result);
  const auto again = read_result(text);
  assert(again && write_result(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json{reinterpret_cast<const char*>(data), size};
  read_scenario(json);
  read_whole_result(json);
  const auto deployment = Deployment::parse(json);
  assert(deployment || !deployment.error().empty());
  if (deployment) assert(deployment->connected() <= deployment->devices());
  return 0;
}
