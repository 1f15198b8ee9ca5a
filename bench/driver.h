// The seam of the suite: how a measurement is asked for, and what it tells.
//
// A Driver puts load on a server and reports what happened; the real one (load/) does it over
// sockets, tests do it with a queueing model. What decides which loads to try (saturation search,
// ladders, scaling) and what reads results (reports, plans) knows nothing but these types.
//
// All values are plain data, of one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/arrivals.h"
#include "engine/host/histogram.h"

namespace parsec::bench {

/// How requests come.
struct Load {
  enum class Kind : std::uint8_t {
    open,    // at `rate` in `pattern`, whatever the server does
    closed,  // `in_flight` requests always under way: the ceiling
  };
  Kind kind = Kind::closed;
  ArrivalPattern pattern = ArrivalPattern::poisson;
  double rate = 0;              // of the whole scenario per second; open
  std::uint32_t in_flight = 1;  // closed
  std::chrono::milliseconds warm_up{1000};
  std::chrono::milliseconds duration{5000};
  /// How long replies are waited for when it is over.
  std::chrono::milliseconds patience{10'000};
  std::uint64_t seed = 1;
};

/// One command of a scenario, as its clients saw it. Warm-up not included.
struct CommandResult {
  std::string command;
  std::uint64_t sent = 0;
  /// By status, `ok` among them; requests that a lost connection took along under `no_reply`.
  std::map<std::string, std::uint64_t> replies;
  /// Replies that came while it was measured, those to requests of the warm-up among them: what
  /// throughput and costs go by. A server that falls behind answers the rest when the measurement
  /// is over, and must not look faster for it.
  std::uint64_t completed = 0;
  /// From the intended send time, in nanoseconds: what a user waits. Of all replies.
  engine::Histogram latency;
  /// From the real send time: what the server took. The difference to the above is waiting in
  /// the client, for its connection's earlier request above all.
  engine::Histogram service;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;

  std::uint64_t answered() const;
  std::uint64_t not_ok() const;
};

/// CPU of a group of processes during the measurement, memory at its end. What runs on another
/// machine, or belongs to somebody else, is not known.
struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint32_t threads = 0;
  /// The busiest thread's share of one core, 0..1: a single-threaded bottleneck.
  double busiest_thread = 0;
};

/// What PostgreSQL counted during the measurement (pg_stat_database, pg_stat_wal,
/// pg_stat_statements where it is there).
struct DatabaseUsage {
  std::uint64_t commits = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t wal_syncs = 0;
  std::uint64_t statements = 0;  // calls by the server: round trips of commands. 0: not known
  std::uint64_t size_growth_bytes = 0;
};

/// Who kept the rate from being higher.
enum class Bottleneck : std::uint8_t { none, generator, server, database, host };
std::string_view name(Bottleneck bottleneck);

struct Measurement {
  Load load;
  double seconds = 0;  // measured, without the warm-up
  std::uint32_t connections = 0;
  std::vector<CommandResult> commands;
  /// How late requests left although their connection was free: the generator's own delay.
  engine::Histogram generator_delay;

  ProcessUsage generator;
  std::optional<ProcessUsage> server;
  std::optional<ProcessUsage> postgresql;
  std::optional<DatabaseUsage> database;
  /// Resident memory that the server took when these connections were opened, of each; with those
  /// who send there among those who do not. Not told of a few, where it would say nothing.
  std::optional<double> server_bytes_per_connection;
  /// Share of all cores of this machine that was busy, 0..1.
  double host_busy = 0;
  Bottleneck bottleneck = Bottleneck::none;

  std::uint64_t answered() const;
  std::uint64_t not_ok() const;
  std::uint64_t completed() const;
  double completed_per_second() const { return static_cast<double>(completed()) / seconds; }
  /// Of all commands together.
  engine::Histogram latency() const;
};

class Driver {
 public:
  virtual ~Driver() = default;
  /// Blocks for about warm-up and duration. The error is a sentence for the user.
  virtual std::expected<Measurement, std::string> measure(const Load& load) = 0;
};

}  // namespace parsec::bench
