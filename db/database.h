// The data layer as the composition root sees it: start it, hand each shard its Gateway, stop it.
//
//   auto database = Database::start(settings, sink);   // connected, schema checked, listening
//   shard i: (*database)->set_waker(i, &waker); Gateway& gateway = (*database)->gateway(i);
//   at the end: (*database)->stop();                   // before the shards' Wakers go away
//
// It holds the workers, the connector, the listener and, for `MOCKED` and `embedded:`, the private
// PostgreSQL. start() and stop() belong to one thread; what else may be called from where is said
// at each function.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "db/driver/gateway.h"
#include "db/driver/settings.h"
#include "db/workers/worker.h"

namespace parsec::engine {
class Waker;
}

namespace parsec::db {

/// The data layer as it is now, for metrics and health. Each value is right by itself.
struct DatabaseState {
  struct OfWorker : WorkerState {
    std::array<std::uint64_t, count_size> counts{};  // by Count
  };
  std::vector<OfWorker> workers;
  bool is_listening = false;
  std::uint64_t listen_losses = 0;
  int level = 0;  // of the schema, as it was seen last; 0: nobody looked
  bool is_wrong_level = false;
  double ids_used = 0;         // of the table whose ids end first: 0 … 1
  std::uint64_t refusals = 0;  // a ring was full
  TimePoint full_since{};      // one is since then; zero: none
};

class Database {
 public:
  virtual ~Database() = default;

  /// Connects (as often as the settings say), refuses a schema that is too old or too new, brings
  /// our functions and indexes up to date, starts all threads and waits for the first LISTEN. The
  /// private kinds of target are created and migrated first. The error is a sentence for the user.
  /// The sink must outlive stop().
  static std::expected<std::unique_ptr<Database>, std::string> start(const Settings& settings,
                                                                     NotificationSink& sink);

  /// Answers what is in flight (bounded by Settings::stop_grace), ends all threads and the private
  /// PostgreSQL. What could not be finished is never answered. Idempotent.
  virtual void stop() = 0;

  /// The shard's door. Its functions belong to the shard's thread.
  virtual Gateway& gateway(std::uint32_t shard) = 0;

  /// Whom to wake when replies are there; null: nobody. Any thread. A Waker that was set must live
  /// until stop() returned.
  virtual void set_waker(std::uint32_t shard, engine::Waker* waker) = 0;

  /// How others reach the same database: the URL (it may hold a password), or a conninfo string
  /// of the private one.
  virtual const std::string& connection_string() const = 0;

  /// Names and values of all counters, summed over the workers. Any thread.
  using CounterVisitor = std::function<void(std::string_view name, std::uint64_t value)>;
  virtual void visit_counters(const CounterVisitor& visitor) const = 0;
  virtual DatabaseState state() const = 0;
  /// A few lines for people: the counters of each worker and the state of each connection.
  virtual std::string dump() const = 0;
};

}  // namespace parsec::db
