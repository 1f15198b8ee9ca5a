#include "engine/host/memory_budget.h"

#include "engine/queues/waker.h"

namespace parsec::engine {

bool MemoryBudget::is_largest(std::uint32_t shard, std::size_t bytes) {
  shards_[shard].largest.store(bytes, std::memory_order_relaxed);
  for (std::uint32_t other = 0; other < shards(); ++other) {
    const std::size_t others = shards_[other].largest.load(std::memory_order_relaxed);
    if (others > bytes || (others == bytes && other < shard)) return false;
  }
  return bytes > 0;
}

void MemoryBudget::wake_others(std::uint32_t shard) {
  for (std::uint32_t other = 0; other < shards(); ++other) {
    Waker* waker = other == shard ? nullptr : shards_[other].waker.load(std::memory_order_acquire);
    if (waker != nullptr) waker->notify();
  }
}

}  // namespace parsec::engine
