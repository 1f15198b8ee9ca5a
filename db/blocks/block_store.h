// Where the encrypted blocks live: db/storage.md §4. One BlockStore is one shard's endpoint to it.
//
// Works like the Gateway: a shard takes a BlockJob from the pool, fills it and submits it; the
// executed job comes back through next_completion(), in any order. Nothing blocks and no database
// connection or transaction is held while data travels. So a store may run at once (memory), over
// the shard's own Gateway (PostgreSQL), or behind rings on an outbound worker (object storage).
//
// Shard thread only. Exactly one side owns a job at any time: the shard, or the store between
// submit() and next_completion().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/queues/fair_order.h"
#include "engine/types.h"

namespace parsec::db {

class Request;

enum class BlockOutcome : std::uint8_t {
  ok,
  not_found,  // reading: the store answers, but has no such block
  timeout,    // unreachable, overloaded or too slow: nothing is known
};

struct BlockJob {
  enum class Kind : std::uint8_t {
    create,  // idempotent: a block that is there already stays as it is, and that is `ok`
    read,
  };

  // --- Set by the shard

  Kind kind = Kind::read;
  /// Where it came from: opaque here, given back unchanged.
  std::uint64_t tag = 0;
  /// Whose turn it takes among all that waits.
  engine::FlowKey flow;
  /// Since when it waits: the time of the store runs from then. Zero: since it is submitted.
  std::chrono::steady_clock::time_point since{};
  std::string organization_id;
  Uuid block_id;
  /// create: the block.
  std::vector<std::byte> data;

  // --- Set by the store

  BlockOutcome outcome = BlockOutcome::timeout;
  /// read, ok: the block, until release(). Points into `data` or into what the store keeps.
  Bytes found;
  /// Kept by a store over the Gateway until release().
  Request* request = nullptr;
};

class BlockStore {
 public:
  virtual ~BlockStore() = default;

  /// A fresh job from the shard's pool. Give it back with submit() or release().
  virtual BlockJob* acquire() { return jobs_.acquire(); }
  virtual void release(BlockJob* job) { jobs_.release(job); }

  /// Hands it over. False: no room for it; the caller keeps the job and tries again in a later
  /// turn.
  virtual bool submit(BlockJob* job) = 0;

  /// The next executed job, in any order; null when there is none now. Release it after use.
  virtual BlockJob* next_completion() = 0;

  /// True if next_completion() would return one: asked before the shard sleeps.
  virtual bool has_completions() const = 0;

  /// Wakes the workers that got something since the last flush. Once at the end of a turn.
  virtual void flush() {}

  /// Shown every reply of the shard's Gateway before the sessions: true if it answers a request of
  /// this store, which then owns it.
  virtual bool take_reply(Request*) { return false; }

 private:
  /// A job costs little beside its data, which goes back to the allocator with release().
  class Jobs {
   public:
    BlockJob* acquire() {
      if (free_.empty()) return new BlockJob;
      auto* job = free_.back().release();
      free_.pop_back();
      return job;
    }
    void release(BlockJob* job) {
      *job = BlockJob{};
      free_.emplace_back(job);
    }

   private:
    std::vector<std::unique_ptr<BlockJob>> free_;
  };
  Jobs jobs_;
};

}  // namespace parsec::db
