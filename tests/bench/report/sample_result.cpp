#include "tests/bench/report/sample_result.h"

#include <cmath>
#include <utility>

#include "tests/bench/analysis/queueing_driver.h"

namespace parsec::testing {

namespace {

using namespace std::chrono_literals;
using namespace parsec::bench;

constexpr double served = 4000;  // per second

/// One queue for two commands; what its processes use goes with what they answer.
class SampleDriver : public Driver {
 public:
  SampleDriver(std::uint32_t servers, double per_second, std::uint32_t connections)
      : queue_(servers, per_second), per_second_(per_second), connections_(connections) {}

  std::expected<Measurement, std::string> measure(const Load& load) override {
    auto measured = queue_.measure(load);
    if (!measured) return measured;
    Measurement& all = *measured;
    all.connections = connections_;
    CommandResult reads = std::move(all.commands.front()), updates;
    reads.command = "vlob_read";
    reads.service = reads.latency;
    updates.command = "vlob_update";
    // A part of the reads, each 300 µs longer.
    reads.latency.for_each([&](std::uint64_t lowest, std::uint64_t, std::uint64_t times) {
      updates.latency.record(lowest + 300'000, (times + 2) / 3);
    });
    updates.service = updates.latency;
    updates.sent = updates.latency.count();
    updates.replies = {{"ok", updates.sent}};
    updates.completed = updates.sent;
    updates.sent_bytes = 1100 * updates.sent;
    updates.received_bytes = 40 * updates.sent;
    reads.sent_bytes = 120 * reads.sent;
    reads.received_bytes = 1000 * reads.sent;
    all.commands = {std::move(reads), std::move(updates)};
    all.server_bytes_per_connection = 2048;
    all.generator_delay.record(20'000, all.answered());
    const double rate = all.completed_per_second();
    const double busy = std::min(1.0, rate / per_second_ / 1.34);
    all.generator = {.cpu_seconds = 0.2 * busy * all.seconds,
                     .resident_bytes = 40 << 20,
                     .threads = 2,
                     .busiest_thread = 0.2 * busy};
    all.server = ProcessUsage{.cpu_seconds = 0.5 * busy * all.seconds,
                              .resident_bytes = (30 << 20) + 2048ULL * connections_,
                              .threads = 4,
                              .busiest_thread = 0.45 * busy};
    all.postgresql = ProcessUsage{.cpu_seconds = 1.2 * busy * all.seconds,
                                  .resident_bytes = 180 << 20,
                                  .threads = 9,
                                  .busiest_thread = 0.97 * busy};
    const std::uint64_t writes = all.commands[1].answered();
    all.database = DatabaseUsage{.commits = writes / 4,
                                 .wal_bytes = 2600 * writes,
                                 .wal_syncs = writes / 5,
                                 .statements = all.answered(),
                                 .size_growth_bytes = 1500 * writes};
    all.host_busy = 0.95 * busy;
    if (all.postgresql->busiest_thread > 0.9) all.bottleneck = Bottleneck::database;
    return measured;
  }

 private:
  QueueingDriver queue_;
  double per_second_;
  std::uint32_t connections_;
};

Scenario scenario() {
  Scenario made;
  made.name = "office_hours";
  made.description = "Files are saved & read by <many> organizations.";
  made.population = {.organizations = 50, .users = 10, .devices = 2, .realms = 3, .vlobs = 20};
  made.connections = 500;
  made.idle = 1000;
  made.zipf = 0.8;
  made.commands = {{Command::vlob_read, 3, 60}, {Command::vlob_update, 1, 1000}};
  return made;
}

Environment environment() {
  return {.date = "2025-11-03T09:30:00Z",
          .command_line =
              "parsec-bench search --addr parsec://server --administration-token=*** "
              "--scenario office_hours.json --ladder",
          .cpu_model = "Example CPU 3000 <tm>",
          .cores = 4,
          .memory_bytes = 16ULL << 30,
          .kernel = "6.8.0-45-generic",
          .distribution = "Ubuntu 24.04.1 LTS",
          .governor = "performance",
          .virtualisation = "none",
          .versions = {{"parsec-bench", "3.0.0"}, {"server", "parsec/3.0.0"}},
          .postgresql_settings = {{"fsync", "on"},
                                  {"server_version", "16.4"},
                                  {"shared_buffers", "4GB"},
                                  {"synchronous_commit", "on"}}};
}

}  // namespace

Result sample_result(double faster) {
  Result result;
  result.environment = environment();
  result.scenario = scenario();
  SampleDriver driver{2, served * faster, 500};
  Load load;
  load.kind = Load::Kind::open;
  load.rate = 1500;
  load.duration = 2000ms;
  load.warm_up = 500ms;
  for (load.seed = 1; load.seed <= 3; ++load.seed) result.run.push_back(*driver.measure(load));
  SaturationOptions options;
  options.p99_bound = 20ms;
  options.first_rate = 500;
  options.load = load;
  const OnRung nobody = [](const Rung&) {};
  result.search = Search{.p99_bound = options.p99_bound,
                         .precision = options.precision,
                         .found = *find_saturation(driver, options, nobody)};
  result.ladder = *climb(driver, result.search->found.rate, options, nobody);
  result.scaling = *measure_scaling(
      {.parameter = "shards", .counts = {1, 2, 3, 4, 6, 8}, .repeats = 3, .promise = {}},
      [faster](double count) -> std::expected<ScalingSetup, std::string> {
        Load ceiling;
        ceiling.duration = 500ms;
        ceiling.in_flight = 64;
        const double law = count / (1 + 0.06 * (count - 1) + 0.004 * count * (count - 1));
        return ScalingSetup{std::make_unique<SampleDriver>(2, served / 2 * law * faster, 500),
                            ceiling};
      },
      [](const ScalingStep&) {});
  return result;
}

}  // namespace parsec::testing
