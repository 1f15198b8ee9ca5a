#include "bench/measure_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <expected>
#include <iostream>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bench/analysis/failures.h"
#include "bench/analysis/neighbours.h"
#include "bench/analysis/progress.h"
#include "bench/analysis/scaling.h"
#include "bench/interrupt.h"
#include "bench/load/load_driver.h"
#include "bench/load/neighbours_scenario.h"
#include "bench/load/realm_holder.h"
#include "bench/population/populate.h"
#include "bench/report/environment.h"
#include "bench/report/text.h"
#include "bench/report_commands.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;

std::string new_name() {
  std::random_device random;
  return fmt::format("bench{:08x}", random());
}

void show_population(std::uint64_t done, std::uint64_t all) {
  const std::uint64_t before = (done - 1) * 20 / all, now = done * 20 / all;
  if (before != now) fmt::print(stderr, "population: {} %\n", now * 5);
}

/// What is there before connections are opened.
struct Prepared {
  protocol::BackendAddress address;
  Population population;
  Scenario scenario;
};

/// Reads the scenario, and makes its population on the server.
std::expected<Prepared, std::string> prepare(const MeasureSettings& setup) {
  const auto address = protocol::BackendAddress::parse(setup.address);
  if (!address) return Error{address.error()};
  auto scenario = Scenario::load(setup.scenario);
  if (!scenario) return Error{scenario.error()};
  if (setup.smoke) scenario->shrink();
  if (setup.connections > 0) scenario->connections = setup.connections;
  if (setup.subscribers) scenario->subscribers = *setup.subscribers;
  if (setup.idle) scenario->idle = *setup.idle;
  if (auto possible = scenario->check(); !possible) return Error{possible.error()};
  Population population{setup.population_name.empty() ? new_name() : setup.population_name,
                        scenario->population};
  const auto populated = populate(
      *address, population, {.administration_token = setup.administration_token}, show_population);
  if (!populated) return Error{populated.error()};
  return Prepared{*address, std::move(population), std::move(*scenario)};
}

std::expected<std::unique_ptr<LoadDriver>, std::string> connect(const Prepared& prepared,
                                                                const MeasureSettings& setup) {
  return LoadDriver::connect({.address = prepared.address,
                              .population = prepared.population,
                              .scenario = prepared.scenario,
                              .threads = setup.threads,
                              .pin = setup.pin,
                              .server = setup.server,
                              .postgresql = setup.postgresql,
                              .database_url = setup.database_url});
}

Result new_result(const Prepared& prepared, const MeasureSettings& setup,
                  std::span<const std::string> arguments) {
  Result result;
  result.environment = describe_machine();
  result.environment.command_line = without_secrets(arguments);
  if (std::string version = server_version(prepared.address); !version.empty()) {
    result.environment.versions["server"] = std::move(version);
  }
  if (!setup.database_url.empty()) {
    result.environment.postgresql_settings = postgresql_settings(setup.database_url);
  }
  result.scenario = prepared.scenario;
  return result;
}

/// Lines of text between those of the progress.
void say(Progress& progress, const std::string& text) {
  progress.clear();
  fmt::print("{}", text);
  std::fflush(stdout);
}

/// A sentence; empty: every request had its reply.
std::string what_was_lost(std::span<const Measurement> repeats) {
  const Failures failures = failures_of(repeats);
  if (!failures.lost()) return {};
  return "Connections were lost, or the server did not answer in time: " + *describe(failures) +
         ". Latencies are those of the rest";
}

/// Writes what there is, and says why that is not all. The exit code.
int finish(const Output& output, const Result* result, const std::string& failure) {
  if (result != nullptr) {
    if (const int code = write_files(output, *result); code != 0) return code;
  }
  if (failure.empty()) return 0;
  const int code = fail(failure);
  return interrupted() ? interrupted_exit_code : code;
}

}  // namespace

int execute(const RunCommand& command, std::span<const std::string> arguments) {
  const auto prepared = prepare(command.setup);
  if (!prepared) return fail(prepared.error());
  auto driver = connect(*prepared, command.setup);
  if (!driver) return fail(driver.error());
  Result result = new_result(*prepared, command.setup, arguments);
  Progress progress{std::cerr, progress_to_stderr()};
  progress.expect(command.setup.repeats);
  ProgressDriver told{**driver, progress};
  const Interruptible interruptible;
  std::string failure;
  for (std::uint32_t i = 0; i < command.setup.repeats; ++i) {
    Load load = command.setup.load;
    load.seed = i + 1;
    auto measured = told.measure(load);
    if (!measured) {
      failure = measured.error();
      break;
    }
    result.run.push_back(std::move(*measured));
  }
  if (result.run.empty()) return finish(command.output, nullptr, failure);
  say(progress, prepared->scenario.name + "\n" + describe(result.run));
  if (!failure.empty()) {
    failure += fmt::format("; {} of {} repeats were complete, and are reported", result.run.size(),
                           command.setup.repeats);
  } else {
    failure = what_was_lost(result.run);
  }
  return finish(command.output, &result, failure);
}

int execute(const SearchCommand& command, std::span<const std::string> arguments) {
  const auto prepared = prepare(command.setup);
  if (!prepared) return fail(prepared.error());
  auto driver = connect(*prepared, command.setup);
  if (!driver) return fail(driver.error());
  Result result = new_result(*prepared, command.setup, arguments);
  Progress progress{std::cerr, progress_to_stderr()};
  ProgressDriver told{**driver, progress};
  const SaturationOptions options{.p99_bound = command.p99_bound,
                                  .first_rate = command.first_rate,
                                  .repeats = command.setup.repeats,
                                  .load = command.setup.load};
  const OnRung tell = [&](const Rung& rung) { say(progress, describe(rung, options.p99_bound)); };
  const Interruptible interruptible;
  say(progress, prepared->scenario.name + "\n");
  Saturation complete;  // so far
  auto found = find_saturation(told, options, [&](const Rung& rung) {
    tell(rung);
    complete.rungs.push_back(rung);
    if (rung.keeps(options.p99_bound)) complete.rate = std::max(complete.rate, rung.rate);
  });
  if (!found) {
    if (complete.rungs.empty()) return finish(command.output, nullptr, found.error());
    result.search = Search{options.p99_bound, options.precision, std::move(complete)};
    return finish(command.output, &result,
                  found.error() + "; the search was not over: higher rates may be carried");
  }
  say(progress, describe(*found, options.p99_bound));
  result.search = Search{options.p99_bound, options.precision, std::move(*found)};
  if (command.ladder && result.search->found.rate > 0) {
    say(progress, "\nfrom 20 % to 110 % of it:\n");
    constexpr std::uint32_t rungs = 10;
    progress.expect(rungs * options.repeats);
    auto climbed = climb(told, result.search->found.rate, options, tell);
    if (!climbed) return finish(command.output, &result, climbed.error());
    result.ladder = std::move(*climbed);
    const double left = confirmed(result.search->found.rate, result.ladder, options.p99_bound);
    if (left < result.search->found.rate) {
      result.search->found.rate = left;
      say(progress,
          "Measured again, it did not hold. " + describe(result.search->found, options.p99_bound));
    }
  }
  const Rung& last = result.search->found.rungs.back();
  const bool answers = std::ranges::any_of(
      last.repeats, [](const Measurement& measurement) { return measurement.answered() > 0; });
  return finish(command.output, &result,
                answers ? "" : "In the end the server answered nothing: is it still there?");
}

int execute(const ScalingCommand& command, std::span<const std::string> arguments) {
  auto prepared = prepare(command.setup);
  if (!prepared) return fail(prepared.error());
  Result result = new_result(*prepared, command.setup, arguments);
  Progress progress{std::cerr, progress_to_stderr()};
  ScalingOptions options{.parameter = "connections",
                         .counts = command.connections,
                         .repeats = command.setup.repeats,
                         .promise = {}};
  if (command.p99_bound)
    options.promise = SaturationOptions{.p99_bound = *command.p99_bound, .load = {}};
  if (!command.p99_bound) {
    progress.expect(static_cast<std::uint32_t>(options.counts.size()) * options.repeats);
  }
  std::unique_ptr<LoadDriver> driver;
  const SetUp set_up = [&](double count) -> std::expected<ScalingSetup, std::string> {
    driver.reset();  // its connections end before the next ones are opened
    prepared->scenario.connections = static_cast<std::uint32_t>(count);
    auto connected = connect(*prepared, command.setup);
    if (!connected) return Error{connected.error()};
    driver = std::move(*connected);
    Load load = command.setup.load;
    load.in_flight = prepared->scenario.connections;
    return ScalingSetup{std::make_unique<ProgressDriver>(*driver, progress), load};
  };
  say(progress, prepared->scenario.name + "\n");
  const Interruptible interruptible;
  ScalingSeries complete{.parameter = options.parameter, .steps = {}};
  auto series = measure_scaling(options, set_up, [&](const ScalingStep& step) {
    say(progress, describe(step));
    complete.steps.push_back(step);
  });
  if (!series) {
    if (complete.steps.empty()) return finish(command.output, nullptr, series.error());
    result.scaling = std::move(complete);
    return finish(command.output, &result, series.error() + "; what came before is reported");
  }
  say(progress, describe(*series));
  result.scaling = std::move(*series);
  std::string failure;
  for (const ScalingStep& step : result.scaling->steps) {
    if (failure.empty()) failure = what_was_lost(step.repeats);
  }
  return finish(command.output, &result, failure);
}

namespace {

/// One of a neighbourhood: its organizations, and its connections.
std::expected<Prepared, std::string> prepare(const MeasureSettings& setup, const std::string& name,
                                             const Scenario& scenario) {
  const auto address = protocol::BackendAddress::parse(setup.address);
  if (!address) return Error{address.error()};
  Population population{name, scenario.population};
  const auto populated = populate(
      *address, population, {.administration_token = setup.administration_token}, show_population);
  if (!populated) return Error{populated.error()};
  return Prepared{*address, std::move(population), scenario};
}

std::expected<NeighboursScenario, std::string> neighbours_of(const NeighboursCommand& command) {
  auto scenario = NeighboursScenario::load(command.setup.scenario);
  if (!scenario) return Error{scenario.error()};
  if (!command.hogs.empty()) {
    if (auto kept = scenario->keep_hogs(command.hogs); !kept) return Error{kept.error()};
  }
  if (command.setup.smoke) scenario->shrink();
  if (!command.setup.database_url.empty()) return scenario;
  if (std::erase_if(scenario->hogs, [](const Party& hog) { return hog.holds_realm; }) > 0) {
    fmt::print(stderr, "Without --db no realm's row is held: that hog is left out.\n");
  }
  if (scenario->hogs.empty()) return Error{"No hog is left: give --db"};
  return scenario;
}

/// A hog and the victims beside it; what was complete before a failure is in `row`.
std::expected<void, std::string> measure_row(const Party& hog, const Prepared& prepared,
                                             std::span<const NeighbourParty> victims,
                                             const MeasureSettings& setup, NeighbourRow& row) {
  auto driver = connect(prepared, setup);
  if (!driver) return Error{driver.error()};
  std::unique_ptr<Driver> holder;
  if (hog.holds_realm) {
    auto holding = holding_realm(setup.database_url, prepared.population.realm_id(0, 0), **driver);
    if (!holding) return Error{holding.error()};
    holder = std::move(*holding);
  }
  Driver& load = holder != nullptr ? *holder : **driver;
  return measure_neighbours({hog.scenario.name, load, hog.in_flight}, victims, setup.load,
                            setup.repeats, row);
}

}  // namespace

int execute(const NeighboursCommand& command, std::span<const std::string> arguments) {
  const auto scenario = neighbours_of(command);
  if (!scenario) return fail(scenario.error());
  const std::string name =
      command.setup.population_name.empty() ? new_name() : command.setup.population_name;
  MeasureSettings setup = command.setup;
  setup.database_url.clear();  // its counters would be everybody's
  std::vector<Prepared> victims, hogs;
  const auto prepare_all = [&](const std::vector<Party>& parties, const char* kind,
                               std::vector<Prepared>& into) -> std::expected<void, std::string> {
    for (const Party& party : parties) {
      auto prepared =
          prepare(setup, fmt::format("{}-{}{}", name, kind, into.size()), party.scenario);
      if (!prepared) return Error{party.scenario.name + ": " + prepared.error()};
      into.push_back(std::move(*prepared));
    }
    return {};
  };
  if (auto made = prepare_all(scenario->victims, "v", victims); !made) return fail(made.error());
  if (auto made = prepare_all(scenario->hogs, "h", hogs); !made) return fail(made.error());
  std::vector<std::unique_ptr<LoadDriver>> drivers;
  std::vector<NeighbourParty> parties;
  for (std::size_t i = 0; i < victims.size(); ++i) {
    auto driver = connect(victims[i], setup);
    if (!driver) return fail(driver.error());
    drivers.push_back(std::move(*driver));
    const Party& party = scenario->victims[i];
    parties.push_back({party.scenario.name, *drivers.back(), party.in_flight});
  }
  Result result = new_result(victims.front(), command.setup, arguments);
  result.scenario.name = scenario->name;
  result.scenario.description = scenario->description;
  const Interruptible interruptible;
  std::string failure;
  for (std::size_t i = 0; i < hogs.size() && failure.empty(); ++i) {
    const Party& hog = scenario->hogs[i];
    fmt::print(stderr, "beside: {}\n", hog.scenario.name);
    setup.database_url = hog.holds_realm ? command.setup.database_url : std::string{};
    NeighbourRow row;
    if (auto done = measure_row(hog, hogs[i], parties, setup, row); !done) {
      failure = hog.scenario.name + ": " + done.error();
    }
    if (!row.hog_load.empty()) result.neighbours.push_back(std::move(row));
  }
  fmt::print("{}\n{}", scenario->name, describe(result.neighbours));
  for (const NeighbourRow& row : result.neighbours) {
    for (const NeighbourVictim& victim : row.victims) {
      for (const auto* repeats : {&victim.alone, &victim.beside}) {
        const std::string lost = what_was_lost(*repeats);
        if (failure.empty() && !lost.empty()) failure = victim.name + ", " + row.hog + ": " + lost;
      }
    }
  }
  return finish(command.output, result.neighbours.empty() ? nullptr : &result, failure);
}

}  // namespace parsec::bench
