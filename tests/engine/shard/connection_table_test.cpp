#include "engine/shard/connection_table.h"

#include <gtest/gtest.h>

#include <set>

namespace parsec::engine {
namespace {

void end_and_release(ConnectionTable& table, std::uint32_t slot) {
  table.at(slot).state = ConnectionState::ending;
  table.release(slot);
}

TEST(ConnectionTable, ReusesSlotsUnderNewNames) {
  ConnectionTable table(2);
  const auto first = table.acquire(Socket{7});
  const ConnectionId id = table.id_of(first);
  EXPECT_EQ(table.at(first).socket, Socket{7});
  EXPECT_NE(id.generation, 0u);
  EXPECT_NE(table.find(id), nullptr);
  EXPECT_EQ(table.find({}), nullptr) << "a default name is nobody's";
  end_and_release(table, first);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.live(), 0u);

  const auto second = table.acquire(Socket{8});
  EXPECT_EQ(second, first);
  EXPECT_NE(table.id_of(second), id);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.used(), 1u);
}

TEST(ConnectionTable, HasALimit) {
  ConnectionTable table(3);
  for (int i = 0; i < 3; ++i) EXPECT_NE(table.acquire(Socket{i}), ConnectionTable::no_slot);
  EXPECT_EQ(table.acquire(Socket{9}), ConnectionTable::no_slot);
  end_and_release(table, 1);
  EXPECT_EQ(table.acquire(Socket{9}), 1u);
}

TEST(ConnectionTable, RecordsDoNotMove) {
  ConnectionTable table(10'000);
  const auto first = table.acquire(Socket{1});
  const Connection* record = &table.at(first);
  for (int i = 0; i < 5000; ++i) table.acquire(Socket{2});
  EXPECT_EQ(&table.at(first), record);
}

TEST(ConnectionTableDeathTest, RefusesToReleaseASlotWithSomethingInFlight) {
  ConnectionTable table(1);
  const auto slot = table.acquire(Socket{1});
  table.at(slot).receiving = true;
  EXPECT_DEATH(end_and_release(table, slot), "any_in_flight");
  table.at(slot).receiving = false;
  table.at(slot).state = ConnectionState::open;
  EXPECT_DEATH(table.release(slot), "ending");
}

TEST(Connection, KnowsEachOperationInFlight) {
  struct Case {
    Operation operation;
    void (*set)(Connection&);
    bool keeps_socket;  // must end before the socket is closed
  };
  const Case cases[] = {
      {Operation::receive, [](Connection& c) { c.receiving = true; }, true},
      {Operation::send, [](Connection& c) { c.send_in_flight = true; }, true},
      {Operation::hangup, [](Connection& c) { c.watching_hangup = true; }, true},
      {Operation::cancel_receive, [](Connection& c) { c.cancelling_receive = true; }, true},
      {Operation::cancel_send, [](Connection& c) { c.cancelling_send = true; }, true},
      {Operation::cancel_hangup, [](Connection& c) { c.cancelling_hangup = true; }, true},
      {Operation::close, [](Connection& c) { c.closing = true; }, false},
  };
  for (const Case& c : cases) {
    Connection connection;
    EXPECT_FALSE(connection.any_in_flight());
    c.set(connection);
    EXPECT_EQ(connection.any_in_flight(), c.keeps_socket);
    for (const Case& other : cases) {
      EXPECT_EQ(connection.in_flight(other.operation), other.operation == c.operation);
    }
    EXPECT_FALSE(connection.in_flight(Operation::accept));
  }
}

TEST(Connection, IsSmall) {
  // An idle connection is this, 16 bytes in the timer wheel, and its share of two lists.
  EXPECT_LE(sizeof(Connection), 72u);
}

}  // namespace
}  // namespace parsec::engine
