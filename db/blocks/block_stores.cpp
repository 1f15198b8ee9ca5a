// See block_stores.h.
#include "db/blocks/block_stores.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "db/blocks/block_store_memory.h"
#include "db/blocks/block_store_postgresql.h"
#include "db/blocks/block_store_raid.h"
#include "db/blocks/block_store_s3.h"
#include "db/blocks/block_store_swift.h"
#include "engine/host/log.h"
#include "engine/outbound/outbound.h"

namespace parsec::db {

namespace {

using Raid = BlockStoreConfig::Raid;
using Mocked = BlockStoreConfig::Mocked;
using Postgresql = BlockStoreConfig::Postgresql;
using S3 = BlockStoreConfig::S3;
using Swift = BlockStoreConfig::Swift;

/// Encrypted blocks of clients have 512 KiB and a little. So many of them as there are connections
/// are let onto the network; of larger ones fewer.
constexpr std::size_t usual_block_bytes = std::size_t{576} << 10;

/// A node's part that all shards share; what it has none of is null.
struct SharedNode {
  BlockStoreConfig::Node config;
  std::shared_ptr<BlockMemory> memory;
  std::unique_ptr<ObjectStorage> storage;
};

class Nodes final : public BlockStores {
 public:
  Nodes(const BlockStoreConfig& config, const BlockStoreSettings& settings)
      : raid_(config.raid), shards_(settings.shards) {
    const auto is_remote = [](const auto& node) {
      return std::holds_alternative<S3>(node) || std::holds_alternative<Swift>(node);
    };
    const auto remote = std::ranges::count_if(config.nodes, is_remote);
    if (remote > 0) {
      const auto most = static_cast<std::uint32_t>(remote);
      // One channel more, for the checks.
      outbound_.emplace(engine::OutboundSettings{.threads = std::min(settings.threads, most),
                                                 .channels = shards_ + 1});
    }
    const auto in_memory = std::ranges::count_if(
        config.nodes, [](const auto& node) { return std::holds_alternative<Mocked>(node); });
    for (const auto& node : config.nodes) {
      SharedNode shared{.config = node, .memory = {}, .storage = {}};
      if (std::holds_alternative<Mocked>(node)) {
        const auto each = settings.memory_bytes / static_cast<std::size_t>(in_memory);
        shared.memory = std::make_shared<BlockMemory>(each);
      } else if (is_remote(node)) {
        shared.storage = add_storage(node_name(config, nodes_.size()), settings);
      }
      nodes_.push_back(std::move(shared));
    }
    counts_ = std::vector<BlockStoreCounts>(nodes_.size() * shards_);
    raid_counts_ = std::vector<BlockStoreCounts>(shards_);
  }
  ~Nodes() override { stop(); }

  std::expected<void, std::string> start(const BlockStoreSettings& settings) {
    if (!outbound_) return {};
    outbound_->start();
    std::vector<const SharedNode*> unknown;
    for (const auto& node : nodes_) {
      if (node.storage) unknown.push_back(&node);
    }
    for (std::uint32_t attempt = 1;; ++attempt) {
      auto away = check(unknown);
      if (!away) return std::unexpected(std::move(away).error());
      if (unknown.empty()) return {};
      if (attempt == settings.first_tries_number) return std::unexpected(away->front());
      for (const auto& why : *away) {
        log::warn("A block store cannot be used yet", "{} (attempt {}, next in {} ms)",
                  log::field("reason", why), log::field("attempt", attempt),
                  log::field("pause_ms", settings.first_tries_sleep.count()));
      }
      std::this_thread::sleep_for(settings.first_tries_sleep);
    }
  }

  std::unique_ptr<BlockStore> for_shard(std::uint32_t shard, Gateway& gateway) override {
    if (raid_ == Raid::none) return store(0, shard, gateway);
    std::vector<std::shared_ptr<BlockStore>> stores;
    std::shared_ptr<BlockStore>
        database;  // several nodes: one, as each takes the gateway's replies
    for (std::size_t node = 0; node < nodes_.size(); ++node) {
      if (!std::holds_alternative<Postgresql>(nodes_[node].config)) {
        stores.push_back(store(node, shard, gateway));
        continue;
      }
      if (!database) database = store(node, shard, gateway);
      stores.push_back(database);
    }
    auto raid = std::make_shared<RaidBlockStore>(raid_, std::move(stores));
    return std::make_unique<CountingBlockStore>(std::move(raid), raid_counts_[shard]);
  }

  void set_waker(std::uint32_t shard, engine::Waker* waker) override {
    if (outbound_) outbound_->set_waker(shard, waker);
  }
  void visit_counts(const CountsVisitor& visit) const override {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const std::size_t node = i / shards_;
      visit(label(nodes_[node].config, node), counts_[i]);
    }
  }
  bool is_unreachable(std::chrono::milliseconds time) const override {
    const auto since = engine::Clock::now() - time;
    const auto& counts = raid_ == Raid::none ? counts_ : raid_counts_;
    const auto is_new = [since](const std::atomic<engine::TimePoint>& last) {
      return last.load(std::memory_order_relaxed) > since;
    };
    return std::ranges::any_of(counts, [&](const auto& one) { return is_new(one.failed); }) &&
           std::ranges::none_of(counts, [&](const auto& one) { return is_new(one.answered); });
  }
  std::string dump() const override {
    std::string text;
    for (const auto& node : nodes_) {
      if (node.storage) text += node.storage->dump();
    }
    return text;
  }
  void stop() override {
    if (outbound_) outbound_->stop();
  }

 private:
  /// Why which of them cannot be reached now: only those stay in `nodes`. Each is asked, so that
  /// one that says no is known at once whoever else is away; that is the error.
  std::expected<std::vector<std::string>, std::string> check(
      std::vector<const SharedNode*>& nodes) {
    std::vector<std::string> away;
    std::optional<std::string> refusal;
    std::erase_if(nodes, [&](const SharedNode* node) {
      auto checked = remote_store(*node, shards_)->check();
      if (checked) return true;
      auto& failure = checked.error();
      if (failure.may_pass) away.push_back(std::move(failure.why));
      if (!failure.may_pass && !refusal) refusal = std::move(failure.why);
      return false;
    });
    if (refusal) return std::unexpected(std::move(*refusal));
    return away;
  }

  /// For logs and errors: `S3`, `SWIFT (node 2 of RAID5)`.
  static std::string node_name(const BlockStoreConfig& config, std::size_t index) {
    const BlockStoreConfig alone{.raid = Raid::none, .nodes = {config.nodes[index]}};
    std::string name{alone.type()};
    if (config.raid == Raid::none) return name;
    return name + " (node " + std::to_string(index) + " of " + std::string{config.type()} + ")";
  }

  std::unique_ptr<ObjectStorage> add_storage(std::string name, const BlockStoreSettings& settings) {
    auto& destination = outbound_->add({.connections = settings.connections,
                                        .bytes_under_way = settings.connections * usual_block_bytes,
                                        .connect_timeout = settings.connect_timeout});
    return std::make_unique<ObjectStorage>(std::move(name), destination, settings.timeout,
                                           settings.bytes_under_way);
  }

  static std::unique_ptr<HttpBlockStore> remote_store(const SharedNode& node,
                                                      std::uint32_t channel) {
    if (const auto* s3 = std::get_if<S3>(&node.config)) {
      return std::make_unique<S3BlockStore>(*s3, *node.storage, channel);
    }
    return std::make_unique<SwiftBlockStore>(std::get<Swift>(node.config), *node.storage, channel);
  }

  std::unique_ptr<BlockStore> store(std::size_t index, std::uint32_t shard, Gateway& gateway) {
    const SharedNode& node = nodes_[index];
    std::shared_ptr<BlockStore> store;
    if (node.memory) {
      store = std::make_shared<MemoryBlockStore>(node.memory);
    } else if (node.storage) {
      store = remote_store(node, shard);
    } else {
      store = std::make_shared<PostgresqlBlockStore>(gateway);
    }
    return std::make_unique<CountingBlockStore>(std::move(store), counts_[index * shards_ + shard]);
  }

  static std::string label(const BlockStoreConfig::Node& node, std::size_t index) {
    const BlockStoreConfig alone{.raid = Raid::none, .nodes = {node}};
    std::string text = std::to_string(index) + "_" + std::string{alone.type()};
    std::ranges::transform(text, text.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return text;
  }

  const Raid raid_;
  const std::uint32_t shards_;
  std::vector<SharedNode> nodes_;
  std::vector<BlockStoreCounts> counts_;       // by node, then by shard
  std::vector<BlockStoreCounts> raid_counts_;  // by shard, of all nodes together
  // Last: its threads use what is above until they end.
  std::optional<engine::Outbound> outbound_;
};

}  // namespace

std::expected<std::unique_ptr<BlockStores>, std::string> BlockStores::open(
    const BlockStoreConfig& config, const BlockStoreSettings& settings) {
  auto nodes = std::make_unique<Nodes>(config, settings);
  if (auto started = nodes->start(settings); !started)
    return std::unexpected(std::move(started).error());
  return nodes;
}

}  // namespace parsec::db
