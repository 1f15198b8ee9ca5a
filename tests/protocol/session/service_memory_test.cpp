// What connections hold, how long a begun message may take, and replies in slices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/queues/waker.h"
#include "tests/support/log_capture.h"
#include "tests/support/service_fixture.h"

namespace parsec::protocol {
namespace {

using namespace std::chrono_literals;
using engine::MemoryBudget;
using websocket::Opcode;

constexpr std::size_t mebibyte = 1 << 20;

class SessionMemory : public ::testing::Test, protected testing::ServiceFixture {
 protected:
  using ServiceFixture::ServiceFixture;
  /// The beginning of a binary message of 10 MiB: so many of its bytes.
  void begin_message(engine::ConnectionId id, std::size_t bytes) {
    std::string head{"\x82\xff", 2};
    head += std::string{"\0\0\0\0\0\xa0\0\0", 8} + std::string(4, '\0');
    raw(id, head + std::string(bytes, 'm'));
  }
  /// It does something of no consequence, so that what it holds is counted.
  void touch(engine::ConnectionId id) { frame(id, Opcode::pong, {}); }
  /// Fills the budget from somewhere else.
  struct Other {
    explicit Other(MemoryBudget& budget) : share(budget) {}
    MemoryBudget::Share share;
  };
  void pass(std::chrono::milliseconds time) {
    transport.time += time;
    turn();
  }
};

TEST_F(SessionMemory, MessagesResultsAndOutputCount) {
  const auto id = open_device("Org", "alice@dev1");
  begin_message(id, 3 * mebibyte);
  EXPECT_GE(memory.used(), std::int64_t{3 * mebibyte});
  close(id);
  const auto deaf = open_device("Org", "alice@dev1");
  send_command(deaf, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  const std::string body(2 * mebibyte, 'b');
  answer({{testing::text_cell("ok"), testing::null_cell(), testing::null_cell(),
           testing::null_cell(), testing::null_cell()},
          {testing::null_cell(), testing::int_cell(1), testing::text_cell("bob@dev1"),
           testing::int_cell(1), testing::text_cell(body)}});
  EXPECT_GE(memory.used(), std::int64_t{2 * mebibyte});
  close(deaf);
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

TEST_F(SessionMemory, WhenItIsShortLargeMessagesAreReadNoFurther) {
  const auto id = open_device("Org", "alice@dev1");
  const auto small = open_administration();
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 10 * 9));
  begin_message(id, mebibyte);
  EXPECT_TRUE(transport[id].reading_paused);
  send_ping(small, "x");
  EXPECT_EQ(take_reply(small), R"({status="ok" pong="x"})");
  EXPECT_FALSE(transport[small].reading_paused);
  pass(1s);
  EXPECT_TRUE(transport[id].reading_paused);
  other.share.add(-other.share.held());
  pass(1s);
  EXPECT_FALSE(transport[id].reading_paused);
}

TEST_F(SessionMemory, WhenThereIsTooLittleTheLargestHolderGoes) {
  const auto largest = open_device("Org", "alice@dev1");
  const auto smaller = open_device("Org", "bob@dev1");
  begin_message(largest, 3 * mebibyte);
  begin_message(smaller, mebibyte);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() - 3 * mebibyte));
  pass(1s);
  EXPECT_EQ(transport[largest].closed, engine::CloseMode::abort);
  EXPECT_FALSE(is_closed(smaller));
}

TEST_F(SessionMemory, WhoHoldsLittleIsNeverEndedForIt) {
  const auto id = open_device("Org", "alice@dev1");
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit()));
  for (int i = 0; i < 5; ++i) pass(1s);
  EXPECT_FALSE(is_closed(id));
}

TEST_F(SessionMemory, ManyThatHoldLittleEachHoldMuch) {
  // The same with 1 MiB for what is little, to need fewer of them.
  settings.least_held_bytes = 3 * mebibyte;
  settings.least_held_bytes_of_many = mebibyte;
  std::vector<engine::ConnectionId> ids;
  while (memory.pressure() != MemoryBudget::Pressure::too_high) {
    ids.push_back(open_device("Org", "alice@dev1"));
    transport[ids.back()].sent = 2 * mebibyte;  // of a reply whose rest it does not read
    touch(ids.back());
  }
  pass(settings.memory_check_interval);
  const auto ended = [&] {
    return std::ranges::count_if(ids, [&](auto id) { return is_closed(id); });
  };
  EXPECT_EQ(ended(), 0);
  pass(settings.memory_patience);
  EXPECT_GT(ended(), 0);
  EXPECT_LT(ended(), 10);
}

TEST_F(SessionMemory, WhoeverDoesNotMoveKeepsNobodyWaitingForEver) {
  const auto deaf = open_device("Org", "alice@dev1");
  const auto waiting = open_device("Org", "bob@dev1");
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 20 * 17));
  transport[deaf].sent = 4 * mebibyte;
  touch(deaf);
  begin_message(waiting, mebibyte);
  EXPECT_TRUE(transport[waiting].reading_paused);
  pass(settings.memory_check_interval);
  pass(settings.memory_patience - 1ms);
  EXPECT_FALSE(is_closed(deaf));
  pass(settings.memory_check_interval);
  EXPECT_EQ(transport[deaf].closed, engine::CloseMode::abort);
  EXPECT_FALSE(is_closed(waiting));
}

TEST_F(SessionMemory, WhatWasSentOfAReplyCountsUntilAllOfItIs) {
  const auto id = open_device("Org", "alice@dev1");
  const auto before = memory.used();
  transport[id].sent = 3 * mebibyte;
  touch(id);
  EXPECT_GE(memory.used() - before, std::int64_t{3 * mebibyte});
  transport[id].sent = 0;
  touch(id);
  EXPECT_LT(memory.used() - before, std::int64_t{mebibyte});
}

TEST_F(SessionMemory, WhoLeavesIsEndedOnceAndNobodyElseForIt) {
  const auto largest = open_device("Org", "alice@dev1");
  const auto other_one = open_device("Org", "bob@dev1");
  begin_message(other_one, 2 * mebibyte);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 20 * 19 - 5 * mebibyte));
  transport[largest].sent = 9 * mebibyte;
  touch(largest);
  const testing::LogCapture log;
  for (int i = 0; i < 5; ++i) pass(1s);  // the kernel has not let go of it yet
  EXPECT_TRUE(is_closed(largest));
  EXPECT_FALSE(is_closed(other_one));
  const std::string text = log.text();
  EXPECT_EQ(text.find("ended: of all"), text.rfind("ended: of all"));
}

TEST_F(SessionMemory, ManyEqualHoldersGoAtOnce) {
  std::vector<engine::ConnectionId> ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(open_device("Org", "alice@dev1"));
    transport[ids.back()].sent = 4 * mebibyte;
    touch(ids.back());
  }
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 20 * 19 - 40 * mebibyte));
  pass(settings.memory_check_interval);
  EXPECT_EQ(std::ranges::count_if(ids, [&](auto id) { return is_closed(id); }), 11);
}

TEST_F(SessionMemory, RequestsThatTheFullRingTookLaterAreTheDatabases) {
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

TEST_F(SessionMemory, RepliesInTheMakingCount) {
  settings.rows_of_a_slice = 10;
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  std::vector<testing::CellRow> rows{{testing::text_cell("ok"), testing::null_cell(),
                                      testing::null_cell(), testing::null_cell(),
                                      testing::null_cell()}};
  const std::string body(mebibyte, 'b');
  for (int i = 1; i <= 35; ++i) {
    rows.push_back({testing::null_cell(), testing::int_cell(i), testing::text_cell("bob@dev1"),
                    testing::int_cell(1), testing::text_cell(body)});
  }
  database.answer(rows);
  settings.bytes_of_a_slice = SIZE_MAX;
  service.on_turn();
  EXPECT_GE(memory.used(), std::int64_t{45 * mebibyte});  // 35 of the result, 10 of the reply
  close(id);
  EXPECT_LT(memory.used(), std::int64_t{mebibyte});
}

// --- Several shards

class SessionMemoryOfTwoShards : public SessionMemory {
 protected:
  SessionMemoryOfTwoShards() : SessionMemory(std::size_t{1} << 30, 2) {}
};

TEST_F(SessionMemoryOfTwoShards, OneThatSleepsIsWokenAndHeardBeforeAnybodyGoes) {
  engine::Waker sleeper;
  memory.set_waker(1, &sleeper);
  sleeper.park();
  const auto id = open_device("Org", "alice@dev1");
  transport[id].sent = 4 * mebibyte;
  touch(id);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit()));
  pass(settings.memory_check_interval);
  EXPECT_TRUE(sleeper.drain());
  EXPECT_FALSE(is_closed(id));
  EXPECT_TRUE(memory.is_largest(1, 8 * mebibyte));
  pass(settings.memory_check_interval);
  EXPECT_FALSE(is_closed(id)) << "the other shard holds more";
  EXPECT_FALSE(memory.is_largest(1, 0));
  pass(settings.memory_check_interval);
  EXPECT_TRUE(is_closed(id));
}

TEST_F(SessionMemoryOfTwoShards, WhatOneHeldWhenItWasShortIsForgottenAfterwards) {
  const auto id = open_device("Org", "alice@dev1");
  transport[id].sent = 4 * mebibyte;
  touch(id);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit()));
  pass(settings.memory_check_interval);
  EXPECT_FALSE(memory.is_largest(1, mebibyte));
  other.share.add(-other.share.held());
  EXPECT_LT(service.next_work(), engine::TimePoint::max());
  pass(settings.memory_check_interval);
  EXPECT_TRUE(memory.is_largest(1, mebibyte));
  EXPECT_EQ(service.next_work(), engine::TimePoint::max());
}

// --- Strangers

class StrangersMemory : public SessionMemory {
 protected:
  StrangersMemory() : SessionMemory(std::size_t{16} << 20, 1) {}
};

TEST_F(StrangersMemory, HoldsAPartOfAllOnly) {
  const auto member = open_device("Org", "alice@dev1");
  begin_message(member, mebibyte);
  std::vector<engine::ConnectionId> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.push_back(open_websocket());
    std::string head{"\x82\xff", 2};
    head += std::string{"\0\0\0\0\0\1\xf0\0", 8} + std::string(4, '\0');
    raw(strangers.back(), head + std::string(60'000, 'm'));
    pass(settings.memory_check_interval);
  }
  EXPECT_FALSE(is_closed(member));
  const auto ended = std::ranges::count_if(strangers, [&](auto id) { return is_closed(id); });
  EXPECT_GE(ended, 60);
  EXPECT_LT(memory.used(), std::int64_t{5 * mebibyte});
  EXPECT_EQ(memory.pressure(), MemoryBudget::Pressure::none);
}

TEST_F(StrangersMemory, RequestHeadsCount) {
  for (int i = 0; i < 100; ++i) {
    raw(open(), "GET / HTTP/1.1\r\nx: " + std::string(10'000, 'x'));
  }
  EXPECT_GE(memory.used(), 700'000);
}

// --- Messages that were begun

TEST_F(SessionMemory, WhomWeDoNotReadIsNotTooSlow) {
  settings.memory_patience = 1h;
  const auto without_memory = open_device("Org", "alice@dev1");
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 20 * 17));
  begin_message(without_memory, mebibyte);
  EXPECT_TRUE(transport[without_memory].reading_paused);
  // Another one's requests wait for a database that takes its time.
  settings.max_waiting_requests = 1;
  const auto behind = open_device("Org", "bob@dev1");
  for (int i = 0; i < 3; ++i) {
    send_command(behind, "message_get", 1,
                 [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  }
  begin_message(behind, 1000);
  EXPECT_TRUE(transport[behind].reading_paused);
  for (int i = 0; i < 4; ++i) pass(settings.message_progress_time);
  EXPECT_FALSE(is_closed(without_memory));
  EXPECT_FALSE(is_closed(behind));
  // From when they are read again, they have their time, and no more.
  other.share.add(-other.share.held());
  pass(1s);
  EXPECT_FALSE(transport[without_memory].reading_paused);
  pass(settings.message_progress_time);
  EXPECT_FALSE(is_closed(without_memory));
  pass(settings.message_progress_time);
  EXPECT_TRUE(is_closed(without_memory));
}

TEST_F(SessionMemory, ABegunMessageMustGoOn) {
  const auto id = open_device("Org", "alice@dev1");
  const auto honest = open_device("Org", "bob@dev1");
  begin_message(id, 1000);
  begin_message(honest, 1000);
  for (int i = 0; i < 5; ++i) {
    pass(settings.message_progress_time);
    raw(honest, std::string(settings.message_progress_bytes, 'm'));
  }
  EXPECT_TRUE(is_closed(id));
  EXPECT_FALSE(is_closed(honest));
}

TEST_F(SessionMemory, OneThatBeganAMomentAgoIsGivenTime) {
  const auto id = open_device("Org", "alice@dev1");
  begin_message(id, 1000);
  const auto late = open_device("Org", "bob@dev1");
  pass(settings.message_progress_time - 1ms);
  begin_message(late, 1000);
  pass(1ms);
  EXPECT_FALSE(is_closed(late));
  EXPECT_FALSE(is_closed(id));
  pass(settings.message_progress_time);
  EXPECT_TRUE(is_closed(late));
}

// --- Replies in slices

TEST_F(SessionMemory, ALongReplyLetsOthersHaveTheirTurn) {
  settings.rows_of_a_slice = 10;
  const auto id = open_device("Org", "alice@dev1");
  const auto other = open_administration();
  send_command(id, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  std::vector<testing::CellRow> rows{{testing::text_cell("ok"), testing::null_cell(),
                                      testing::null_cell(), testing::null_cell(),
                                      testing::null_cell()}};
  for (int i = 1; i <= 35; ++i) {
    rows.push_back({testing::null_cell(), testing::int_cell(i), testing::text_cell("bob@dev1"),
                    testing::int_cell(1), testing::text_cell("b")});
  }
  database.answer(rows);
  EXPECT_TRUE(service.on_turn());
  EXPECT_TRUE(take_sent(id).empty());
  send_ping(other, "meanwhile");
  EXPECT_EQ(take_reply(other), R"({status="ok" pong="meanwhile"})");
  frame(id, Opcode::ping, as_bytes("are you there"));
  const auto pong = take_sent(id);
  ASSERT_EQ(pong.size(), 1U);
  EXPECT_EQ(pong[0].opcode, Opcode::pong);
  turn();
  const auto sent = take_sent(id);
  ASSERT_EQ(sent.size(), 1U);
  const auto reply = msgpack::parse(sent[0].payload);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->find("messages")->count(), 35U);
}

}  // namespace
}  // namespace parsec::protocol
