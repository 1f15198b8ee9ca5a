// What batching is worth: trivial shared writes and reads through a worker, by the size of a batch,
// on a durable private cluster. A batch of 1 is what a driver without batches does.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "db/cluster/embedded_cluster.h"
#include "db/database.h"
#include "db/driver/connection.h"
#include "db/schema/migrations.h"
#include "db/workers/worker.h"

namespace parsec::db {
namespace {

const Function insert_row{"insert_row",
                          "INSERT INTO public.bench (key, note) VALUES ($1, $2) RETURNING _id", 2,
                          Access::shared_write};
const Function read_row{"read_row", "SELECT note FROM public.bench WHERE _id = $1::bigint", 1,
                        Access::read};

class Silence final : public NotificationSink {
 public:
  void on_notification(std::string_view) override {}
  void on_fence(std::uint32_t, std::uint64_t, bool) override {}
  void on_gap() override {}
  void on_batch_end() override {}
};

/// A durable cluster with a table, for the whole program.
class Cluster {
 public:
  Cluster()
      : directory_((std::filesystem::temp_directory_path() / "parsec-bench-XXXXXX").native()) {
    if (::mkdtemp(directory_.data()) == nullptr) return;
    auto started = EmbeddedCluster::start({Target::Kind::embedded, directory_});
    if (!started) {
      error_ = started.error();
      return;
    }
    cluster_ = std::move(*started);
    prepare();
  }
  ~Cluster() {
    cluster_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  std::string conninfo() const { return cluster_ ? cluster_->conninfo() : std::string{}; }
  /// Why it cannot be used; empty: it can.
  const std::string& error() const { return error_; }

 private:
  void prepare() {
    auto connection = Connection::open({cluster_->conninfo(), "bench", {}});
    if (!connection) {
      error_ = connection.error().message;
      return;
    }
    const MigrationReport report = migrate(*connection, {});
    error_ = report.error;
    const auto table = connection->execute(
        "CREATE TABLE public.bench (_id serial PRIMARY KEY, key bigint, note text);"
        "INSERT INTO public.bench (key, note) SELECT i, 'note' FROM generate_series(1, 10000) AS i;"
        "ANALYZE public.bench");
    if (!table) error_ = table.error().message;
  }

  std::string directory_;
  std::string error_;
  std::unique_ptr<EmbeddedCluster> cluster_;
};

const Cluster& cluster() {
  static const Cluster instance;
  return instance;
}

/// Arguments: requests of a batch, connections, requests that wait at any time.
void run(benchmark::State& state, const Function& function) {
  Settings settings;
  settings.target = {Target::Kind::server, cluster().conninfo()};
  settings.lane.segment_requests = static_cast<std::size_t>(state.range(0));
  settings.max_connections = settings.min_connections = static_cast<std::uint32_t>(state.range(1));
  const auto window = static_cast<std::size_t>(state.range(2));
  Silence sink;
  auto database = Database::start(settings, sink);
  if (!cluster().error().empty() || !database) {
    state.SkipWithError((database ? cluster().error() : database.error()).c_str());
    return;
  }
  engine::Waker waker;  // never sleeps: the worker is what is measured
  Gateway& gateway = (*database)->gateway(0);
  std::size_t outstanding = 0;
  std::size_t failed = 0;
  std::uint64_t number = 0;
  const auto collect = [&] {
    while (Request* reply = gateway.next_reply()) {
      failed += reply->outcome != Outcome::ok;
      gateway.release(reply);
      --outstanding;
    }
  };
  for (auto _ : state) {
    Request* request = gateway.acquire();
    request->function = &function;
    request->route = ++number * 0x9E3779B97F4A7C15;
    request->int8(static_cast<std::int64_t>(1 + number % 10000));
    if (function.parameter_count > 1) request->text("note");
    while (!gateway.submit(request)) {
      gateway.flush();  // nobody else ends a turn here
      collect();
    }
    ++outstanding;
    if (outstanding < window) continue;
    gateway.flush();
    while (outstanding >= window) collect();
  }
  gateway.flush();
  while (outstanding > 0) collect();
  state.SetItemsProcessed(state.iterations());
  if (failed > 0) state.SkipWithError("a request failed");
  (*database)->visit_counters([&](std::string_view name, std::uint64_t value) {
    if (name == "segments") state.counters["round_trips"] = static_cast<double>(value);
  });
}

void shared_writes(benchmark::State& state) { run(state, insert_row); }
void reads(benchmark::State& state) { run(state, read_row); }

BENCHMARK(shared_writes)
    ->UseRealTime()
    ->ArgNames({"batch", "connections", "waiting"})
    ->Args({1, 7, 1})
    ->Args({1, 7, 256})
    ->Args({16, 7, 256})
    ->Args({64, 7, 256})
    ->Args({128, 7, 256})
    ->Args({64, 3, 256})
    ->Args({64, 13, 256})
    ->Args({64, 7, 1024});
BENCHMARK(reads)
    ->UseRealTime()
    ->ArgNames({"batch", "connections", "waiting"})
    ->Args({1, 7, 1})
    ->Args({1, 7, 256})
    ->Args({16, 7, 256})
    ->Args({64, 7, 256})
    ->Args({64, 3, 256})
    ->Args({64, 13, 256});

}  // namespace
}  // namespace parsec::db
