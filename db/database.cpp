#include "db/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <chrono>
#include <thread>
#include <utility>

#include "db/cluster/embedded_cluster.h"
#include "db/driver/connection.h"
#include "db/driver/connector.h"
#include "db/driver/listener.h"
#include "db/driver/peer_watch.h"
#include "db/schema/extensions.h"
#include "db/schema/id_watch.h"
#include "db/schema/migrations.h"
#include "db/schema/rights.h"
#include "db/schema/sequences.h"
#include "db/workers/shard_gateway.h"
#include "db/workers/worker.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

constexpr int oldest_server_version = 130000;
constexpr auto listen_limit = 30s;

using Failure = std::unexpected<std::string>;

/// The first connection, tried as often as the settings say.
std::expected<Connection, std::string> first_connection(const Settings& settings,
                                                        const ConnectionOptions& options) {
  for (std::uint32_t attempt = 1;; ++attempt) {
    auto connection = Connection::open(options);
    if (connection) return std::move(*connection);
    const std::string why = "Cannot connect to the database " + settings.target.description() +
                            ": " + connection.error().message;
    if (settings.first_tries_number != 0 && attempt >= settings.first_tries_number) {
      return Failure(why);
    }
    log::warn("Cannot connect to the database", "{} (attempt {}, next in {} ms)",
              log::field("reason", why), log::field("attempt", attempt),
              log::field("pause_ms", settings.first_tries_sleep.count()));
    std::this_thread::sleep_for(settings.first_tries_sleep);
  }
}

/// Rows can be stored: no sequence gives an id that is there already.
std::expected<std::vector<IdSequence>, std::string> check_ids(Connection& connection) {
  auto sequences = read_id_sequences(connection);
  if (!sequences) return Failure("Cannot look at the sequences: " + sequences.error().message);
  if (auto refusal = sequences_refusal(*sequences); !refusal.empty()) {
    return Failure(std::move(refusal));
  }
  log_ids(*sequences);
  return std::move(*sequences);
}

/// The schema as this program needs it. A private database is ours to migrate, another one is not.
std::expected<void, std::string> prepare_schema(Connection& connection, const Settings& settings) {
  if (connection.server_version() < oldest_server_version) {
    return Failure(
        fmt::format("PostgreSQL {} is too old, 13 is needed", connection.server_version() / 10000));
  }
  if (settings.target.kind != Target::Kind::server) {
    const MigrationReport report =
        migrate(connection, {.dry_run = false, .allow_newer = settings.allow_newer_schema});
    if (report.ok()) return {};
    if (!report.error.empty()) return Failure(report.error);
    const MigrationResult& last = report.migrations.back();
    return Failure(fmt::format("Migration {} failed: {}", last.name, last.message));
  }
  const auto read_only = connection.execute("SHOW transaction_read_only");
  if (read_only && field(*read_only, 0, 0) == "on") {
    return Failure("The database " + settings.target.description() +
                   " takes no writes (it is a replica, or default_transaction_read_only is set): "
                   "name the server that does, or all of them as hosts of one URL");
  }
  const auto number = schema_number(connection);
  if (!number) return Failure(number.error());
  if (auto refusal = schema_refusal(*number, settings.allow_newer_schema); !refusal.empty()) {
    return Failure(std::move(refusal));
  }
  if (auto installed = install_extensions(connection); !installed) {
    return Failure(installed.error());
  }
  if (auto checked = check_rights(connection); !checked) return checked;
  if (const auto noted = note_functions_used(connection); !noted) {
    return Failure("Cannot note that the stored functions are used: " + noted.error().message);
  }
  return {};
}

/// Connections of each worker.
std::vector<Worker::Shape> shapes(const Settings& settings) {
  const std::uint32_t lanes = settings.max_connections - 1;  // one listens
  const std::uint32_t eager = std::max(1U, settings.min_connections - 1);
  const std::uint32_t workers = std::clamp(settings.workers, 1U, lanes);
  std::vector<Worker::Shape> result;
  for (std::uint32_t i = 0; i < workers; ++i) {
    const std::uint32_t own = lanes / workers + (i < lanes % workers ? 1 : 0);
    const std::uint32_t own_eager = eager / workers + (i < eager % workers ? 1 : 0);
    result.push_back({own, std::max(1U, own_eager)});
  }
  return result;
}

class RunningDatabase final : public Database {
 public:
  RunningDatabase(const Settings& settings, NotificationSink& sink,
                  std::unique_ptr<EmbeddedCluster> cluster, ConnectionOptions options,
                  std::vector<IdSequence> sequences, int level)
      : settings_(settings),
        connection_string_(options.conninfo),
        cluster_(std::move(cluster)),
        level_(std::make_shared<std::atomic<int>>(level)),
        id_watch_(options, settings.ids_interval, std::move(sequences)),
        peer_watch_(options, settings.watch, probe_,
                    [level = level_](Connection& connection) { note_level(connection, *level); }),
        connector_(std::move(options)),
        listener_(settings_.shards, connector_, sink, probe_) {
    engine::MemoryBudget& memory = settings.memory != nullptr ? *settings.memory : unlimited_;
    std::vector<Worker*> workers;
    for (const Worker::Shape& shape : shapes(settings_)) {
      const auto number = static_cast<std::uint32_t>(workers_.size());
      workers_.push_back(std::make_unique<Worker>(number, shape, settings_, connector_, memory));
      workers.push_back(workers_.back().get());
    }
    for (std::uint32_t shard = 0; shard < settings_.shards; ++shard) {
      gateways_.push_back(
          std::make_unique<ShardGateway>(shard, settings_, workers, listener_, memory));
    }
  }
  ~RunningDatabase() override { RunningDatabase::stop(); }

  std::expected<void, std::string> run() {
    // Without it nothing can be served: it gets the first connection.
    listener_.start();
    if (!listener_.wait_until_listening(listen_limit)) {
      return Failure("Cannot listen for the database's notifications");
    }
    if (auto heard = peer_watch_.check_notifications(); !heard) return heard;
    for (const auto& worker : workers_) worker->start();
    if (auto connected = wait_for_connections(); !connected) return connected;
    peer_watch_.start();
    return {};
  }

  /// What cannot be had at the start will be missing under load.
  std::expected<void, std::string> wait_for_connections() {
    const auto deadline = std::chrono::steady_clock::now() + settings_.connections_limit;
    const std::uint32_t wanted = std::max(2U, settings_.min_connections);
    for (;;) {
      std::uint32_t there = 1;  // the listener's
      for (const auto& worker : workers_) there += worker->connections();
      if (there >= wanted) return {};
      if (std::chrono::steady_clock::now() > deadline) {
        return Failure(fmt::format(
            "Only {} of at least {} connections to the database can be opened{}. Let it accept "
            "more (max_connections, CONNECTION LIMIT of the role or the database), or lower "
            "--db-min-connections",
            there, wanted, connector_.last_error()));
      }
      std::this_thread::sleep_for(10ms);
    }
  }

  void stop() override {
    for (const auto& worker : workers_) worker->request_stop();
    for (const auto& worker : workers_) worker->join();
    connector_.stop();
    peer_watch_.stop();
    listener_.stop();
    id_watch_.stop();
    cluster_.reset();
  }

  Gateway& gateway(std::uint32_t shard) override { return *gateways_[shard]; }

  void set_waker(std::uint32_t shard, engine::Waker* waker) override {
    for (const auto& worker : workers_) worker->set_shard_waker(shard, waker);
  }

  const std::string& connection_string() const override { return connection_string_; }

  void visit_counters(const CounterVisitor& visitor) const override {
    for (std::size_t i = 0; i < count_size; ++i) {
      const auto count = static_cast<Count>(i);
      std::uint64_t sum = 0;
      for (const auto& worker : workers_) sum += worker->counters().get(count);
      visitor(name(count), sum);
    }
    std::uint64_t refusals = 0;
    for (const auto& gateway : gateways_) refusals += gateway->refusals();
    visitor("ring_full", refusals);
    const Listener::Counts& counts = listener_.counts();
    visitor("notifications", counts.notifications);
    visitor("fences_kept", counts.fences_kept);
    visitor("fences_broken", counts.fences_broken);
    visitor("fence_queries", counts.fence_queries);
    visitor("listen_losses", counts.losses);
  }

  DatabaseState state() const override {
    DatabaseState state;
    for (const auto& worker : workers_) {
      auto& one = state.workers.emplace_back(worker->state());
      for (std::size_t i = 0; i < count_size; ++i) {
        one.counts[i] = worker->counters().get(static_cast<Count>(i));
      }
    }
    state.is_listening = listener_.is_listening();
    state.listen_losses = listener_.counts().losses;
    state.level = *level_;
    state.is_wrong_level = !schema_refusal(*level_, settings_.allow_newer_schema).empty();
    state.ids_used = id_watch_.most_used();
    for (const auto& gateway : gateways_) {
      state.refusals += gateway->refusals();
      const TimePoint since = gateway->full_since();
      if (since == TimePoint{}) continue;
      state.full_since =
          state.full_since == TimePoint{} ? since : std::min(state.full_since, since);
    }
    return state;
  }

  std::string dump() const override {
    std::string text;
    for (const auto& worker : workers_) {
      text += worker->dump();
    }
    const Listener::Counts& counts = listener_.counts();
    text +=
        fmt::format("database listener: notifications={} fences={}+{} queries={} losses={}\n",
                    counts.notifications.load(), counts.fences_kept.load(),
                    counts.fences_broken.load(), counts.fence_queries.load(), counts.losses.load());
    return text + id_watch_.summary();
  }

 private:
  static void note_level(Connection& connection, std::atomic<int>& level) {
    if (const auto number = schema_number(connection)) level = *number;
  }

  const Settings settings_;
  const std::string connection_string_;
  std::unique_ptr<EmbeddedCluster> cluster_;
  const std::shared_ptr<std::atomic<int>> level_;  // the watch's thread may outlive us
  IdWatch id_watch_;
  const std::shared_ptr<Probe> probe_ = std::make_shared<Probe>();
  PeerWatch peer_watch_;
  Connector connector_;
  Listener listener_;
  engine::MemoryBudget unlimited_{std::size_t{1} << 56, 0};  // for whoever sets none
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<ShardGateway>> gateways_;
};

}  // namespace

std::expected<std::unique_ptr<Database>, std::string> Database::start(const Settings& settings,
                                                                      NotificationSink& sink) {
  assert(settings.shards > 0 && std::has_single_bit(settings.outstanding_requests));
  if (settings.min_connections < 1 || settings.max_connections < settings.min_connections ||
      settings.max_connections < 2) {
    return Failure(
        "The number of database connections must be at least 2 (one of them listens for "
        "notifications), and the minimum not above the maximum");
  }
  ConnectionOptions options{settings.target.location, settings.application_name, settings.session,
                            functions_alias()};
  std::unique_ptr<EmbeddedCluster> cluster;
  if (settings.target.kind != Target::Kind::server) {
    auto started = EmbeddedCluster::start(settings.target);
    if (!started) return Failure(started.error());
    cluster = std::move(*started);
    options.conninfo = cluster->conninfo();
  }
  std::vector<IdSequence> sequences;
  int level = 0;
  {
    auto connection = first_connection(settings, options);
    if (!connection) return Failure(connection.error());
    if (auto done = prepare_schema(*connection, settings); !done) return Failure(done.error());
    auto ids = check_ids(*connection);
    if (!ids) return Failure(ids.error());
    sequences = std::move(*ids);
    level = schema_number(*connection).value_or(0);
  }
  auto database = std::make_unique<RunningDatabase>(settings, sink, std::move(cluster), options,
                                                    std::move(sequences), level);
  if (auto running = database->run(); !running) return Failure(running.error());
  return database;
}

}  // namespace parsec::db
