// What one request costs, and one connection: the figures that a plan multiplies. Taken from the
// sums over all repeats of a measurement. Pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "bench/driver.h"
#include "bench/result.h"

namespace parsec::bench {

/// For each answered request. nullopt: not known.
struct RequestCost {
  std::uint64_t answered = 0;  // of how many it is the mean
  double per_second = 0;       // at which rate it was measured
  std::optional<double> server_cpu_seconds;
  std::optional<double> postgresql_cpu_seconds;
  struct Database {
    double commits = 0;
    double wal_bytes = 0;
    double wal_syncs = 0;
    double statements = 0;  // 0: not known
    double growth_bytes = 0;
  };
  std::optional<Database> database;
  double sent_bytes = 0;  // by clients
  double received_bytes = 0;
};

/// Of at least one repeat.
RequestCost cost_of(std::span<const Measurement> repeats);

/// Costs by name: of the scenario, and of its command if it has only one.
struct Costs {
  struct Activity {
    RequestCost cost;
    /// Of the blob, block or text in the scenario, mean by weight.
    double payload_bytes = 0;
    /// Writes: what is more in the payload is more in WAL and in the database too.
    bool stores_payload = false;
    /// Which of the measurement's requests were not answered ok, a sentence. Empty: all were.
    std::string failures = {};
    /// Rows that a request makes in tables whose ids have 32 bits.
    std::map<std::string, double> ids = {};
  };
  std::map<std::string, Activity> activities;

  /// Of the server's memory: as it grew when the most connections were opened; else from the
  /// measurements with the fewest and the most.
  struct Connections {
    double bytes_each = 0;
    double bytes_without = 0;
  };
  std::optional<Connections> connections;
  /// The most memory that PostgreSQL had.
  std::uint64_t postgresql_bytes = 0;
  /// Of the smallest population that was measured.
  double realms = 0;
  /// The machine of the first result.
  std::uint32_t cores = 0;
  std::uint64_t memory_bytes = 0;
};

/// The error says which result lacks what, and how to measure it.
std::expected<Costs, std::string> costs_of(std::span<const Result> results);

}  // namespace parsec::bench
