// What sessions hold of the memory of all, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/service_fixture.h"

namespace parsec::protocol {

inline constexpr std::size_t mebibyte = 1 << 20;

class SessionMemory : public ::testing::Test, protected testing::ServiceFixture {
 protected:
  using ServiceFixture::ServiceFixture;
  /// The beginning of a binary message of 10 MiB: so many of its bytes.
  void begin_message(engine::ConnectionId id, std::size_t bytes) {
    std::string head{"\x82\xff", 2};
    head += std::string{"\0\0\0\0\0\xa0\0\0", 8} + std::string(4, '\0');
    raw(id, head + std::string(bytes, 'm'));
  }
  void ask_for_messages(engine::ConnectionId id) {
    send_command(id, "message_get", 1,
                 [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  }
  /// Not taken by a turn yet.
  void answer_messages(int count, const std::string& body) {
    std::vector<testing::CellRow> rows{{testing::text_cell("ok"), testing::null_cell(),
                                        testing::null_cell(), testing::null_cell(),
                                        testing::null_cell()}};
    for (int i = 1; i <= count; ++i) {
      rows.push_back({testing::null_cell(), testing::int_cell(i), testing::text_cell("bob@dev1"),
                      testing::int_cell(1), testing::text_cell(body)});
    }
    database.answer(rows);
  }
  /// It does something of no consequence, so that what it holds is counted.
  void touch(engine::ConnectionId id) { frame(id, websocket::Opcode::pong, {}); }
  /// Fills the budget from somewhere else.
  struct Other {
    explicit Other(engine::MemoryBudget& budget) : share(budget) {}
    engine::MemoryBudget::Share share;
  };
  void pass(std::chrono::milliseconds time) {
    transport.time += time;
    turn();
  }
};

}  // namespace parsec::protocol
