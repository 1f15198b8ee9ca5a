// db/blocks/block_store_memory.h, db/blocks/block_store_postgresql.h: the same jobs on every store.
#include "db/blocks/block_store.h"

#include <gtest/gtest.h>

#include "db/blocks/block_store_memory.h"
#include "db/blocks/block_store_postgresql.h"
#include "db/blocks/block_stores.h"
#include "db/functions/block.h"
#include "tests/db/function_world.h"
#include "tests/support/scripted_database.h"

namespace parsec::db {
namespace {

using testing::random_uuid;

std::vector<std::byte> octets(std::string_view text) {
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

BlockJob* job(BlockStore& store, BlockJob::Kind kind, const Uuid& block_id,
              std::string_view data = {}, std::string_view organization_id = "Org") {
  auto* job = store.acquire();
  job->kind = kind;
  job->tag = 7;
  job->organization_id = organization_id;
  job->block_id = block_id;
  job->data = octets(data);
  return job;
}

constexpr auto create = BlockJob::Kind::create;
constexpr auto read = BlockJob::Kind::read;

/// Submits and completes a job that is executed at once: what was found, or its outcome.
std::string run(BlockStore& store, BlockJob* job) {
  EXPECT_TRUE(store.submit(job));
  EXPECT_TRUE(store.has_completions());
  auto* done = store.next_completion();
  EXPECT_EQ(job, done);
  EXPECT_EQ(7U, done->tag);
  EXPECT_FALSE(store.has_completions());
  std::string text;
  switch (done->outcome) {
    case BlockOutcome::ok:
      text = done->kind == read ? as_text(done->found) : "ok";
      break;
    case BlockOutcome::not_found:
      text = "not found";
      break;
    case BlockOutcome::timeout:
      text = "timeout";
      break;
  }
  store.release(done);
  return text;
}

TEST(MemoryBlockStore, IsIdempotentAndSharedByShards) {
  const auto memory = std::make_shared<BlockMemory>(1000);
  MemoryBlockStore first{memory};
  MemoryBlockStore second{memory};
  const auto id = random_uuid();
  EXPECT_EQ(nullptr, first.next_completion());
  EXPECT_EQ("not found", run(first, job(first, read, id)));
  EXPECT_EQ("ok", run(first, job(first, create, id, "block")));
  EXPECT_EQ("ok", run(second, job(second, create, id, "another")));
  EXPECT_EQ("block", run(second, job(second, read, id)));
  EXPECT_EQ("not found", run(second, job(second, read, id, {}, "Other")));
  EXPECT_EQ("ok", run(second, job(second, create, id, "", "Other")));
  EXPECT_EQ("", run(second, job(second, read, id, {}, "Other")));
}

TEST(MemoryBlockStore, IsBounded) {
  MemoryBlockStore store{std::make_shared<BlockMemory>(10)};
  const auto id = random_uuid();
  EXPECT_EQ("timeout", run(store, job(store, create, id, "12345678901")));
  EXPECT_EQ("not found", run(store, job(store, read, id)));
  EXPECT_EQ("ok", run(store, job(store, create, id, "1234567890")));
  EXPECT_EQ("timeout", run(store, job(store, create, random_uuid(), "1")));
  EXPECT_EQ("ok", run(store, job(store, create, id, "1234567890")));
}

class PostgresqlBlockStoreTest : public ::testing::Test {
 protected:
  /// What the service does with replies of the gateway.
  void drain() {
    while (auto* reply = gateway.next_reply()) EXPECT_TRUE(store.take_reply(reply));
  }

  testing::ScriptedDatabase gateway;
  PostgresqlBlockStore store{gateway};
  const Uuid id = random_uuid();
};

TEST_F(PostgresqlBlockStoreTest, AsksTheDatabaseInRequestsOfItsOwn) {
  auto* creation = job(store, create, id, "block");
  auto* reading = job(store, read, id);
  ASSERT_TRUE(store.submit(creation));
  ASSERT_TRUE(store.submit(reading));
  ASSERT_EQ(2U, gateway.submitted.size());
  EXPECT_EQ(&functions::block_data_create_function, gateway.submitted[0]->function);
  EXPECT_EQ(&functions::block_data_read_function, gateway.submitted[1]->function);
  EXPECT_FALSE(store.has_completions());

  gateway.answer({{testing::text_cell("ok")}});
  gateway.answer({{testing::text_cell("ok"), testing::text_cell("block")}});
  drain();
  EXPECT_EQ(creation, store.next_completion());
  EXPECT_EQ(BlockOutcome::ok, creation->outcome);
  EXPECT_EQ(reading, store.next_completion());
  EXPECT_EQ(BlockOutcome::ok, reading->outcome);
  EXPECT_EQ("block", as_text(reading->found));
  EXPECT_EQ(2, gateway.acquired);  // until the jobs are released
  store.release(creation);
  store.release(reading);
  EXPECT_EQ(0, gateway.acquired);
}

TEST_F(PostgresqlBlockStoreTest, WhatIsNotThereIsNotFoundAndAFailureIsATimeout) {
  const auto complete = [&](auto&& answer) {
    EXPECT_TRUE(store.submit(job(store, read, id)));
    answer();
    drain();
    auto* done = store.next_completion();
    const auto outcome = done->outcome;
    store.release(done);
    return outcome;
  };
  EXPECT_EQ(BlockOutcome::not_found,
            complete([&] { gateway.answer({{testing::text_cell("not_found")}}); }));
  for (const auto outcome : {Outcome::unavailable, Outcome::unknown, Outcome::failed}) {
    EXPECT_EQ(BlockOutcome::timeout, complete([&] { gateway.fail(outcome); }));
  }
  EXPECT_EQ(0, gateway.acquired);
}

TEST_F(PostgresqlBlockStoreTest, AFullRingKeepsTheJobWithItsCaller) {
  auto* creation = job(store, create, id, "block");
  gateway.full = true;
  EXPECT_FALSE(store.submit(creation));
  EXPECT_FALSE(store.submit(creation));
  EXPECT_EQ(1, gateway.acquired);  // filled once
  gateway.full = false;
  EXPECT_TRUE(store.submit(creation));
  EXPECT_EQ(creation, [&] {
    gateway.answer({{testing::text_cell("ok")}});
    drain();
    return store.next_completion();
  }());
  store.release(creation);

  auto* abandoned = job(store, create, id, "block");
  gateway.full = true;
  EXPECT_FALSE(store.submit(abandoned));
  store.release(abandoned);
  EXPECT_EQ(0, gateway.acquired);
}

TEST_F(PostgresqlBlockStoreTest, LeavesRepliesOfOthersAlone) {
  Request other;
  functions::block_read(other, {"Org", "alice@dev"}, id);
  EXPECT_FALSE(store.take_reply(&other));
}

TEST(BlockStores, OpensWhatNeedsNoOtherService) {
  testing::ScriptedDatabase gateway;
  for (const auto* value : {"MOCKED", "POSTGRESQL", "raid1:0:MOCKED"}) {
    const std::string_view values[] = {value};
    const auto stores = BlockStores::open(*parse_block_store(values));
    ASSERT_TRUE(stores) << stores.error();
    EXPECT_NE(nullptr, (*stores)->for_shard(0, gateway));
  }
}

TEST(BlockStores, NodesInMemoryShareItsBound) {
  testing::ScriptedDatabase gateway;
  const std::string_view values[] = {"raid0:0:MOCKED", "raid0:1:MOCKED"};
  const auto stores = BlockStores::open(*parse_block_store(values), {.memory_bytes = 10});
  ASSERT_TRUE(stores) << stores.error();
  const auto store = (*stores)->for_shard(0, gateway);
  EXPECT_EQ("timeout", run(*store, job(*store, create, random_uuid(), "123456")));
  EXPECT_EQ("ok", run(*store, job(*store, create, random_uuid(), "12345")));
}

}  // namespace
}  // namespace parsec::db
