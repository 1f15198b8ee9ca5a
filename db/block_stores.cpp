// See block_stores.h.
#include "db/block_stores.h"

#include <variant>

#include "db/block_store_memory.h"
#include "db/block_store_postgresql.h"

namespace parsec::db {

namespace {

class MemoryBlockStores final : public BlockStores {
 public:
  explicit MemoryBlockStores(std::size_t max_bytes)
      : memory_(std::make_shared<BlockMemory>(max_bytes)) {}
  std::unique_ptr<BlockStore> for_shard(Gateway&) override {
    return std::make_unique<MemoryBlockStore>(memory_);
  }

 private:
  std::shared_ptr<BlockMemory> memory_;
};

class PostgresqlBlockStores final : public BlockStores {
 public:
  std::unique_ptr<BlockStore> for_shard(Gateway& gateway) override {
    return std::make_unique<PostgresqlBlockStore>(gateway);
  }
};

}  // namespace

std::expected<std::unique_ptr<BlockStores>, std::string> BlockStores::open(
    const BlockStoreConfig& config, const BlockStoreLimits& limits) {
  if (config.raid == BlockStoreConfig::Raid::none) {
    const auto& node = config.nodes.front();
    if (std::holds_alternative<BlockStoreConfig::Mocked>(node)) {
      return std::make_unique<MemoryBlockStores>(limits.memory_bytes);
    }
    if (std::holds_alternative<BlockStoreConfig::Postgresql>(node)) {
      return std::make_unique<PostgresqlBlockStores>();
    }
  }
  return std::unexpected("Block store " + std::string{config.type()} +
                         " is not available in this build: use MOCKED or POSTGRESQL");
}

}  // namespace parsec::db
