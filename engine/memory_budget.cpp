#include "engine/memory_budget.h"

namespace parsec::engine {

bool MemoryBudget::is_largest(std::uint32_t shard, std::size_t bytes) {
  largest_[shard].store(bytes, std::memory_order_relaxed);
  for (std::uint32_t other = 0; other < largest_.size(); ++other) {
    const std::size_t others = largest_[other].load(std::memory_order_relaxed);
    if (others > bytes || (others == bytes && other < shard)) return false;
  }
  return bytes > 0;
}

}  // namespace parsec::engine
