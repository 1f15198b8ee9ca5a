// A block store behind threads of its own, as one shard uses it.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "db/blocks/block_stores.h"
#include "db/functions/route.h"
#include "engine/queues/waker.h"
#include "tests/support/scripted_database.h"

namespace parsec::testing {

class RemoteBlockStore {
 public:
  /// value: of --blockstore. Opens it without looking at the result of its check.
  static std::string open_error(std::string_view value,
                                const db::BlockStoreSettings& settings = {}) {
    auto opened = open(value, settings);
    return opened ? "" : opened.error();
  }

  explicit RemoteBlockStore(std::string_view value, const db::BlockStoreSettings& settings = {}) {
    auto opened = open(value, settings);
    if (!opened) {
      ADD_FAILURE() << opened.error();
      std::abort();
    }
    stores_ = std::move(*opened);
    store_ = stores_->for_shard(0, gateway_);
    stores_->set_waker(0, &waker_);
  }
  ~RemoteBlockStore() { stores_->stop(); }

  void start(db::BlockJob::Kind kind, const Uuid& block_id, std::string_view data = {},
             std::string_view organization_id = "Org", std::uint64_t tag = 0) {
    ASSERT_TRUE(try_start(kind, block_id, data, {organization_id}, tag));
  }
  struct Client {
    std::string_view organization_id;
    std::string_view user_id = {};
    std::chrono::milliseconds has_waited{0};
  };
  /// False: the store has no room for it.
  bool try_start(db::BlockJob::Kind kind, const Uuid& block_id, std::string_view data,
                 const Client& client, std::uint64_t tag = 0) {
    auto* job = store_->acquire();
    job->flow = db::functions::flow_of(client.organization_id, client.user_id);
    job->since = std::chrono::steady_clock::now() - client.has_waited;
    job->kind = kind;
    job->tag = tag;
    job->organization_id = client.organization_id;
    job->block_id = block_id;
    const auto bytes = as_bytes(data);
    job->data.assign(bytes.begin(), bytes.end());
    const bool taken = store_->submit(job);
    if (!taken) store_->release(job);
    store_->flush();
    return taken;
  }

  /// Sleeps until one is completed: "ok", "not found", "timeout", or what was read.
  std::string finish(std::uint64_t* tag = nullptr) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (std::chrono::steady_clock::now() < end) {
      auto* job = store_->next_completion();
      store_->flush();
      if (job != nullptr) {
        if (tag != nullptr) *tag = job->tag;
        const auto text = text_of(*job);
        store_->release(job);
        return text;
      }
      waker_.park();
      if (!store_->has_completions()) {
        pollfd entry{waker_.fd(), POLLIN, 0};
        EXPECT_EQ(::poll(&entry, 1, 20'000), 1) << "nobody woke the shard";
      }
      waker_.unpark();
      waker_.drain();
    }
    return "nothing";
  }

  std::string create(const Uuid& block_id, std::string_view data,
                     std::string_view organization_id = "Org") {
    start(db::BlockJob::Kind::create, block_id, data, organization_id);
    return finish();
  }
  std::string read(const Uuid& block_id, std::string_view organization_id = "Org") {
    start(db::BlockJob::Kind::read, block_id, {}, organization_id);
    return finish();
  }

 private:
  static std::expected<std::unique_ptr<db::BlockStores>, std::string> open(
      std::string_view value, const db::BlockStoreSettings& settings) {
    const std::string_view values[] = {value};
    const auto config = db::parse_block_store(values);
    if (!config) return std::unexpected(config.error());
    return db::BlockStores::open(*config, settings);
  }

  static std::string text_of(const db::BlockJob& job) {
    switch (job.outcome) {
      case db::BlockOutcome::ok:
        return job.kind == db::BlockJob::Kind::read ? std::string{as_text(job.found)} : "ok";
      case db::BlockOutcome::not_found:
        return "not found";
      case db::BlockOutcome::timeout:
        return "timeout";
    }
    return {};
  }

  ScriptedDatabase gateway_;
  engine::Waker waker_;
  std::unique_ptr<db::BlockStores> stores_;
  std::unique_ptr<db::BlockStore> store_;
};

/// `:` of a URL, as a value of --blockstore has it.
inline std::string escaped(std::string_view url) {
  std::string result;
  for (const char c : url) {
    if (c == ':') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace parsec::testing
