// The command line of parsec-bench.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <variant>
#include <vector>

#include "bench/driver.h"

namespace parsec::bench {

/// `parsec-bench run`
struct RunCommand {
  std::string address;
  std::string administration_token;
  std::string scenario;         // file
  std::string population_name;  // empty: one of its own
  Load load;
  std::uint32_t repeats = 3;
  std::uint32_t threads = 1;
  std::uint32_t connections = 0;  // 0: as the scenario says
  bool smoke = false;             // a small part of the population and of the connections
  std::string database_url;
  std::vector<pid_t> server;
  std::vector<pid_t> postgresql;
};

/// What to print instead, and the exit code.
struct Complaint {
  std::string text;
  int exit_code = 2;
};

std::expected<RunCommand, Complaint> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace parsec::bench
