// What a session holds is counted wherever it changes.
#include "tests/protocol/session/session_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

class SessionMemoryCounts : public SessionMemory {};

TEST_F(SessionMemoryCounts, MessagesResultsAndOutput) {
  const auto id = open_device("Org", "alice@dev1");
  begin_message(id, 3 * mebibyte);
  EXPECT_GE(memory.used(), std::int64_t{3 * mebibyte});
  close(id);
  const auto deaf = open_device("Org", "alice@dev1");
  ask_for_messages(deaf);
  answer_messages(1, std::string(2 * mebibyte, 'b'));
  turn();
  EXPECT_GE(memory.used(), std::int64_t{2 * mebibyte});
  close(deaf);
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

TEST_F(SessionMemoryCounts, UnreadOutputUntilItIsGone) {
  settings.output_high_water = 4 * mebibyte;  // nothing else waits for it
  const auto deaf = open_device("Org", "alice@dev1");
  ask_for_messages(deaf);
  answer_messages(1, std::string(2 * mebibyte, 'b'));
  turn();
  EXPECT_GE(memory.used(), std::int64_t{2 * mebibyte});
  EXPECT_TRUE(transport[deaf].wants_drained);
  transport[deaf].output.clear();
  service.on_drained(deaf);
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

TEST_F(SessionMemoryCounts, WhatWasSentOfAReplyUntilAllOfItIs) {
  const auto id = open_device("Org", "alice@dev1");
  const auto before = memory.used();
  transport[id].sent = 3 * mebibyte;
  touch(id);
  EXPECT_GE(memory.used() - before, std::int64_t{3 * mebibyte});
  transport[id].sent = 0;
  touch(id);
  EXPECT_LT(memory.used() - before, std::int64_t{mebibyte});
}

TEST_F(SessionMemoryCounts, RequestsThatTheFullRingTookLaterAreTheDatabases) {
  const auto id = open_device("Org", "alice@dev1");
  database.full = true;
  const std::string blob(mebibyte, 'b');
  send_command(id, "vlob_maintenance_save_reencryption_batch", 3, [&](msgpack::Writer& writer) {
    writer.str("realm_id"), writer.uuid(Uuid{}), writer.str("encryption_revision");
    writer.integer(2), writer.str("batch"), writer.array(1), writer.map(3), writer.str("vlob_id");
    writer.uuid(Uuid{}), writer.str("version"), writer.integer(1), writer.str("blob");
    writer.bin(as_bytes(blob));
  });
  const auto held = memory.used();
  EXPECT_GE(held, std::int64_t{mebibyte} / 2);
  database.full = false;
  turn();
  EXPECT_LT(memory.used(), held - std::int64_t{mebibyte} / 4);
  close(id);
}

TEST_F(SessionMemoryCounts, BlocksThatTheFullRingTookLaterAreTheStores) {
  const auto id = open_device("Org", "alice@dev1");
  blocks.full = true;
  const std::string block(mebibyte, 'b');
  send_command(id, "block_create", 3, [&](msgpack::Writer& writer) {
    writer.str("block_id"), writer.uuid(Uuid{}), writer.str("realm_id"), writer.uuid(Uuid{});
    writer.str("block"), writer.bin(as_bytes(block));
  });
  answer({{testing::text_cell("ok")}});
  EXPECT_GE(memory.used(), std::int64_t{mebibyte});
  blocks.full = false;
  turn();
  EXPECT_LT(memory.used(), std::int64_t{mebibyte} / 2);
}

TEST_F(SessionMemoryCounts, BlocksThatWereRead) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "block_read", 1,
               [](msgpack::Writer& writer) { writer.str("block_id"), writer.uuid(Uuid{}); });
  answer({{testing::text_cell("ok")}});
  const std::string block(2 * mebibyte, 'b');
  blocks.submitted.front()->found = as_bytes(block);
  blocks.complete(db::BlockOutcome::ok);
  turn();
  EXPECT_GE(memory.used(), std::int64_t{2 * mebibyte});  // unread yet
}

TEST_F(SessionMemoryCounts, WhatWaitsForAFenceUntilThatPasses) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "events_subscribe");
  const std::string role(2 * mebibyte, 'r');
  answer({{testing::text_cell("ok"), testing::null_cell(), testing::null_cell()},
          {testing::null_cell(), testing::uuid_cell(Uuid{}), testing::text_cell(role)}});
  EXPECT_GE(memory.used(), std::int64_t{2 * mebibyte});
  pass_fence();
  EXPECT_EQ(take_reply(id), R"({status="ok"})");
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

/// Each slice.
TEST_F(SessionMemoryCounts, RepliesInTheMaking) {
  settings.rows_of_a_slice = 10;
  settings.bytes_of_a_slice = SIZE_MAX;
  const auto id = open_device("Org", "alice@dev1");
  ask_for_messages(id);
  answer_messages(35, std::string(mebibyte, 'b'));
  service.on_turn();
  EXPECT_GE(memory.used(), std::int64_t{45 * mebibyte});  // 35 of the result, 10 of the reply
  service.on_turn();
  EXPECT_GE(memory.used(), std::int64_t{55 * mebibyte});
  close(id);
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

TEST_F(SessionMemoryCounts, RepliesInTheMakingAreGoneWithTheirCommand) {
  const auto id = open_device("Org", "alice@dev1");
  ask_for_messages(id);
  answer_messages(35, std::string(mebibyte, 'b'));
  service.on_turn();
  EXPECT_GE(memory.used(), std::int64_t{36 * mebibyte});
  raw(id, "\xff\xff");  // no frame: the session ends, and its connection not yet
  EXPECT_TRUE(is_closed(id));
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

}  // namespace
}  // namespace parsec::protocol
