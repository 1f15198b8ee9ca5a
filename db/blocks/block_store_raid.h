// The block stores RAID0, RAID1 and RAID5: one shard's endpoints to the nodes of a set, as one.
//
// A node whose last answer was a time-out is still asked, which is how its return is noticed, but
// nobody waits for it longer than necessary: its stand-in (RAID1: the other nodes, RAID5: the
// checksum) is asked at the same time, and a write to RAID5 does without it. So only what was under
// way when a node died waits for its time-out.
//
// Shard thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "db/blocks/block_store.h"
#include "db/blocks/block_store_config.h"

namespace parsec::db {

class RaidBlockStore final : public BlockStore {
 public:
  using Raid = BlockStoreConfig::Raid;

  /// nodes: in the order of their index; several may be the same store.
  RaidBlockStore(Raid raid, std::vector<std::shared_ptr<BlockStore>> nodes);
  ~RaidBlockStore() override;

  bool submit(BlockJob* job) override;
  BlockJob* next_completion() override;
  bool has_completions() const override;
  void flush() override;
  bool take_reply(Request* request) override;

 private:
  enum class State : std::uint8_t { not_asked, asked, ok, not_found, timeout };

  struct Part {
    State state = State::not_asked;
    std::optional<std::vector<std::byte>> bytes;  // read
  };

  struct Operation {
    BlockJob* job = nullptr;  // null: it is completed, or the place is free
    BlockJob::Kind kind = BlockJob::Kind::read;
    std::vector<Part> parts;  // by node
    std::size_t asked = 0;    // not answered yet
  };

  struct Refused {
    std::size_t node;
    BlockJob* job;
  };

  std::size_t new_operation(BlockJob* job);
  bool has_refused(const engine::FlowKey& flow) const;
  void start_create(std::size_t place);
  void start_read(std::size_t place);
  void ask(std::size_t place, std::size_t node, std::vector<std::byte> data = {});
  void ask_rest(std::size_t place);
  void retry_refused();
  void collect();
  void on_part(std::size_t node, BlockJob* part);

  void decide(std::size_t place);
  std::optional<BlockOutcome> outcome_of_create(const Operation& operation) const;
  std::optional<BlockOutcome> outcome_of_read(Operation& operation) const;
  void complete(Operation& operation, BlockOutcome outcome);

  const Raid raid_;
  const std::vector<std::shared_ptr<BlockStore>> nodes_;
  std::vector<BlockStore*> stores_;  // each once
  std::vector<bool> suspect_;        // by node: its last answer was a time-out
  std::vector<Operation> operations_;
  std::vector<std::size_t> free_places_;
  std::vector<Refused> refused_;  // by their store, for want of room
  std::deque<BlockJob*> completed_;
};

}  // namespace parsec::db
