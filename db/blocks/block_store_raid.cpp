// See block_store_raid.h.
#include "db/blocks/block_store_raid.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "db/blocks/raid_layout.h"
#include "engine/host/log.h"

namespace parsec::db {

RaidBlockStore::RaidBlockStore(Raid raid, std::vector<std::shared_ptr<BlockStore>> nodes)
    : raid_(raid), nodes_(std::move(nodes)), suspect_(nodes_.size(), false) {
  for (const auto& node : nodes_) {
    if (std::ranges::find(stores_, node.get()) == stores_.end()) stores_.push_back(node.get());
  }
}

RaidBlockStore::~RaidBlockStore() {
  for (const auto& refused : refused_) nodes_[refused.node]->release(refused.job);
  for (auto& operation : operations_) {
    if (operation.job != nullptr) release(operation.job);
  }
  for (auto* job : completed_) release(job);
}

// --- Asking

std::size_t RaidBlockStore::new_operation(BlockJob* job) {
  if (free_places_.empty()) {
    free_places_.push_back(operations_.size());
    operations_.emplace_back();
  }
  const auto place = free_places_.back();
  free_places_.pop_back();
  operations_[place] = {.job = job, .kind = job->kind, .parts = {}, .asked = 0};
  operations_[place].parts.resize(nodes_.size());
  return place;
}

/// Further jobs of that user would only gather here.
bool RaidBlockStore::has_refused(const engine::FlowKey& flow) const {
  return std::ranges::any_of(refused_,
                             [&](const Refused& refused) { return refused.job->flow == flow; });
}

bool RaidBlockStore::submit(BlockJob* job) {
  if (has_refused(job->flow)) return false;
  const auto place = new_operation(job);
  if (job->kind == BlockJob::Kind::create) {
    start_create(place);
  } else {
    start_read(place);
  }
  return true;
}

void RaidBlockStore::start_create(std::size_t place) {
  auto data = std::move(operations_[place].job->data);
  switch (raid_) {
    case Raid::none:
    case Raid::raid0:
      return ask(place, raid0_node(operations_[place].job->block_id, nodes_.size()),
                 std::move(data));
    case Raid::raid1:
      for (std::size_t node = 0; node < nodes_.size(); ++node) ask(place, node, data);
      return;
    case Raid::raid5: {
      auto chunks = raid5_chunks(data, nodes_.size());
      for (std::size_t node = 0; node < nodes_.size(); ++node) {
        ask(place, node, std::move(chunks[node]));
      }
      return;
    }
  }
}

void RaidBlockStore::start_read(std::size_t place) {
  std::size_t enough = nodes_.size() - 1;  // RAID5
  if (raid_ == Raid::raid0) {
    return ask(place, raid0_node(operations_[place].job->block_id, nodes_.size()));
  }
  if (raid_ == Raid::raid1) enough = 1;
  bool suspicious = false;
  for (std::size_t node = 0; node < enough; ++node) {
    suspicious |= suspect_[node];
    ask(place, node);
  }
  if (suspicious) ask_rest(place);
}

void RaidBlockStore::ask(std::size_t place, std::size_t node, std::vector<std::byte> data) {
  auto& operation = operations_[place];
  operation.parts[node].state = State::asked;
  ++operation.asked;
  auto* part = nodes_[node]->acquire();
  part->kind = operation.kind;
  part->tag = place * nodes_.size() + node;
  part->flow = operation.job->flow;
  part->since = operation.job->since;
  part->organization_id = operation.job->organization_id;
  part->block_id = operation.job->block_id;
  part->data = std::move(data);
  if (!nodes_[node]->submit(part)) refused_.push_back({node, part});
}

void RaidBlockStore::ask_rest(std::size_t place) {
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    if (operations_[place].parts[node].state == State::not_asked) ask(place, node);
  }
}

void RaidBlockStore::retry_refused() {
  for (auto refused = std::exchange(refused_, {}); const auto& entry : refused) {
    if (!nodes_[entry.node]->submit(entry.job)) refused_.push_back(entry);
  }
}

// --- Answers

void RaidBlockStore::collect() {
  retry_refused();
  for (bool more = true; more;) {
    more = false;
    for (auto* store : stores_) {
      while (auto* part = store->next_completion()) {
        on_part(part->tag % nodes_.size(), part);
        more = true;
      }
    }
  }
}

void RaidBlockStore::on_part(std::size_t node, BlockJob* job) {
  const auto place = job->tag / nodes_.size();
  auto& operation = operations_[place];
  auto& part = operation.parts[node];
  assert(part.state == State::asked);
  suspect_[node] = job->outcome == BlockOutcome::timeout;
  switch (job->outcome) {
    case BlockOutcome::ok:
      part.state = State::ok;
      if (operation.job != nullptr && operation.kind == BlockJob::Kind::read) {
        const bool owned = job->found.data() == job->data.data();
        part.bytes = owned ? std::move(job->data)
                           : std::vector<std::byte>{job->found.begin(), job->found.end()};
      }
      break;
    case BlockOutcome::not_found:
      part.state = State::not_found;
      break;
    case BlockOutcome::timeout:
      part.state = State::timeout;
      break;
  }
  nodes_[node]->release(job);
  --operation.asked;
  decide(place);
}

void RaidBlockStore::decide(std::size_t place) {
  if (auto& operation = operations_[place]; operation.job != nullptr) {
    const auto outcome = operation.kind == BlockJob::Kind::create ? outcome_of_create(operation)
                                                                  : outcome_of_read(operation);
    if (outcome) {
      complete(operation, *outcome);
    } else if (operation.kind == BlockJob::Kind::read) {
      const bool failed = std::ranges::any_of(operation.parts, [](const Part& part) {
        return part.state == State::not_found || part.state == State::timeout;
      });
      if (failed) ask_rest(place);
    }
  }
  auto& operation = operations_[place];
  if (operation.job == nullptr && operation.asked == 0) {
    operation.parts.clear();
    free_places_.push_back(place);
  }
}

std::optional<BlockOutcome> RaidBlockStore::outcome_of_create(const Operation& operation) const {
  // How many nodes a write may do without.
  const std::size_t spare = raid_ == Raid::raid5 ? 1 : 0;
  std::size_t failed = 0;
  std::size_t doubtful = 0;  // asked, and not to be waited for
  std::size_t awaited = 0;
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    const auto state = operation.parts[node].state;
    if (state == State::timeout || state == State::not_found) ++failed;
    if (state == State::asked) ++(spare > 0 && suspect_[node] ? doubtful : awaited);
  }
  if (failed > spare) return BlockOutcome::timeout;
  if (awaited == 0 && failed + doubtful <= spare) return BlockOutcome::ok;
  return std::nullopt;
}

std::optional<BlockOutcome> RaidBlockStore::outcome_of_read(Operation& operation) const {
  const auto count = [&](State state) {
    return static_cast<std::size_t>(std::ranges::count(operation.parts, state, &Part::state));
  };
  const auto ok = count(State::ok);
  const auto unanswered = operation.asked + (raid_ == Raid::raid0 ? 0 : count(State::not_asked));
  if (raid_ == Raid::raid5) {
    if (ok + 1 >= nodes_.size()) {
      std::vector<std::optional<std::vector<std::byte>>> chunks;
      for (auto& part : operation.parts) chunks.push_back(std::move(part.bytes));
      auto block = raid5_block(chunks);
      if (!block) {
        log::error("Chunks of a block do not fit together",
                   "block store RAID5: the chunks of block {} do not fit together",
                   log::field("block_id", operation.job->block_id.text()));
        return BlockOutcome::timeout;
      }
      operation.job->data = std::move(*block);
      return BlockOutcome::ok;
    }
    const auto timeouts = count(State::timeout);
    const auto failed = timeouts + count(State::not_found);
    if (failed > 1 && (timeouts > 0 || ok > 0)) return BlockOutcome::timeout;
  } else if (ok > 0) {
    for (auto& part : operation.parts) {
      if (part.bytes) operation.job->data = std::move(*part.bytes);
    }
    return BlockOutcome::ok;
  }
  if (unanswered > 0) return std::nullopt;
  return count(State::timeout) > 0 ? BlockOutcome::timeout : BlockOutcome::not_found;
}

void RaidBlockStore::complete(Operation& operation, BlockOutcome outcome) {
  auto* job = std::exchange(operation.job, nullptr);
  job->outcome = outcome;
  if (outcome == BlockOutcome::ok) job->found = job->data;
  for (auto& part : operation.parts) part.bytes.reset();
  completed_.push_back(job);
}

BlockJob* RaidBlockStore::next_completion() {
  collect();
  if (completed_.empty()) return nullptr;
  auto* job = completed_.front();
  completed_.pop_front();
  return job;
}

bool RaidBlockStore::has_completions() const {
  return !completed_.empty() ||
         std::ranges::any_of(stores_, [](auto* store) { return store->has_completions(); });
}

void RaidBlockStore::flush() {
  for (auto* store : stores_) store->flush();
}

bool RaidBlockStore::take_reply(Request* request) {
  return std::ranges::any_of(stores_, [&](auto* store) { return store->take_reply(request); });
}

}  // namespace parsec::db
