// The Gateway of one shard over the real workers and the listener. Shard's thread only; it owns the
// shard's Requests.
//
// Counts in the memory budget what a request holds from submit() to next_reply(): its parameters,
// and on its way here the result, whose count began where the worker received it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "db/driver/gateway.h"
#include "db/driver/listener.h"
#include "db/driver/settings.h"
#include "db/workers/worker.h"
#include "engine/host/memory_budget.h"
#include "engine/queues/flow_shares.h"

namespace parsec::db {

class ShardGateway final : public Gateway {
 public:
  ShardGateway(std::uint32_t shard, const Settings& settings, std::span<Worker* const> workers,
               Listener& listener, engine::MemoryBudget& memory);

  Request* acquire() override;
  void release(Request* request) override;
  bool submit(Request* request) override;
  Request* next_reply() override;
  void request_fence(std::uint64_t token) override;
  void flush() override;
  bool has_replies() const override;

  /// Since when a worker's ring has been full, more or less: it was, and has not been half empty
  /// since; zero: it is not. Any thread.
  TimePoint full_since() const;
  /// How often submit() had to refuse. Any thread.
  std::uint64_t refusals() const { return refusals_.load(std::memory_order_relaxed); }

 private:
  struct Door {
    Worker* worker = nullptr;
    std::size_t outstanding = 0;  // submitted and not given back
    std::size_t outstanding_bytes = 0;
    bool has_requests = false;  // since the last flush()
  };

  Door& door_for(const Request& request);
  bool has_room(const Door& door, const Request& request) const;
  void push_fences();
  void note_fullness(const Request& refused, const Door& door);

  const std::uint32_t shard_;
  const std::size_t outstanding_limit_;
  const std::size_t outstanding_bytes_limit_;
  Listener& listener_;
  std::vector<Door> doors_;
  engine::MemoryBudget::Share held_;
  engine::FlowShares shares_;  // of what is outstanding
  std::size_t next_door_ = 0;  // whose replies come next

  std::vector<std::unique_ptr<Request>> requests_;  // all that exist
  std::vector<Request*> free_;
  std::vector<std::uint64_t>
      fences_;  // that the listener's ring had no room for, or before flush()
  std::atomic<std::uint64_t> refusals_ = 0;
  std::atomic<TimePoint> full_since_ = TimePoint{};
};

}  // namespace parsec::db
