// The server's block store: what all shards share of it, and each shard's endpoint.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>

#include "db/block_store.h"
#include "db/block_store_config.h"
#include "db/gateway.h"

namespace parsec::db {

struct BlockStoreLimits {
  /// MOCKED: beyond, creating a block gets `timeout`.
  std::size_t memory_bytes = std::size_t{1} << 30;
};

class BlockStores {
 public:
  virtual ~BlockStores() = default;

  /// Checks that the store can be reached. The error is a sentence for the user.
  static std::expected<std::unique_ptr<BlockStores>, std::string> open(
      const BlockStoreConfig& config, const BlockStoreLimits& limits = {});

  /// The endpoint of the shard that this gateway belongs to; the gateway outlives it. Any thread,
  /// before the shards run.
  virtual std::unique_ptr<BlockStore> for_shard(Gateway& gateway) = 0;
};

}  // namespace parsec::db
