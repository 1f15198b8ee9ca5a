#include "bench/driver.h"

#include <numeric>

namespace parsec::bench {

std::uint64_t CommandResult::answered() const {
  std::uint64_t all = 0;
  for (const auto& [status, count] : replies) {
    if (status != "no_reply") all += count;
  }
  return all;
}

std::uint64_t CommandResult::not_ok() const {
  std::uint64_t all = 0;
  for (const auto& [status, count] : replies) {
    if (status != "ok") all += count;
  }
  return all;
}

std::string_view name(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::none:
      return "none";
    case Bottleneck::generator:
      return "generator";
    case Bottleneck::server:
      return "server";
    case Bottleneck::database:
      return "database";
    case Bottleneck::host:
      return "host";
  }
  return "none";
}

namespace {

template <class Part>
std::uint64_t sum(const std::vector<CommandResult>& commands, Part part) {
  return std::accumulate(
      commands.begin(), commands.end(), std::uint64_t{0},
      [&](std::uint64_t total, const CommandResult& c) { return total + (c.*part)(); });
}

}  // namespace

std::uint64_t Measurement::answered() const { return sum(commands, &CommandResult::answered); }
std::uint64_t Measurement::not_ok() const { return sum(commands, &CommandResult::not_ok); }

std::uint64_t Measurement::completed() const {
  return std::accumulate(
      commands.begin(), commands.end(), std::uint64_t{0},
      [](std::uint64_t total, const CommandResult& command) { return total + command.completed; });
}

engine::Histogram Measurement::latency() const {
  engine::Histogram all;
  for (const CommandResult& command : commands) all.merge(command.latency);
  return all;
}

}  // namespace parsec::bench
