// What is asked of a block store, counted: outcomes, bytes, when it answered last.
#include "db/blocks/block_store_counts.h"

#include <gtest/gtest.h>

#include <deque>

namespace parsec::db {
namespace {

/// Answers at once, as it is told to.
class ScriptedStore final : public BlockStore {
 public:
  ~ScriptedStore() override {
    for (BlockJob* job : done_) delete job;
  }
  bool submit(BlockJob* job) override {
    if (is_full) return false;
    job->outcome = outcome;
    job->found = job->data;
    done_.push_back(job);
    return true;
  }
  BlockJob* next_completion() override {
    if (done_.empty()) return nullptr;
    BlockJob* job = done_.front();
    done_.pop_front();
    return job;
  }
  bool has_completions() const override { return !done_.empty(); }

  BlockOutcome outcome = BlockOutcome::ok;
  bool is_full = false;

 private:
  std::deque<BlockJob*> done_;
};

class BlockStoreCountsTest : public ::testing::Test {
 protected:
  void run(BlockJob::Kind kind, std::size_t bytes, BlockOutcome outcome) {
    scripted->outcome = outcome;
    BlockJob* job = store.acquire();
    job->kind = kind;
    job->data.resize(bytes);
    ASSERT_TRUE(store.submit(job));
    ASSERT_EQ(store.next_completion(), job);
    store.release(job);
  }
  std::uint64_t count(BlockJob::Kind kind, BlockOutcome outcome) const {
    return of(kind).outcomes[static_cast<std::size_t>(outcome)].get();
  }
  const BlockStoreCounts::OfOperation& of(BlockJob::Kind kind) const {
    return counts.operations[static_cast<std::size_t>(kind)];
  }

  BlockStoreCounts counts;
  std::shared_ptr<ScriptedStore> scripted = std::make_shared<ScriptedStore>();
  CountingBlockStore store{scripted, counts};
};

using Kind = BlockJob::Kind;

TEST_F(BlockStoreCountsTest, CountsWhatBecameOfBlocks) {
  run(Kind::create, 100, BlockOutcome::ok);
  run(Kind::read, 30, BlockOutcome::ok);
  run(Kind::read, 0, BlockOutcome::not_found);
  run(Kind::read, 0, BlockOutcome::timeout);
  EXPECT_EQ(count(Kind::create, BlockOutcome::ok), 1u);
  EXPECT_EQ(count(Kind::read, BlockOutcome::ok), 1u);
  EXPECT_EQ(count(Kind::read, BlockOutcome::not_found), 1u);
  EXPECT_EQ(count(Kind::read, BlockOutcome::timeout), 1u);
  EXPECT_EQ(of(Kind::create).bytes.get(), 100u);
  EXPECT_EQ(of(Kind::read).bytes.get(), 30u);
  EXPECT_EQ(of(Kind::read).duration.sums().count(), 3u);
}

TEST_F(BlockStoreCountsTest, NotesWhenItAnsweredAndWhenItFailed) {
  using TimePoint = BlockStoreCounts::TimePoint;
  EXPECT_EQ(counts.answered.load(), TimePoint{});
  run(Kind::read, 0, BlockOutcome::not_found);
  EXPECT_NE(counts.answered.load(), TimePoint{}) << "no such block is an answer";
  EXPECT_EQ(counts.failed.load(), TimePoint{});
  run(Kind::create, 1, BlockOutcome::timeout);
  EXPECT_GE(counts.failed.load(), counts.answered.load());
}

TEST_F(BlockStoreCountsTest, WhatFindsNoRoomIsCountedWhenItDoes) {
  scripted->is_full = true;
  BlockJob* job = store.acquire();
  job->kind = Kind::create;
  job->data.resize(7);
  EXPECT_FALSE(store.submit(job));
  EXPECT_EQ(of(Kind::create).bytes.get(), 0u);
  EXPECT_NE(job->since, BlockStoreCounts::TimePoint{}) << "its time runs";
  store.release(job);
}

}  // namespace
}  // namespace parsec::db
