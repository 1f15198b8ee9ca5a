// A server for tests of what decides on loads: requests wait in one queue for so many servers, each
// of which takes an exponential time (M/M/c); in a closed loop as many as are in flight at most.
// The same seed gives the same measurement.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver.h"

namespace parsec::testing {

class QueueingDriver : public bench::Driver {
 public:
  QueueingDriver(std::uint32_t servers, double served_per_second)
      : servers_(servers), served_per_second_(served_per_second) {}

  double generator_ceiling = 1e12;  // beyond, it is the limit
  std::uint32_t refuses_above = 0;  // 0: never; a rate
  std::string failure;
  int measurements = 0;

  std::expected<bench::Measurement, std::string> measure(const bench::Load& load) override {
    ++measurements;
    if (!failure.empty()) return std::unexpected(failure);
    std::mt19937_64 random{load.seed};
    const auto exponential = [&random](double rate) {
      return -std::log1p(-static_cast<double>(random() >> 11) * 0x1p-53) / rate;
    };
    bench::Measurement measured;
    measured.load = load;
    measured.seconds = std::chrono::duration<double>(load.duration).count();
    bench::CommandResult command;
    std::vector<double> free_at(servers_);
    if (load.kind == bench::Load::Kind::closed) {
      // Whoever got an answer asks again at once.
      std::vector<double> asked(load.in_flight);
      for (;;) {
        const auto client = std::ranges::min_element(asked);
        if (*client >= measured.seconds) break;
        ++command.sent;
        const auto server = std::ranges::min_element(free_at);
        *server = std::max(*server, *client) + exponential(served_per_second_ / servers_);
        command.latency.record(static_cast<std::uint64_t>((*server - *client) * 1e9));
        ++command.replies["ok"];
        if (*server < measured.seconds) ++command.completed;
        *client = *server;
      }
      measured.commands.push_back(std::move(command));
      return measured;
    }
    for (double at = exponential(load.rate); at < measured.seconds; at += exponential(load.rate)) {
      ++command.sent;
      const auto server = std::ranges::min_element(free_at);
      *server = std::max(*server, at) + exponential(served_per_second_ / servers_);
      if (*server <= measured.seconds) ++command.completed;
      command.latency.record(static_cast<std::uint64_t>((*server - at) * 1e9));
      const bool refused = refuses_above != 0 && load.rate > refuses_above;
      ++command.replies[refused ? "timeout" : "ok"];
    }
    measured.commands.push_back(std::move(command));
    if (load.rate > generator_ceiling) measured.bottleneck = bench::Bottleneck::generator;
    return measured;
  }

 private:
  std::uint32_t servers_;
  double served_per_second_;
};

}  // namespace parsec::testing
