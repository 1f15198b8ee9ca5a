// parsec-bench: the load generator. See README.md.
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <random>

#include "bench/command_line.h"
#include "bench/load/load_driver.h"
#include "bench/load/populate.h"
#include "bench/report/text.h"

namespace {

using namespace parsec;
using namespace parsec::bench;

int fail(const std::string& why) {
  fmt::print(stderr, "Error: {}\n", why);
  return 1;
}

std::string new_name() {
  std::random_device random;
  return fmt::format("bench{:08x}", random());
}

void show_progress(std::uint64_t done, std::uint64_t all) {
  const std::uint64_t before = (done - 1) * 20 / all, now = done * 20 / all;
  if (before != now) fmt::print(stderr, "population: {} %\n", now * 5);
}

int run(const RunCommand& command) {
  const auto address = protocol::BackendAddress::parse(command.address);
  if (!address) return fail(address.error());
  auto scenario = Scenario::load(command.scenario);
  if (!scenario) return fail(scenario.error());
  if (command.smoke) {
    PopulationSize& size = scenario->population;
    size = {std::min(size.organizations, 2U), std::min(size.users, 2U), 1, 1,
            std::min(size.vlobs, 5U)};
    scenario->connections = std::min(scenario->connections, 8U);
  }
  if (command.connections > 0) scenario->connections = command.connections;
  const Population population{
      command.population_name.empty() ? new_name() : command.population_name, scenario->population};
  const auto populated = populate(
      *address, population, {.administration_token = command.administration_token}, show_progress);
  if (!populated) return fail(populated.error());
  auto driver = LoadDriver::connect({.address = *address,
                                     .population = population,
                                     .scenario = *scenario,
                                     .threads = command.threads,
                                     .server = command.server,
                                     .postgresql = command.postgresql,
                                     .database_url = command.database_url});
  if (!driver) return fail(driver.error());
  std::vector<Measurement> repeats;
  for (std::uint32_t i = 0; i < command.repeats; ++i) {
    Load load = command.load;
    load.seed = i + 1;
    fmt::print(stderr, "measuring {} of {}\n", i + 1, command.repeats);
    auto measured = (*driver)->measure(load);
    if (!measured) return fail(measured.error());
    repeats.push_back(std::move(*measured));
  }
  fmt::print("{}\n{}", scenario->name, describe(repeats));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (sodium_init() < 0) return fail("libsodium does not work on this machine");
  std::signal(SIGPIPE, SIG_IGN);
  const auto command = parse_command_line({argv + 1, argv + argc});
  if (!command) {
    std::fputs(command.error().text.c_str(), command.error().exit_code == 0 ? stdout : stderr);
    return command.error().exit_code;
  }
  return run(*command);
}
