#include "bench/command_line.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

namespace parsec::bench {

namespace {

constexpr const char* constant_help = "Even gaps between requests; else as chance has it.";

/// A number between the two; nan is none. CLI11 says the option's name in front.
CLI::Validator between(double least, double most) {
  return {[least, most](std::string& text) -> std::string {
            double number = 0;
            const char* const end = text.data() + text.size();
            const auto [rest, error] = std::from_chars(text.data(), end, number);
            if (error == std::errc{} && rest == end && number >= least && number <= most) return {};
            return fmt::format("`{}` must be a number from {} to {}", text, least, most);
          },
          "NUMBER"};
}
constexpr double most_rate = 1'000'000;
constexpr double most_seconds = 7 * 24 * 3600;
constexpr double most_connections = 1'000'000;
constexpr double most_pid = 1 << 22;  // PID_MAX_LIMIT, proc(5)

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
      ->check(between(0, most_seconds));
  command.add_option("--duration", seconds.duration, "Seconds of each repeat (5).")
      ->check(between(0.001, most_seconds));
  command
      .add_option("--patience", seconds.patience,
                  "Seconds that replies are waited for when a repeat is over (10).")
      ->check(between(0, most_seconds));
  command.add_option("--repeats", setup.repeats, "How often (3).")->check(between(1, 1000));
  command.add_option("--connections", setup.connections, "Instead of the scenario's.")
      ->check(between(1, most_connections));
  command.add_option("--subscribers", setup.subscribers, "Instead of the scenario's.")
      ->check(between(0, most_connections));
  command.add_option("--idle", setup.idle, "Instead of the scenario's.")
      ->check(between(0, most_connections));
  command.add_flag("--smoke", setup.smoke, "A small part of the population: only to see it run.");
  command.add_option("--threads", setup.threads, "Of the generator (1).")->check(between(1, 256));
  command
      .add_option("--pin", setup.pin,
                  "Keep generator threads on processors, from this one on (0 is the first).")
      ->check(between(0, 4095));
  command.add_option("--db", setup.database_url, "The server's database, to watch what it counts.");
  command
      .add_option("--server-pid", setup.server,
                  "The server's process; found by its port on this machine.")
      ->check(between(1, most_pid));
  command.add_option("--postgresql-pid", setup.postgresql, "Likewise; found by --db.")
      ->check(between(1, most_pid));
}

void finish(MeasureSettings& setup, const Seconds& seconds, bool open, bool constant) {
  setup.load.kind = open ? Load::Kind::open : Load::Kind::closed;
  setup.load.pattern = constant ? ArrivalPattern::constant : ArrivalPattern::poisson;
  setup.load.warm_up = milliseconds(seconds.warm_up);
  setup.load.duration = milliseconds(seconds.duration);
  setup.load.patience = milliseconds(seconds.patience);
}

void add_json(CLI::App& command, Output& output, const char* help) {
  command.add_option("--json", output.json, help);
}
CLI::Option* add_html(CLI::App& command, Output& output) {
  return command.add_option("--html", output.html, "Writes a page to read, into this file.");
}
void add_output(CLI::App& command, Output& output) {
  add_json(command, output,
           "Writes the whole result into this file, for report, compare and plan.");
  add_html(command, output);
}

CLI::App& add_run(CLI::App& app, RunCommand& run, Seconds& seconds, bool& constant) {
  CLI::App& command = *app.add_subcommand("run", "Measures a scenario at one load.");
  add_setup(command, run.setup, seconds);
  add_output(command, run.output);
  auto* rate = command
                   .add_option("--rate", run.setup.load.rate,
                               "Requests per second, whatever the server does (open loop).")
                   ->check(between(0.001, most_rate));
  command.add_flag("--constant", constant, constant_help)->needs(rate);
  command
      .add_option("--in-flight", run.setup.load.in_flight,
                  "Requests always under way (closed loop): the ceiling. 1 by default.")
      ->excludes(rate)
      ->check(between(1, most_connections));
  return command;
}

CLI::App& add_search(CLI::App& app, SearchCommand& search, Seconds& seconds, double& p99_ms,
                     bool& constant) {
  CLI::App& command = *app.add_subcommand(
      "search", "Looks for the highest rate with 99 % of the answers within a bound.");
  add_setup(command, search.setup, seconds);
  add_output(command, search.output);
  command.add_option("--p99", p99_ms, "The bound in milliseconds (100).")
      ->check(between(0.001, 1000 * most_seconds));
  command.add_option("--first-rate", search.first_rate, "Where it begins (100 per second).")
      ->check(between(1, most_rate));
  command.add_flag("--constant", constant, constant_help);
  command.add_flag("--ladder", search.ladder,
                   "Then measures from 20 % to 110 % of what was found.");
  return command;
}

CLI::App& add_scaling(CLI::App& app, ScalingCommand& scaling, Seconds& seconds, double& p99_ms) {
  CLI::App& command = *app.add_subcommand(
      "scaling", "Measures the ceiling at several numbers of connections, and fits a law to them.");
  add_setup(command, scaling.setup, seconds);
  command.remove_option(command.get_option("--connections"));
  add_output(command, scaling.output);
  command.add_option("--connections", scaling.connections, "How many, with commas: 1,2,4,8.")
      ->delimiter(',')
      ->required()
      ->check(between(1, most_connections));
  command
      .add_option(
          "--p99", p99_ms,
          "Instead of the ceiling: the highest rate with 99 % of the answers within so many "
          "milliseconds.")
      ->check(between(0.001, 1000 * most_seconds));
  return command;
}

CLI::App& add_neighbours(CLI::App& app, NeighboursCommand& neighbours, Seconds& seconds) {
  CLI::App& command = *app.add_subcommand(
      "neighbours", "Measures organizations alone, and beside others that put load on the server.");
  add_setup(command, neighbours.setup, seconds);
  for (const char* of_one_load : {"--connections", "--subscribers", "--idle", "--server-pid",
                                  "--postgresql-pid", "--pin", "--threads"}) {
    command.remove_option(command.get_option(of_one_load));
  }
  add_output(command, neighbours.output);
  command.add_option("--hog", neighbours.hogs, "Only this one of the scenario; more than once.");
  return command;
}

CLI::App& add_law(CLI::App& app, LawCommand& law, std::vector<std::string>& results) {
  CLI::App& command =
      *app.add_subcommand("law", "Fits a law of scaling to results that differ in one number.");
  command.add_option("parameter", law.parameter, "What differs: shards, lanes, vlobs.")->required();
  command
      .add_option("results", results, "For each the number and the file: 1=one.json 2=two.json.")
      ->required();
  add_output(command, law.output);
  return command;
}

CLI::App& add_report(CLI::App& app, ReportCommand& report) {
  CLI::App& command = *app.add_subcommand("report", "Makes a page of a result.");
  command.add_option("result", report.result, "A file that --json wrote.")->required();
  add_html(command, report.output)->required();
  return command;
}

CLI::App& add_compare(CLI::App& app, CompareCommand& compare) {
  CLI::App& command = *app.add_subcommand("compare", "Sets two results side by side.");
  command.add_option("before", compare.before, "A file that --json wrote.")->required();
  command.add_option("after", compare.after, "Another.")->required();
  add_html(command, compare.output);
  return command;
}

CLI::App& add_plan(CLI::App& app, PlanCommand& plan) {
  CLI::App& command = *app.add_subcommand("plan", "Says what a deployment needs.");
  command
      .add_option("deployment", plan.deployment, "Its description, JSON: see bench/deployments.")
      ->required();
  command.add_option("results", plan.results, "Files that --json wrote: what its requests cost.")
      ->required();
  add_json(command, plan.output, "Writes the plan into this file.");
  return command;
}

/// `4=four.json`
std::expected<std::pair<double, std::string>, Complaint> numbered(const std::string& text) {
  const std::size_t equals = text.find('=');
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = equals != text.npos && rest == text.data() + equals;
  if (error != std::errc{} || !whole || !(number > 0) || !std::isfinite(number) ||
      equals + 1 == text.size()) {
    return std::unexpected(
        Complaint{"results: `" + text + "` must be a number above 0, `=` and a file\n", 2});
  }
  return std::pair{number, text.substr(equals + 1)};
}

std::chrono::microseconds microseconds(double milliseconds) {
  return std::chrono::microseconds(static_cast<std::int64_t>(milliseconds * 1000));
}

}  // namespace

std::expected<BenchCommand, Complaint> parse_command_line(
    const std::vector<std::string>& arguments) {
  CLI::App app{"Measures any Parsec server that speaks the protocol of 2.0."};
  app.name("parsec-bench");
  app.require_subcommand(1);
  Seconds seconds;
  bool constant = false;
  double search_p99 = 100, scaling_p99 = 0;
  std::vector<std::string> law_results;
  RunCommand run;
  SearchCommand search;
  ScalingCommand scaling;
  NeighboursCommand neighbours;
  LawCommand law;
  ReportCommand report;
  CompareCommand compare;
  PlanCommand plan;
  const CLI::App& run_app = add_run(app, run, seconds, constant);
  const CLI::App& search_app = add_search(app, search, seconds, search_p99, constant);
  const CLI::App& scaling_app = add_scaling(app, scaling, seconds, scaling_p99);
  const CLI::App& neighbours_app = add_neighbours(app, neighbours, seconds);
  const CLI::App& law_app = add_law(app, law, law_results);
  const CLI::App& report_app = add_report(app, report);
  const CLI::App& compare_app = add_compare(app, compare);
  add_plan(app, plan);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, complaint;
    const int code = app.exit(error, out, complaint);
    return std::unexpected(Complaint{out.str() + complaint.str(), code == 0 ? 0 : 2});
  }
  if (run_app.parsed()) {
    finish(run.setup, seconds, run.setup.load.rate > 0, constant);
    return run;
  }
  if (search_app.parsed()) {
    finish(search.setup, seconds, true, constant);
    search.p99_bound = microseconds(search_p99);
    return search;
  }
  if (scaling_app.parsed()) {
    finish(scaling.setup, seconds, scaling_p99 > 0, false);
    if (scaling_p99 > 0) scaling.p99_bound = microseconds(scaling_p99);
    return scaling;
  }
  if (neighbours_app.parsed()) {
    finish(neighbours.setup, seconds, false, false);
    return neighbours;
  }
  if (law_app.parsed()) {
    for (const std::string& text : law_results) {
      auto result = numbered(text);
      if (!result) return std::unexpected(result.error());
      law.results.push_back(std::move(*result));
    }
    return law;
  }
  if (report_app.parsed()) return report;
  if (compare_app.parsed()) return compare;
  return plan;
}

}  // namespace parsec::bench
