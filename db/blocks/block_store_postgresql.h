// The block store POSTGRESQL: table block_data of the server's own database, reached through the
// shard's Gateway like any command, with requests of their own.
//
// Shard thread only. Its replies come out of the Gateway among those of the sessions: show each to
// take_reply() first.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "db/blocks/block_store.h"
#include "db/driver/gateway.h"

namespace parsec::db {

class PostgresqlBlockStore final : public BlockStore {
 public:
  explicit PostgresqlBlockStore(Gateway& gateway) : gateway_(gateway) {}
  ~PostgresqlBlockStore() override;

  void release(BlockJob* job) override;
  bool submit(BlockJob* job) override;
  BlockJob* next_completion() override;
  bool has_completions() const override { return !completed_.empty(); }
  bool take_reply(Request* request) override;

 private:
  Gateway& gateway_;
  std::vector<BlockJob*> under_way_;  // by tag of their request; null: a free place
  std::vector<std::size_t> free_places_;
  std::deque<BlockJob*> completed_;
};

}  // namespace parsec::db
