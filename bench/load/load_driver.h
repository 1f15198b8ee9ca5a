// The Driver that puts real load on a real server: generator shards on the engine, and the
// processes of this machine watched meanwhile.
#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/load/scenario.h"
#include "bench/population/population.h"
#include "protocol/types/address.h"

namespace parsec::bench {

struct LoadDriverOptions {
  protocol::BackendAddress address;
  Population population;  // is there already
  Scenario scenario;
  std::uint32_t threads = 1;
  /// Generator thread i runs on the (pin + i)-th processor that the process may use.
  std::optional<std::uint32_t> pin;
  /// Processes to watch; empty: those that are found on this machine.
  std::vector<pid_t> server;
  std::vector<pid_t> postgresql;
  /// For its counters; empty: they are not looked at.
  std::string database_url;
};

class LoadDriver : public Driver {
 public:
  /// Opens all connections, and blocks until they are there. The error is a sentence for the user.
  static std::expected<std::unique_ptr<LoadDriver>, std::string> connect(LoadDriverOptions options);
};

}  // namespace parsec::bench
