#include "bench/load/scenario.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "bench/json_reader.h"
#include "bench/population/payload.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using Need = JsonReader::Need;

constexpr std::array<std::string_view, command_count> names = {
    "ping",         "handshake",   "vlob_create", "vlob_read",  "vlob_update", "vlob_poll_changes",
    "block_create", "block_read",  "user_get",    "human_find", "realm_stats", "message_get",
    "fan_out",      "reencryption"};

/// A whole number of an object that may be left out, and what it may be.
template <class Owner>
struct WholeMember {
  std::string_view key;
  std::uint32_t Owner::*into;
  std::uint32_t least, most;
};

constexpr WholeMember<Scenario> scenario_numbers[] = {
    {"connections", &Scenario::connections, 1, 1'000'000},
    {"subscribers", &Scenario::subscribers, 0, 1'000'000},
    {"idle", &Scenario::idle, 0, 1'000'000},
};
constexpr WholeMember<PopulationSize> population_numbers[] = {
    {"organizations", &PopulationSize::organizations, 1, 1'000'000},
    {"users", &PopulationSize::users, 1, 100'000},
    {"devices", &PopulationSize::devices, 1, 100},
    {"realms", &PopulationSize::realms, 1, 100'000},
    {"vlobs", &PopulationSize::vlobs, 1, 10'000'000},
    {"blocks", &PopulationSize::blocks, 0, 10'000'000},
};
constexpr WholeMember<CommandShare> command_numbers[] = {
    {"bytes", &CommandShare::bytes, 0, most_payload_bytes},
    {"vlobs", &CommandShare::vlobs, 1, 1'000'000},
    {"batch", &CommandShare::batch, 1, 1'000},
};

/// All members must be of `numbers` or of `others`.
template <class Owner, std::size_t count>
void read_numbers(JsonReader& reader, const WholeMember<Owner> (&numbers)[count],
                  std::vector<std::string_view> others, Owner& into) {
  for (const auto& number : numbers) {
    others.push_back(number.key);
    reader.whole(number.key, into.*number.into, Need::optional, number.least, number.most);
  }
  reader.only(others);
}

CommandShare read_share(JsonReader& reader) {
  CommandShare share;
  read_numbers(reader, command_numbers, {"command", "weight", "from_start"}, share);
  std::string text;
  reader.text("command", text);
  const auto command = parse_command(text);
  if (!command) reader.fail("command", "there is no command `" + text + "`");
  share.command = command.value_or(Command::ping);
  reader.truth("from_start", share.from_start, Need::optional);
  reader.number("weight", share.weight, {.least = 0, .above = true}, Need::optional);
  return share;
}

}  // namespace

std::string_view name(Command command) { return names[static_cast<std::size_t>(command)]; }

std::optional<Command> parse_command(std::string_view text) {
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Command>(found - names.begin());
}

const CommandShare* Scenario::share_of(Command command) const {
  const auto found = std::ranges::find(commands, command, &CommandShare::command);
  return found == commands.end() ? nullptr : &*found;
}

std::string Scenario::label(const CommandShare& share) const {
  std::string command{bench::name(share.command)};
  if (std::ranges::count(commands, share.command, &CommandShare::command) == 1) return command;
  return command + " of " + std::to_string(share.bytes) + " bytes";
}

void Scenario::shrink() {
  const auto limit = [](std::uint32_t& count, std::uint32_t most) {
    count = std::min(count, most);
  };
  limit(population.organizations, 2);
  limit(population.users, 2);
  // Fan-out needs two, of whichever user.
  limit(population.devices, population.users == 1 && uses(Command::fan_out) ? 2 : 1);
  limit(population.realms, 1);
  limit(population.vlobs, 5);
  limit(population.blocks, 5);
  limit(connections, 8);
  limit(subscribers, 8);
  limit(idle, 8);
  for (CommandShare& share : commands) {
    limit(share.bytes, 10'000);
    limit(share.vlobs, 10);
    limit(share.batch, 3);
  }
}

std::expected<void, std::string> Scenario::check() const {
  if (!uses(Command::fan_out)) return {};
  // Devices do not hear of their own updates, and organizations not of each other's.
  if (subscribers == 0) return Error{"subscribers: fan_out needs at least one"};
  if (population.organizations != 1) {
    return Error{"population.organizations: must be 1 for fan_out"};
  }
  if (population.users * population.devices < 2) {
    return Error{"population.devices: fan_out needs two, one of which updates"};
  }
  return {};
}

Scenario Scenario::read(JsonReader& reader, std::initializer_list<std::string_view> also) {
  Scenario scenario;
  std::vector<std::string_view> others{"name", "description", "population", "zipf", "commands"};
  others.insert(others.end(), also.begin(), also.end());
  read_numbers(reader, scenario_numbers, std::move(others), scenario);
  reader.text("name", scenario.name);
  reader.text("description", scenario.description, Need::optional);
  reader.number("zipf", scenario.zipf, {.least = 0, .most = 100}, Need::optional);
  if (auto population = reader.object("population", Need::optional)) {
    read_numbers(*population, population_numbers, {}, scenario.population);
  }
  reader.objects("commands",
                 [&](JsonReader& share) { scenario.commands.push_back(read_share(share)); });
  if (scenario.commands.empty()) reader.fail("commands", "must be a list of at least one");
  if (auto possible = scenario.check(); !possible && !reader.failed()) {
    reader.fail_here(possible.error());
  }
  return scenario;
}

std::expected<Scenario, std::string> Scenario::parse(std::string_view json) {
  return JsonReader::document(json, [](JsonReader& reader) { return read(reader); });
}

std::expected<Scenario, std::string> Scenario::load(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return Error{text.error()};
  auto scenario = parse(*text);
  if (!scenario) return Error{file + ": " + scenario.error()};
  return scenario;
}

std::vector<std::uint32_t> deal_out(std::uint32_t connections, std::uint32_t organizations,
                                    double zipf) {
  // Each next one goes to whom it is owed most: who has least for its weight.
  std::vector<double> weights(organizations);
  double all = 0;
  for (std::uint32_t i = 0; i < organizations; ++i) {
    all += weights[i] = 1 / std::pow(i + 1, zipf);
  }
  std::vector<std::uint32_t> dealt;
  dealt.reserve(connections);
  if (zipf == 0) {
    for (std::uint32_t i = 0; i < connections; ++i) dealt.push_back(i % organizations);
    return dealt;
  }
  // (due time of the organization's next one, organization): a heap, earliest first.
  std::vector<std::pair<double, std::uint32_t>> due;
  for (std::uint32_t i = 0; i < organizations; ++i) due.emplace_back(0.5 * all / weights[i], i);
  const auto later = [](const auto& a, const auto& b) { return a > b; };
  std::ranges::make_heap(due, later);
  for (std::uint32_t i = 0; i < connections; ++i) {
    std::ranges::pop_heap(due, later);
    dealt.push_back(due.back().second);
    due.back().first += all / weights[due.back().second];
    std::ranges::push_heap(due, later);
  }
  return dealt;
}

}  // namespace parsec::bench
