#include "bench/load/load_driver.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "bench/interrupt.h"
#include "bench/load/database_usage.h"
#include "bench/load/generator.h"
#include "bench/load/process_usage.h"
#include "bench/load/socket_dialer.h"
#include "engine/outbound/dial.h"
#include "engine/ring/uring_ring.h"
#include "engine/shard/shard_thread.h"
#include "engine/tls/tls_layer.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using engine::Clock;
using namespace std::chrono_literals;

/// Between posting a round and its beginning: so long does a busy generator take to see it.
constexpr auto lead = 20ms;
constexpr auto between_result_looks = 2ms;
/// A generator that is this busy may be what limits.
constexpr double busy_generator = 0.9;
constexpr double busy_host = 0.95;
/// Below so many connections the memory of a process says nothing of one of them.
constexpr std::uint32_t enough_connections = 1000;

struct Shard {
  engine::ShardControl shard_control;
  GeneratorControl control{shard_control};
  std::thread thread;
};

/// As certificates have an IPv6 address, which an address has in brackets.
std::string without_brackets(std::string host) {
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host;
}

double seconds(engine::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// What is looked at before and after.
struct Look {
  engine::TimePoint at;
  CpuTimes generator, server, postgresql;
  HostTimes host;
  std::optional<DatabaseCounters> database;
};

class Running final : public LoadDriver {
 public:
  Running(LoadDriverOptions options, engine::DialTarget target)
      : options_(std::move(options)),
        target_(target),
        placed_(place(options_.population, options_.scenario)),
        fan_out_(options_.scenario.uses(Command::fan_out) ? std::make_unique<FanOut>(placed_)
                                                          : nullptr),
        settings_{
            .host = options_.address.authority(),
            .population = options_.population,
            .scenario = options_.scenario,
            .shards = options_.threads,
            .fan_out = fan_out_.get(),
            .wake = [this](std::uint32_t shard) { shards_[shard]->shard_control.waker.notify(); }} {
    limits_.connections = options_.scenario.all_connections() + 100'000;
    limits_.shutdown_grace = engine::Duration{1000};
  }

  ~Running() override {
    for (const auto& shard : shards_) shard->shard_control.request_stop();
    for (const auto& shard : shards_) {
      if (shard->thread.joinable()) shard->thread.join();
    }
  }

  std::expected<void, std::string> start() {
    if (options_.address.tls) {
      auto context = engine::TlsContext::for_clients_of(without_brackets(options_.address.host));
      if (!context) return Error{context.error()};
      tls_ = std::move(*context);
    }
    find_processes();
    if (!options_.database_url.empty()) {
      auto database = DatabaseWatch::open(options_.database_url);
      if (!database) return Error{database.error()};
      database_ = std::move(*database);
      if (options_.postgresql.empty()) options_.postgresql = database_->processes();
    }
    const std::uint64_t before = resident_bytes(options_.server);
    std::vector<std::vector<Placed>> connections(options_.threads);
    // An author is on the shard of its number: see GeneratorSettings. The others are where there
    // are fewest.
    std::uint32_t next = 0;
    for (const Placed& placed : placed_) {
      const bool is_author = placed.role == Role::active;
      connections[(is_author ? placed.number : next++) % options_.threads].push_back(placed);
    }
    for (std::uint32_t i = 0; i < options_.threads; ++i) {
      shards_.push_back(std::make_unique<Shard>());
    }
    for (std::uint32_t i = 0; i < options_.threads; ++i) {
      shards_[i]->thread =
          std::thread([this, i, mine = std::move(connections[i])] { run(*shards_[i], i, mine); });
    }
    for (const auto& shard : shards_) {
      if (std::string failure = shard->control.await_connected(); !failure.empty()) {
        return Error{std::move(failure)};
      }
    }
    note_memory(before, resident_bytes(options_.server));
    return {};
  }

  std::expected<Measurement, std::string> measure(const Load& load) override {
    const auto start = Clock::now() + lead;
    for (const auto& shard : shards_) shard->control.begin_round(load, start);
    if (auto slept = sleep_until(start + load.warm_up); !slept) return Error{slept.error()};
    const Look before = look();
    const auto end = start + load.warm_up + load.duration;
    if (auto slept = sleep_until(end); !slept) return Error{slept.error()};
    const Look after = look();
    Measurement measurement;
    measurement.load = load;
    measurement.seconds = seconds(load.duration);
    measurement.connections = options_.scenario.all_connections();
    measurement.server_bytes_per_connection = server_bytes_per_connection_;
    std::string failure;
    for (const auto& shard : shards_) {
      while (!shard->control.has_result()) {
        if (interrupted()) return Error{"Interrupted"};
        std::this_thread::sleep_for(between_result_looks);
      }
      RoundResult part = shard->control.await_round();
      if (!part.failure.empty()) failure = part.failure;
      add(measurement, std::move(part));
    }
    if (!failure.empty()) return Error{std::move(failure)};
    compare(measurement, before, after);
    return measurement;
  }

 private:
  void run(Shard& shard, std::uint32_t index, const std::vector<Placed>& connections) {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the main thread
    ::pthread_setname_np(::pthread_self(), ("generator-" + std::to_string(index)).c_str());
    if (options_.pin) engine::pin_to_nth_processor(*options_.pin + index);
    auto ring = engine::UringRing::open(limits_, {});
    if (!ring) return shard.control.connected(ring.error());
    engine::Shard<engine::UringRing> loop(**ring, limits_, shard.shard_control, {});
    SocketDialer dialer{loop, target_};
    const auto generator = [&](engine::Transport& transport) {
      return std::make_unique<Generator>(transport, dialer, shard.control, settings_, index,
                                         connections);
    };
    if (tls_ == nullptr) return loop.run(*generator(loop));
    engine::TlsLayer tls{loop, *tls_, limits_, index, generator};
    dialer.use(tls);
    loop.run(tls);
  }

  void note_memory(std::uint64_t before, std::uint64_t after) {
    const std::uint32_t connections = options_.scenario.all_connections();
    if (options_.server.empty() || connections < enough_connections || after < before) return;
    server_bytes_per_connection_ = static_cast<double>(after - before) / connections;
  }

  /// On loopback the server is a process of this machine, and a PostgreSQL that it started its
  /// child.
  void find_processes() {
    if (!target_.is_loopback()) return;
    if (options_.server.empty()) {
      if (const auto found = listener_of(options_.address.port)) options_.server = {*found};
    }
    if (options_.postgresql.empty() && !options_.server.empty()) {
      options_.postgresql = descendants_of(options_.server.front());
    }
  }

  /// Looks now and then whether a generator has given up.
  std::expected<void, std::string> sleep_until(engine::TimePoint time) {
    constexpr auto between_looks = 50ms;
    while (Clock::now() < time) {
      std::this_thread::sleep_until(std::min(time, Clock::now() + between_looks));
      if (interrupted()) return Error{"Interrupted"};
      for (const auto& shard : shards_) {
        if (std::string failure = shard->control.failure(); !failure.empty()) {
          return Error{std::move(failure)};
        }
      }
    }
    return {};
  }

  Look look() {
    const pid_t own = ::getpid();
    return {.at = Clock::now(),
            .generator = cpu_times({&own, 1}),
            .server = cpu_times(options_.server),
            .postgresql = cpu_times(options_.postgresql),
            .host = host_times(),
            .database = database_ ? database_->counters() : std::nullopt};
  }

  static void add(Measurement& into, RoundResult part) {
    into.generator_delay.merge(part.generator_delay);
    if (into.commands.empty()) {
      into.commands = std::move(part.commands);
      return;
    }
    for (std::size_t i = 0; i < part.commands.size(); ++i) {
      CommandResult& all = into.commands[i];
      const CommandResult& more = part.commands[i];
      all.sent += more.sent;
      all.completed += more.completed;
      for (const auto& [status, count] : more.replies) all.replies[status] += count;
      all.latency.merge(more.latency);
      all.service.merge(more.service);
      all.sent_bytes += more.sent_bytes;
      all.received_bytes += more.received_bytes;
    }
  }

  void compare(Measurement& into, const Look& before, const Look& after) const {
    const double apart = seconds(after.at - before.at);
    const pid_t own = ::getpid();
    into.generator = usage_between(before.generator, after.generator, apart, {&own, 1});
    if (!options_.server.empty()) {
      into.server = usage_between(before.server, after.server, apart, options_.server);
    }
    if (!options_.postgresql.empty()) {
      into.postgresql =
          usage_between(before.postgresql, after.postgresql, apart, options_.postgresql);
    }
    if (before.database && after.database) into.database = *after.database - *before.database;
    const double all = static_cast<double>(after.host.all - before.host.all);
    into.host_busy = all == 0 ? 0 : static_cast<double>(after.host.busy - before.host.busy) / all;
    into.bottleneck = bottleneck_of(into);
  }

  /// The first that has no room left: who is short of a core of its own before who shares the rest.
  Bottleneck bottleneck_of(const Measurement& measurement) const {
    if (measurement.generator.busiest_thread > busy_generator) return Bottleneck::generator;
    if (measurement.host_busy > busy_host) return Bottleneck::host;
    if (measurement.server && measurement.server->busiest_thread > busy_generator) {
      return Bottleneck::server;
    }
    if (measurement.postgresql && measurement.postgresql->busiest_thread > busy_generator) {
      return Bottleneck::database;
    }
    return Bottleneck::none;
  }

  LoadDriverOptions options_;
  const engine::DialTarget target_;
  const std::vector<Placed> placed_;
  const std::unique_ptr<FanOut> fan_out_;
  const GeneratorSettings settings_;
  engine::Limits limits_;
  std::unique_ptr<DatabaseWatch> database_;
  std::optional<double> server_bytes_per_connection_;
  std::unique_ptr<engine::TlsContext> tls_;  // null: plain
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace

std::expected<std::unique_ptr<LoadDriver>, std::string> LoadDriver::connect(
    LoadDriverOptions options) {
  const auto target =
      engine::DialTarget::resolve(without_brackets(options.address.host), options.address.port);
  if (!target) return Error{target.error()};
  const std::uint64_t files = engine::raise_open_files_limit();
  const std::uint32_t connections = options.scenario.all_connections();
  if (files < std::uint64_t{connections} + 100) {
    return Error{"Only " + std::to_string(files) +
                 " open files are allowed, which is too few for " + std::to_string(connections) +
                 " connections (ulimit -n)"};
  }
  auto driver = std::make_unique<Running>(std::move(options), *target);
  if (auto started = driver->start(); !started) return Error{started.error()};
  return driver;
}

}  // namespace parsec::bench
