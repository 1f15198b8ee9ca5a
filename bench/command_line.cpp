#include "bench/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace parsec::bench {

namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// Options as CLI11 reads them: seconds are fractions.
struct Seconds {
  double warm_up = 1;
  double duration = 5;
  double patience = 10;
};

void add_setup(CLI::App& command, MeasureSettings& setup, Seconds& seconds) {
  command.add_option("--addr", setup.address, "parsec://HOST:PORT[?no_ssl=true]")->required();
  command
      .add_option("--administration-token", setup.administration_token,
                  "Makes the organizations of the measurement.")
      ->envname("PARSEC_ADMINISTRATION_TOKEN")
      ->required();
  command.add_option("--scenario", setup.scenario, "A JSON file: see bench/scenarios.")->required();
  command.add_option("--population", setup.population_name,
                     "Name of a population that may be there from an earlier run.");
  command.add_option("--warm-up", seconds.warm_up, "Seconds that do not count (1).")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--duration", seconds.duration, "Seconds of each repeat (5).")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--patience", seconds.patience,
                  "Seconds that replies are waited for when a repeat is over (10).")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--repeats", setup.repeats, "How often (3).")->check(CLI::PositiveNumber);
  command.add_option("--connections", setup.connections, "Instead of the scenario's.")
      ->check(CLI::PositiveNumber);
  command.add_option("--subscribers", setup.subscribers, "Instead of the scenario's.");
  command.add_option("--idle", setup.idle, "Instead of the scenario's.");
  command.add_flag("--smoke", setup.smoke, "A small part of the population: only to see it run.");
  command.add_option("--threads", setup.threads, "Of the generator (1).")
      ->check(CLI::Range(1, 256));
  command.add_option("--pin", setup.pin,
                     "Keep generator threads on processors, from this one on (0 is the first).");
  command.add_option("--db", setup.database_url, "The server's database, to watch what it counts.");
  command.add_option("--server-pid", setup.server,
                     "The server's process; found by its port on this machine.");
  command.add_option("--postgresql-pid", setup.postgresql, "Likewise; found by --db.");
}

void finish(MeasureSettings& setup, const Seconds& seconds, bool open, bool constant) {
  setup.load.kind = open ? Load::Kind::open : Load::Kind::closed;
  setup.load.pattern = constant ? ArrivalPattern::constant : ArrivalPattern::poisson;
  setup.load.warm_up = milliseconds(seconds.warm_up);
  setup.load.duration = milliseconds(seconds.duration);
  setup.load.patience = milliseconds(seconds.patience);
}

}  // namespace

std::expected<BenchCommand, Complaint> parse_command_line(
    const std::vector<std::string>& arguments) {
  CLI::App app{"Measures any Parsec server that speaks the protocol of 2.0."};
  app.name("parsec-bench");
  app.require_subcommand(1);
  Seconds seconds;
  bool constant = false;
  const char* const constant_help = "Even gaps between requests; else as chance has it.";

  RunCommand run;
  CLI::App& run_app = *app.add_subcommand("run", "Measures a scenario at one load.");
  add_setup(run_app, run.setup, seconds);
  auto* rate = run_app
                   .add_option("--rate", run.setup.load.rate,
                               "Requests per second, whatever the server does (open loop).")
                   ->check(CLI::PositiveNumber);
  run_app.add_flag("--constant", constant, constant_help)->needs(rate);
  run_app
      .add_option("--in-flight", run.setup.load.in_flight,
                  "Requests always under way (closed loop): the ceiling. 1 by default.")
      ->check(CLI::PositiveNumber)
      ->excludes(rate);

  SearchCommand search;
  double p99_ms = 100;
  CLI::App& search_app = *app.add_subcommand(
      "search", "Looks for the highest rate with 99 % of the answers within a bound.");
  add_setup(search_app, search.setup, seconds);
  search_app.add_option("--p99", p99_ms, "The bound in milliseconds (100).")
      ->check(CLI::PositiveNumber);
  search_app.add_option("--first-rate", search.first_rate, "Where it begins (100 per second).")
      ->check(CLI::PositiveNumber);
  search_app.add_flag("--constant", constant, constant_help);
  search_app.add_flag("--ladder", search.ladder,
                      "Then measures from 20 % to 110 % of what was found.");
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, complaint;
    const int code = app.exit(error, out, complaint);
    return std::unexpected(Complaint{out.str() + complaint.str(), code == 0 ? 0 : 2});
  }
  if (run_app.parsed()) {
    finish(run.setup, seconds, rate->count() > 0, constant);
    return run;
  }
  finish(search.setup, seconds, true, constant);
  search.p99_bound = std::chrono::microseconds(static_cast<std::int64_t>(p99_ms * 1000));
  return search;
}

}  // namespace parsec::bench
