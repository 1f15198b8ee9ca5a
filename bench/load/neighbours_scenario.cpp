#include "bench/load/neighbours_scenario.h"

#include <algorithm>
#include <utility>

#include "bench/json_reader.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using Need = JsonReader::Need;
constexpr std::uint32_t most_in_flight = 10'000;

std::vector<Party> read_parties(JsonReader& all, std::string_view key) {
  std::vector<Party> parties;
  all.objects(key, [&](JsonReader& reader) {
    Party party;
    reader.whole("in_flight", party.in_flight, Need::optional, 1U, most_in_flight);
    reader.truth("holds_realm", party.holds_realm, Need::optional);
    party.scenario = Scenario::read(reader, {"in_flight", "holds_realm"});
    const auto same_name = [&](const Party& other) {
      return other.scenario.name == party.scenario.name;
    };
    if (std::ranges::any_of(parties, same_name)) reader.fail("name", "is there twice");
    if (party.holds_realm && key == "victims") reader.fail("holds_realm", "is for hogs");
    parties.push_back(std::move(party));
  });
  if (parties.empty()) all.fail(key, "must be a list of at least one");
  return parties;
}

}  // namespace

void NeighboursScenario::shrink() {
  for (std::vector<Party>* parties : {&victims, &hogs}) {
    for (Party& party : *parties) {
      party.scenario.shrink();
      party.in_flight = std::min(party.in_flight, 2U);
    }
  }
}

std::expected<void, std::string> NeighboursScenario::keep_hogs(
    const std::vector<std::string>& names) {
  std::vector<Party> kept;
  for (const std::string& wanted : names) {
    const auto found = std::ranges::find_if(
        hogs, [&](const Party& party) { return party.scenario.name == wanted; });
    if (found == hogs.end()) return Error{"there is no hog `" + wanted + "` in " + name};
    kept.push_back(*found);
  }
  hogs = std::move(kept);
  return {};
}

std::expected<NeighboursScenario, std::string> NeighboursScenario::parse(std::string_view json) {
  return JsonReader::document(json, [](JsonReader& reader) {
    NeighboursScenario scenario;
    reader.only({"name", "description", "victims", "hogs"});
    reader.text("name", scenario.name);
    reader.text("description", scenario.description, Need::optional);
    scenario.victims = read_parties(reader, "victims");
    scenario.hogs = read_parties(reader, "hogs");
    return scenario;
  });
}

std::expected<NeighboursScenario, std::string> NeighboursScenario::load(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return Error{text.error()};
  auto scenario = parse(*text);
  if (!scenario) return Error{file + ": " + scenario.error()};
  return scenario;
}

}  // namespace parsec::bench
