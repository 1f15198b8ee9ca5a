// Whether the server lives and may be sent clients, and its metrics: app/administration.md.
//
// Answers from what the threads have noted, and asks nobody: neither a database nor a thread that
// hangs can hold an answer up. It is there before the server's parts are, and after them.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/delivery/outbox.h"
#include "db/blocks/block_stores.h"
#include "db/database.h"
#include "engine/host/memory_budget.h"
#include "engine/metrics/exposition.h"
#include "engine/shard/shard_thread.h"
#include "engine/tls/tls_context.h"
#include "engine/tls/tls_layer.h"
#include "protocol/events/event_bus.h"
#include "protocol/pages/health.h"
#include "protocol/session/counts.h"

namespace parsec::app {

/// The parts of a running server that are looked at. All outlive Monitor::detach().
struct MonitoredParts {
  const engine::ShardThreads* shards = nullptr;
  const db::Database* database = nullptr;
  const db::BlockStores* blocks = nullptr;
  const DeliveringOutbox* outbox = nullptr;
  const protocol::EventBus* events = nullptr;
  const engine::MemoryBudget* memory = nullptr;
  std::span<const std::unique_ptr<protocol::Counts>> counts;  // by shard
  const engine::TlsContext* tls = nullptr;                    // null: plain TCP
  std::span<const std::unique_ptr<engine::TlsCounts>> tls_counts;
};

/// Codes of `/ready`.
inline constexpr auto readiness_codes =
    std::to_array<std::string_view>({"starting", "stopping", "database_unreachable", "listen_down",
                                     "wrong_level", "block_store_unreachable", "overloaded"});

struct Readiness {
  std::vector<std::string_view> reasons;  // of readiness_codes; empty: ready
  std::optional<int> level;
};

class Monitor final : public protocol::Health {
 public:
  /// hung_after: a thread that has not turned over for so long hangs.
  explicit Monitor(std::chrono::milliseconds hung_after) : hung_after_(hung_after) {}

  // The composer's.
  void attach(const MonitoredParts& parts);
  void note_stopping() { stopping_.store(true, std::memory_order_relaxed); }
  /// Returns when nobody looks at the parts any more.
  void detach();

  // Any thread.
  protocol::HealthAnswer live() const override;
  protocol::HealthAnswer ready() const override;
  std::string metrics(engine::Exposition::Format format) const;

 private:
  Readiness readiness() const;

  const std::chrono::milliseconds hung_after_;
  std::atomic<bool> stopping_ = false;
  mutable std::shared_mutex mutex_;      // held exclusively to attach and detach only
  std::optional<MonitoredParts> parts_;  // none: it starts, or is gone
};

}  // namespace parsec::app
