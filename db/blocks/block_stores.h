// The server's block store: what all shards share of it, and each shard's endpoint.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "db/blocks/block_store.h"
#include "db/blocks/block_store_config.h"
#include "db/blocks/block_store_counts.h"
#include "db/driver/gateway.h"

namespace parsec::engine {
class Waker;
}

namespace parsec::db {

struct BlockStoreSettings {
  std::uint32_t shards = 1;
  /// MOCKED, all nodes together: beyond, creating a block gets `timeout`.
  std::size_t memory_bytes = std::size_t{1} << 30;

  // --- S3, SWIFT; of each node

  /// For an operation, with everything that belongs to it: waiting, logging in, trying again.
  std::chrono::milliseconds timeout{10'000};
  std::chrono::milliseconds connect_timeout{3'000};
  std::uint32_t connections = 32;
  /// Of blocks under way: beyond, operations get `timeout` at once.
  std::size_t bytes_under_way = std::size_t{256} << 20;
  /// Of all nodes; each node is served by one thread.
  std::uint32_t threads = 1;
  /// How often open() asks those that cannot be reached; 0: until they answer.
  std::uint32_t first_tries_number = 1;
  std::chrono::milliseconds first_tries_sleep{1'000};
};

class BlockStores {
 public:
  virtual ~BlockStores() = default;

  /// Starts the threads it needs, and checks that every node can be used: waits for those that
  /// cannot be reached as the settings say, but not for one that says no. The error is a sentence
  /// for the user.
  static std::expected<std::unique_ptr<BlockStores>, std::string> open(
      const BlockStoreConfig& config, const BlockStoreSettings& settings = {});

  /// The endpoint of a shard; this and the shard's gateway outlive it. Any thread, before the
  /// shards run.
  virtual std::unique_ptr<BlockStore> for_shard(std::uint32_t shard, Gateway& gateway) = 0;

  /// Whom to wake when operations are completed; null: nobody. Any thread. A Waker that was set
  /// must live until stop() returned.
  virtual void set_waker(std::uint32_t shard, engine::Waker* waker) = 0;

  /// visit(`<index>_<type>`, counts of one shard) for each node and shard. Any thread, after
  /// for_shard() of all of them.
  using CountsVisitor =
      std::function<void(const std::string& store, const BlockStoreCounts& counts)>;
  virtual void visit_counts(const CountsVisitor& visit) const = 0;
  /// Every try of that time failed, and there was one: whatever the layout, blocks are not served.
  virtual bool is_unreachable(std::chrono::milliseconds time) const = 0;

  /// A line for each node in object storage, for people. Any thread.
  virtual std::string dump() const = 0;

  /// Ends the threads: what is under way is never completed. Idempotent.
  virtual void stop() = 0;
};

}  // namespace parsec::db
