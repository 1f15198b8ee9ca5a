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

}  // namespace

std::expected<RunCommand, Complaint> parse_command_line(const std::vector<std::string>& arguments) {
  CLI::App app{"Measures any Parsec server that speaks the protocol of 2.0."};
  app.name("parsec-bench");
  app.require_subcommand(1);
  RunCommand run;
  double warm_up = 1, duration = 5;
  bool constant = false;
  CLI::App& command = *app.add_subcommand("run", "Measures a scenario at one load.");
  command.add_option("--addr", run.address, "parsec://HOST:PORT?no_ssl=true")->required();
  command
      .add_option("--administration-token", run.administration_token,
                  "Makes the organizations of the measurement.")
      ->envname("PARSEC_ADMINISTRATION_TOKEN")
      ->required();
  command.add_option("--scenario", run.scenario, "A JSON file: see bench/scenarios.")->required();
  command.add_option("--population", run.population_name,
                     "Name of a population that may be there from an earlier run.");
  auto* rate = command
                   .add_option("--rate", run.load.rate,
                               "Requests per second, whatever the server does (open loop).")
                   ->check(CLI::PositiveNumber);
  command.add_flag("--constant", constant, "Even gaps between requests; else as chance has it.")
      ->needs(rate);
  command
      .add_option("--in-flight", run.load.in_flight,
                  "Requests always under way (closed loop): the ceiling. 1 by default.")
      ->check(CLI::PositiveNumber)
      ->excludes(rate);
  command.add_option("--warm-up", warm_up, "Seconds that do not count (1).")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--duration", duration, "Seconds of each repeat (5).")
      ->check(CLI::PositiveNumber);
  command.add_option("--repeats", run.repeats, "How often (3).")->check(CLI::PositiveNumber);
  command.add_option("--connections", run.connections, "Instead of the scenario's.")
      ->check(CLI::PositiveNumber);
  command.add_flag("--smoke", run.smoke, "A small part of the population: only to see it run.");
  command.add_option("--threads", run.threads, "Of the generator (1).")->check(CLI::Range(1, 256));
  command.add_option("--db", run.database_url, "The server's database, to watch what it counts.");
  command.add_option("--server-pid", run.server,
                     "The server's process; found by its port on this machine.");
  command.add_option("--postgresql-pid", run.postgresql, "Likewise; found by --db.");
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, complaint;
    const int code = app.exit(error, out, complaint);
    return std::unexpected(Complaint{out.str() + complaint.str(), code == 0 ? 0 : 2});
  }
  run.load.kind = rate->count() > 0 ? Load::Kind::open : Load::Kind::closed;
  run.load.pattern = constant ? ArrivalPattern::constant : ArrivalPattern::poisson;
  run.load.warm_up = milliseconds(warm_up);
  run.load.duration = milliseconds(duration);
  return run;
}

}  // namespace parsec::bench
