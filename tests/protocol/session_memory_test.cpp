// What connections hold, how long a begun message may take, and replies in slices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/service_fixture.h"

namespace parsec::protocol {
namespace {

using namespace std::chrono_literals;
using engine::MemoryBudget;
using websocket::Opcode;

constexpr std::size_t mebibyte = 1 << 20;

class SessionMemory : public ::testing::Test, protected testing::ServiceFixture {
 protected:
  /// The beginning of a binary message of 10 MiB: so many of its bytes.
  void begin_message(engine::ConnectionId id, std::size_t bytes) {
    std::string head{"\x82\xff", 2};
    head += std::string{"\0\0\0\0\0\xa0\0\0", 8} + std::string(4, '\0');
    raw(id, head + std::string(bytes, 'm'));
  }
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

// --- Messages that were begun

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
