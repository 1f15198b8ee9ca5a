// The command line of parsec-bench.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bench/driver.h"

namespace parsec::bench {

/// What all subcommands that measure need to know.
struct MeasureSettings {
  std::string address;
  std::string administration_token;
  std::string scenario;         // file
  std::string population_name;  // empty: one of its own
  Load load;                    // of search: but for the rate
  std::uint32_t repeats = 3;
  std::uint32_t threads = 1;
  std::optional<std::uint32_t> pin;  // processor of the first thread
  std::uint32_t connections = 0;     // 0: as the scenario says
  std::optional<std::uint32_t> subscribers;
  std::optional<std::uint32_t> idle;
  bool smoke = false;  // a small part of the population and of the connections
  std::string database_url;
  std::vector<pid_t> server;
  std::vector<pid_t> postgresql;
};

/// Files that are written beside the text; empty: none.
struct Output {
  std::string json;
  std::string html;
};

/// `parsec-bench run`: one load.
struct RunCommand {
  MeasureSettings setup;
  Output output;
};

/// `parsec-bench search`: the highest rate that keeps the promise.
struct SearchCommand {
  MeasureSettings setup;
  Output output;
  std::chrono::microseconds p99_bound{100'000};
  double first_rate = 100;
  bool ladder = false;  // and then from 20 % to 110 % of it
};

/// `parsec-bench scaling`: the ceiling at several numbers of connections, each with a request under
/// way; or the highest rate that keeps a promise.
struct ScalingCommand {
  MeasureSettings setup;
  Output output;
  std::vector<double> connections;
  std::optional<std::chrono::microseconds> p99_bound;
};

/// `parsec-bench neighbours`: what organizations feel of each other.
struct NeighboursCommand {
  MeasureSettings setup;
  Output output;
  std::vector<std::string> hogs;  // empty: all
};

/// `parsec-bench law`: what results that differ in one number, of shards for example, say about it.
struct LawCommand {
  std::string parameter;
  std::vector<std::pair<double, std::string>> results;  // the number, the file
  Output output;
};

/// `parsec-bench report`: a result as a page.
struct ReportCommand {
  std::string result;
  Output output;
};

/// `parsec-bench compare`: two results side by side.
struct CompareCommand {
  std::string before;
  std::string after;
  Output output;
};

/// `parsec-bench plan`: what a deployment needs.
struct PlanCommand {
  std::string deployment;
  std::vector<std::string> results;
  Output output;
};

using BenchCommand = std::variant<RunCommand, SearchCommand, ScalingCommand, NeighboursCommand,
                                  LawCommand, ReportCommand, CompareCommand, PlanCommand>;

/// What to print instead, and the exit code.
struct Complaint {
  std::string text;
  int exit_code = 2;
};

std::expected<BenchCommand, Complaint> parse_command_line(
    const std::vector<std::string>& arguments);

}  // namespace parsec::bench
