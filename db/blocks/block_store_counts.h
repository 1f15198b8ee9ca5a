// What shards ask of a block store, counted: one of the configuration, or all of them together as
// commands see it.
//
// A shard writes its own counts, anybody reads them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "db/blocks/block_store.h"
#include "engine/metrics/counter.h"

namespace parsec::db {

inline constexpr std::size_t block_operations = 2;  // create, read: BlockJob::Kind
inline constexpr std::size_t block_outcomes = 3;    // BlockOutcome
std::string_view name(BlockJob::Kind kind);
std::string_view name(BlockOutcome outcome);

/// Of one shard with one store.
struct BlockStoreCounts {
  using TimePoint = std::chrono::steady_clock::time_point;

  struct OfOperation {
    std::array<engine::Counter, block_outcomes> outcomes;
    engine::DurationHistogram duration;
    engine::Counter bytes;  // of blocks that were handed over or found
  };
  std::array<OfOperation, block_operations> operations;
  std::atomic<TimePoint> answered = TimePoint{};  // the store did, the last time; zero: never
  std::atomic<TimePoint> failed = TimePoint{};    // it did not: BlockOutcome::timeout
};

/// A store with its counts, which outlive it.
class CountingBlockStore final : public BlockStore {
 public:
  CountingBlockStore(std::shared_ptr<BlockStore> store, BlockStoreCounts& counts)
      : store_(std::move(store)), counts_(counts) {}

  BlockJob* acquire() override { return store_->acquire(); }
  void release(BlockJob* job) override { store_->release(job); }
  bool submit(BlockJob* job) override;
  BlockJob* next_completion() override;
  bool has_completions() const override { return store_->has_completions(); }
  void flush() override { store_->flush(); }
  bool take_reply(Request* request) override { return store_->take_reply(request); }

 private:
  const std::shared_ptr<BlockStore> store_;
  BlockStoreCounts& counts_;
};

}  // namespace parsec::db
