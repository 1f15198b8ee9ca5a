// What is done when memory is short, and how long a begun message may take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/queues/waker.h"
#include "tests/protocol/session/session_memory.h"
#include "tests/support/log_capture.h"

namespace parsec::protocol {
namespace {

using namespace std::chrono_literals;
using engine::MemoryBudget;

TEST_F(SessionMemory, WhenItIsShortLargeMessagesAreReadNoFurther) {
  const auto id = open_device("Org", "alice@dev1");
  const auto begun = open_device("Org", "bob@dev1");
  const auto small = open_administration();
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 10 * 9));
  begin_message(id, mebibyte);
  EXPECT_TRUE(transport[id].reading_paused);
  begin_message(begun, 1000);
  EXPECT_FALSE(transport[begun].reading_paused);
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
  EXPECT_LT(memory.used(), static_cast<std::int64_t>(memory.limit()));  // its message is gone
}

TEST_F(SessionMemory, WhenItIsShortLittleIsToldToo) {
  const auto id = open_device("Org", "alice@dev1");
  transport[id].sent = mebibyte / 8;
  touch(id);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 10 * 9));
  pass(settings.memory_check_interval);
  EXPECT_GE(memory.used() - other.share.held(), std::int64_t{mebibyte} / 8);
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
    ASSERT_LT(ids.size(), memory.limit() / mebibyte);
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
  EXPECT_EQ(log.count("ended: of all"), 1U);
}

TEST_F(SessionMemory, WhoLeavesIsEndedOnceThoughThatIsNotEnough) {
  const auto id = open_device("Org", "alice@dev1");
  transport[id].sent = 9 * mebibyte;
  touch(id);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit()));
  const testing::LogCapture log;
  for (int i = 0; i < 5; ++i) pass(1s);  // the kernel has not let go of it yet
  EXPECT_TRUE(is_closed(id));
  EXPECT_EQ(log.count("ended: of all"), 1U);
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
  /// The beginning of a message as long as a stranger's may be, not quite.
  void begin_strange_message(engine::ConnectionId id, std::size_t bytes) {
    std::string head{"\x82\xff", 2};
    head += std::string{"\0\0\0\0\0\1\xf0\0", 8} + std::string(4, '\0');
    raw(id, head + std::string(bytes, 'm'));
  }
  engine::ConnectionId open_deaf(std::size_t bytes) {
    const auto id = open_websocket();
    transport[id].sent = bytes;
    touch(id);
    return id;
  }
  /// All hold what they may together; one leaves, whose connection is not gone yet, and another
  /// gets its place.
  void expect_room_after(const std::function<void(engine::ConnectionId)>& leave) {
    const auto leaver = open_websocket();
    begin_strange_message(leaver, 50'000);
    std::vector<engine::ConnectionId> others;
    for (std::size_t held = 110'000; held <= memory.limit() / settings.strangers_part_of_memory;
         held += 60'000) {
      others.push_back(open_deaf(60'000));
    }
    leave(leaver);
    EXPECT_TRUE(is_closed(leaver));
    others.push_back(open_deaf(50'000));
    pass(settings.memory_check_interval);
    for (const auto id : others) EXPECT_FALSE(is_closed(id));
  }
};

TEST_F(StrangersMemory, HoldsAPartOfAllOnly) {
  const auto member = open_device("Org", "alice@dev1");
  begin_message(member, mebibyte);
  std::vector<engine::ConnectionId> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.push_back(open_websocket());
    begin_strange_message(strangers.back(), 60'000);
    pass(settings.memory_check_interval);
  }
  EXPECT_FALSE(is_closed(member));
  const auto ended = std::ranges::count_if(strangers, [&](auto id) { return is_closed(id); });
  EXPECT_GE(ended, 60);
  EXPECT_LT(memory.used(), std::int64_t{5 * mebibyte});
  EXPECT_EQ(memory.pressure(), MemoryBudget::Pressure::none);
}

TEST_F(StrangersMemory, WhoMakesRoomCountsAmongThemNoMore) {
  expect_room_after([&](engine::ConnectionId) {
    settings.max_strangers = 1;
    open_websocket();
    settings.max_strangers = SIZE_MAX;
  });
}

TEST_F(StrangersMemory, WhoseTimeIsOverCountsAmongThemNoMore) {
  expect_room_after([&](engine::ConnectionId leaver) { service.on_deadline(leaver); });
}

TEST_F(StrangersMemory, WhoseMessageIsTooSlowCountsAmongThemNoMore) {
  expect_room_after([&](engine::ConnectionId) {
    pass(settings.message_progress_time);
    pass(settings.message_progress_time);
  });
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
    ask_for_messages(behind);
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

TEST_F(SessionMemory, WhomWeReadAgainHasItsWholeTime) {
  settings.memory_patience = 1h;
  const auto id = open_device("Org", "alice@dev1");
  begin_message(id, 60'000);
  pass(settings.message_progress_time);
  Other other{memory};
  other.share.add(static_cast<std::int64_t>(memory.limit() / 20 * 17));
  raw(id, std::string(10'000, 'm'));
  EXPECT_TRUE(transport[id].reading_paused);
  pass(settings.message_progress_time);
  other.share.add(-other.share.held());
  pass(1s);
  EXPECT_FALSE(transport[id].reading_paused);
  pass(settings.message_progress_time);
  EXPECT_FALSE(is_closed(id));
  pass(settings.message_progress_time);
  EXPECT_TRUE(is_closed(id));
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

}  // namespace
}  // namespace parsec::protocol
