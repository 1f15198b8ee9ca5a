#include "bench/load/scenario.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::array<std::string_view, command_count> names = {
    "ping",         "handshake",  "vlob_create", "vlob_read",  "vlob_update", "vlob_poll_changes",
    "block_create", "block_read", "user_get",    "human_find", "message_get", "fan_out",
    "reencryption"};

/// Reads members of an object; what is wrong first is kept.
class Reader {
 public:
  Reader(object members, std::string place, std::string& failure)
      : members_(members), place_(std::move(place)), failure_(failure) {}

  /// All of them must be known.
  void only(std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : members_) {
      if (std::ranges::find(known, key) == known.end()) fail(key, "is not known");
    }
  }
  void integer(std::string_view key, std::uint32_t& into, std::uint32_t least,
               std::uint32_t most = std::numeric_limits<std::uint32_t>::max()) {
    element value;
    if (members_[key].get(value) != simdjson::SUCCESS) return;
    std::uint64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS || number < least || number > most) {
      return fail(key, "must be a whole number from " + std::to_string(least) + " to " +
                           std::to_string(most));
    }
    into = static_cast<std::uint32_t>(number);
  }
  void number(std::string_view key, double& into, bool may_be_zero) {
    element value;
    if (members_[key].get(value) != simdjson::SUCCESS) return;
    double found = 0;
    if (value.get(found) != simdjson::SUCCESS || found < 0 || (found == 0 && !may_be_zero)) {
      return fail(key, may_be_zero ? "must not be negative" : "must be above 0");
    }
    into = found;
  }
  bool text(std::string_view key, std::string& into, bool required) {
    element value;
    std::string_view found;
    if (members_[key].get(value) != simdjson::SUCCESS) {
      if (required) fail(key, "is missing");
      return false;
    }
    if (value.get(found) != simdjson::SUCCESS) {
      fail(key, "must be a text");
      return false;
    }
    into = found;
    return true;
  }
  object members() const { return members_; }
  std::string path(std::string_view key) const {
    return place_.empty() ? std::string{key} : place_ + "." + std::string{key};
  }
  void fail(std::string_view key, std::string_view what) {
    if (failure_.empty()) failure_ = path(key) + ": " + std::string{what};
  }
  std::string& failure() { return failure_; }

 private:
  object members_;
  std::string place_;
  std::string& failure_;
};

void read_population(Reader& all, PopulationSize& size) {
  element value;
  if (all.members()["population"].get(value) != simdjson::SUCCESS) return;
  object members;
  if (value.get(members) != simdjson::SUCCESS) return all.fail("population", "must be an object");
  Reader reader{members, "population", all.failure()};
  reader.only({"organizations", "users", "devices", "realms", "vlobs"});
  reader.integer("organizations", size.organizations, 1, 1'000'000);
  reader.integer("users", size.users, 1, 100'000);
  reader.integer("devices", size.devices, 1, 100);
  reader.integer("realms", size.realms, 1, 100'000);
  reader.integer("vlobs", size.vlobs, 1, 10'000'000);
}

void read_commands(Reader& all, std::vector<CommandShare>& commands) {
  simdjson::dom::array list;
  if (all.members()["commands"].get(list) != simdjson::SUCCESS || list.size() == 0) {
    return all.fail("commands", "must be a list of at least one");
  }
  std::size_t index = 0;
  for (const element entry : list) {
    const std::string place = "commands[" + std::to_string(index++) + "]";
    object members;
    if (entry.get(members) != simdjson::SUCCESS) return all.fail(place, "must be an object");
    Reader reader{members, place, all.failure()};
    reader.only({"command", "weight", "bytes", "vlobs", "batch"});
    CommandShare share;
    std::string text;
    if (reader.text("command", text, true)) {
      const auto command = parse_command(text);
      if (!command) reader.fail("command", "there is no command `" + text + "`");
      share.command = command.value_or(Command::ping);
    }
    reader.number("weight", share.weight, false);
    reader.integer("bytes", share.bytes, 0, 1'000'000);
    reader.integer("vlobs", share.vlobs, 1, 1'000'000);
    reader.integer("batch", share.batch, 1, 1'000);
    commands.push_back(share);
  }
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
  const std::string command{bench::name(share.command)};
  if (std::ranges::count(commands, share.command, &CommandShare::command) == 1) return command;
  return command + " of " + std::to_string(share.bytes) + " bytes";
}

void Scenario::shrink() {
  const auto limit = [](std::uint32_t& count, std::uint32_t most) {
    count = std::min(count, most);
  };
  limit(population.organizations, 2);
  limit(population.users, 2);
  limit(population.devices, 1);
  limit(population.realms, 1);
  limit(population.vlobs, 5);
  limit(connections, 8);
  limit(subscribers, 8);
  limit(idle, 8);
  for (CommandShare& share : commands) {
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

std::expected<Scenario, std::string> Scenario::parse(std::string_view json) {
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document); error != 0) {
    return Error{std::string{"not JSON: "} + simdjson::error_message(error)};
  }
  object members;
  if (document.get(members) != simdjson::SUCCESS) return Error{"must be an object"};
  std::string failure;
  Reader reader{members, {}, failure};
  reader.only({"name", "description", "population", "connections", "subscribers", "idle", "zipf",
               "commands"});
  Scenario scenario;
  reader.text("name", scenario.name, true);
  reader.text("description", scenario.description, false);
  reader.integer("connections", scenario.connections, 1, 1'000'000);
  reader.integer("subscribers", scenario.subscribers, 0, 1'000'000);
  reader.integer("idle", scenario.idle, 0, 1'000'000);
  reader.number("zipf", scenario.zipf, true);
  read_population(reader, scenario.population);
  read_commands(reader, scenario.commands);
  if (!failure.empty()) return Error{failure};
  if (auto possible = scenario.check(); !possible) return Error{possible.error()};
  return scenario;
}

std::expected<Scenario, std::string> Scenario::load(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{"cannot read the scenario " + file};
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto scenario = parse(text);
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
