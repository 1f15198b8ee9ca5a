// The block store MOCKED: memory of this process, one for all its shards. Nothing outlives the
// process and no other server sees it: for development and tests.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "db/blocks/block_store.h"

namespace parsec::db {

/// The blocks themselves. Any thread.
class BlockMemory {
 public:
  explicit BlockMemory(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// timeout when it is full: like any store that is out of space, it may have room later.
  BlockOutcome create(const std::string& organization_id, const Uuid& block_id,
                      std::vector<std::byte> data);
  /// Null: not there. A block never changes, so it is shared, not copied, under the lock.
  std::shared_ptr<const std::vector<std::byte>> read(const std::string& organization_id,
                                                     const Uuid& block_id) const;

 private:
  using Blocks = std::unordered_map<Uuid, std::shared_ptr<const std::vector<std::byte>>>;

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Blocks> organizations_;
  std::size_t bytes_ = 0;
  const std::size_t max_bytes_;
};

/// One shard's endpoint: jobs are executed as they are submitted.
class MemoryBlockStore final : public BlockStore {
 public:
  explicit MemoryBlockStore(std::shared_ptr<BlockMemory> memory) : memory_(std::move(memory)) {}
  ~MemoryBlockStore() override;

  bool submit(BlockJob* job) override;
  BlockJob* next_completion() override;
  bool has_completions() const override { return !completed_.empty(); }

 private:
  std::shared_ptr<BlockMemory> memory_;
  std::deque<BlockJob*> completed_;
};

}  // namespace parsec::db
