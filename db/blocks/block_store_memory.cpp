// See block_store_memory.h.
#include "db/blocks/block_store_memory.h"

#include <utility>

namespace parsec::db {

BlockOutcome BlockMemory::create(const std::string& organization_id, const Uuid& block_id,
                                 std::vector<std::byte> data) {
  const auto size = data.size();
  auto block = std::make_shared<const std::vector<std::byte>>(std::move(data));
  const std::lock_guard lock(mutex_);
  auto& blocks = organizations_[organization_id];
  if (blocks.contains(block_id)) return BlockOutcome::ok;
  if (size > max_bytes_ - bytes_) return BlockOutcome::timeout;
  blocks.emplace(block_id, std::move(block));
  bytes_ += size;
  return BlockOutcome::ok;
}

std::shared_ptr<const std::vector<std::byte>> BlockMemory::read(const std::string& organization_id,
                                                                const Uuid& block_id) const {
  const std::lock_guard lock(mutex_);
  const auto blocks = organizations_.find(organization_id);
  if (blocks == organizations_.end()) return nullptr;
  const auto block = blocks->second.find(block_id);
  return block == blocks->second.end() ? nullptr : block->second;
}

MemoryBlockStore::~MemoryBlockStore() {
  for (auto* job : completed_) release(job);
}

bool MemoryBlockStore::submit(BlockJob* job) {
  if (job->kind == BlockJob::Kind::create) {
    job->outcome = memory_->create(job->organization_id, job->block_id, std::move(job->data));
  } else if (const auto block = memory_->read(job->organization_id, job->block_id)) {
    job->data = *block;
    job->found = job->data;
    job->outcome = BlockOutcome::ok;
  } else {
    job->outcome = BlockOutcome::not_found;
  }
  completed_.push_back(job);
  return true;
}

BlockJob* MemoryBlockStore::next_completion() {
  if (completed_.empty()) return nullptr;
  auto* job = completed_.front();
  completed_.pop_front();
  return job;
}

}  // namespace parsec::db
