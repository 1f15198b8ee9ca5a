// parsec-bench: the load generator. See README.md.
#include <fmt/format.h>
#include <sodium.h>

#include <csignal>
#include <cstdio>
#include <expected>
#include <memory>
#include <random>
#include <utility>

#include "bench/analysis/saturation.h"
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

/// Populates, connects. The scenario's name comes with the driver.
struct Prepared {
  std::string name;
  std::unique_ptr<LoadDriver> driver;
};
std::expected<Prepared, std::string> prepare(const MeasureSettings& setup) {
  using Error = std::unexpected<std::string>;
  const auto address = protocol::BackendAddress::parse(setup.address);
  if (!address) return Error{address.error()};
  auto scenario = Scenario::load(setup.scenario);
  if (!scenario) return Error{scenario.error()};
  if (setup.smoke) scenario->shrink();
  if (setup.connections > 0) scenario->connections = setup.connections;
  if (setup.subscribers) scenario->subscribers = *setup.subscribers;
  if (setup.idle) scenario->idle = *setup.idle;
  if (auto possible = scenario->check(); !possible) return Error{possible.error()};
  const Population population{setup.population_name.empty() ? new_name() : setup.population_name,
                              scenario->population};
  const auto populated = populate(
      *address, population, {.administration_token = setup.administration_token}, show_progress);
  if (!populated) return Error{populated.error()};
  auto driver = LoadDriver::connect({.address = *address,
                                     .population = population,
                                     .scenario = *scenario,
                                     .threads = setup.threads,
                                     .pin = setup.pin,
                                     .server = setup.server,
                                     .postgresql = setup.postgresql,
                                     .database_url = setup.database_url});
  if (!driver) return Error{driver.error()};
  return Prepared{scenario->name, std::move(*driver)};
}

int execute(const RunCommand& command) {
  auto prepared = prepare(command.setup);
  if (!prepared) return fail(prepared.error());
  std::vector<Measurement> repeats;
  for (std::uint32_t i = 0; i < command.setup.repeats; ++i) {
    Load load = command.setup.load;
    load.seed = i + 1;
    fmt::print(stderr, "measuring {} of {}\n", i + 1, command.setup.repeats);
    auto measured = prepared->driver->measure(load);
    if (!measured) return fail(measured.error());
    repeats.push_back(std::move(*measured));
  }
  fmt::print("{}\n{}", prepared->name, describe(repeats));
  return 0;
}

int execute(const SearchCommand& command) {
  auto prepared = prepare(command.setup);
  if (!prepared) return fail(prepared.error());
  const SaturationOptions options{.p99_bound = command.p99_bound,
                                  .first_rate = command.first_rate,
                                  .repeats = command.setup.repeats,
                                  .load = command.setup.load};
  const OnRung tell = [&](const Rung& rung) {
    fmt::print("{}", describe(rung, options.p99_bound));
    std::fflush(stdout);
  };
  fmt::print("{}\n", prepared->name);
  const auto found = find_saturation(*prepared->driver, options, tell);
  if (!found) return fail(found.error());
  fmt::print("{}", describe(*found, options.p99_bound));
  if (!command.ladder || found->rate == 0) return 0;
  fmt::print("\nfrom 20 % to 110 % of it:\n");
  const auto climbed = climb(*prepared->driver, found->rate, options, tell);
  if (!climbed) return fail(climbed.error());
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
  return std::visit([](const auto& each) { return execute(each); }, *command);
}
