// The commands of parsec-bench that measure a server. Text goes to standard output, progress and
// errors to standard error. Main thread; each blocks until it is done, and returns the exit code.
#pragma once

#include <span>
#include <string>

#include "bench/command_line.h"

namespace parsec::bench {

/// arguments: as they were given, for the result's environment.
int execute(const RunCommand& command, std::span<const std::string> arguments);
int execute(const SearchCommand& command, std::span<const std::string> arguments);
int execute(const ScalingCommand& command, std::span<const std::string> arguments);
int execute(const NeighboursCommand& command, std::span<const std::string> arguments);

}  // namespace parsec::bench
