#include "db/blocks/block_store_counts.h"

namespace parsec::db {

std::string_view name(BlockJob::Kind kind) {
  return kind == BlockJob::Kind::create ? "create" : "read";
}

std::string_view name(BlockOutcome outcome) {
  constexpr std::array<std::string_view, block_outcomes> names{"ok", "not_found", "timeout"};
  return names[static_cast<std::size_t>(outcome)];
}

bool CountingBlockStore::submit(BlockJob* job) {
  if (job->since == BlockStoreCounts::TimePoint{}) job->since = std::chrono::steady_clock::now();
  const auto kind = static_cast<std::size_t>(job->kind);
  const std::size_t bytes = job->kind == BlockJob::Kind::create ? job->data.size() : 0;
  if (!store_->submit(job)) return false;
  counts_.operations[kind].bytes.add(bytes);
  return true;
}

BlockJob* CountingBlockStore::next_completion() {
  BlockJob* job = store_->next_completion();
  if (job == nullptr) return nullptr;
  const auto now = std::chrono::steady_clock::now();
  auto& operation = counts_.operations[static_cast<std::size_t>(job->kind)];
  operation.outcomes[static_cast<std::size_t>(job->outcome)].add();
  operation.duration.record(now - job->since);
  if (job->kind == BlockJob::Kind::read) operation.bytes.add(job->found.size());
  auto& last = job->outcome == BlockOutcome::timeout ? counts_.failed : counts_.answered;
  last.store(now, std::memory_order_relaxed);
  return job;
}

}  // namespace parsec::db
