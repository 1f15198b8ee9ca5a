// parsec-bench-direct: see direct.h.
//
// `parsec-bench-direct --db=URL --scenario=FILE --population=NAME`: the population is one that
// `parsec-bench run --population=NAME` made with that scenario; its first command is called. Prints
// a line.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <sodium.h>

#include <cstdio>

#include "bench/limits/direct/direct.h"

int main(int argc, char** argv) {
  using namespace parsec::bench;
  CLI::App app{"Calls stored functions straight over libpq's pipelines."};
  std::string scenario_file, population_name;
  DirectOptions options{.database_url = {}, .population = Population{{}, {}}};
  double warm_up = 0.5, duration = 2;
  bool smoke = false;
  app.add_option("--db", options.database_url, "The server's database.")->required();
  app.add_option("--scenario", scenario_file, "As of the run that made the population.")
      ->required();
  app.add_option("--population", population_name, "Its name.")->required();
  app.add_option("--clients", options.clients, "Calls under way (64).");
  app.add_option("--connections", options.connections, "To PostgreSQL (6).");
  app.add_option("--batch", options.batch, "Calls for each Sync at most (64).");
  app.add_option("--warm-up", warm_up, "Seconds that do not count (0.5).")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--duration", duration, "Seconds (2).")->check(CLI::PositiveNumber);
  app.add_flag("--smoke", smoke, "The population is that of a run with --smoke.");
  CLI11_PARSE(app, argc, argv);
  const auto fail = [](const std::string& why) {
    fmt::print(stderr, "Error: {}\n", why);
    return 1;
  };
  if (sodium_init() < 0) return fail("libsodium does not work on this machine");
  auto scenario = Scenario::load(scenario_file);
  if (!scenario) return fail(scenario.error());
  if (smoke) scenario->shrink();
  options.population = Population{population_name, scenario->population};
  options.command = scenario->commands.front().command;
  options.bytes = scenario->commands.front().bytes;
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  };
  options.warm_up = milliseconds(warm_up);
  options.duration = milliseconds(duration);
  const auto result = run_direct(options);
  if (!result) return fail(result.error());
  fmt::print("{} {:.0f}/s, {} clients, {} connections, {:.1f} calls for each Sync\n",
             name(options.command), static_cast<double>(result->completed) / result->seconds,
             options.clients, options.connections, result->batch);
  return 0;
}
