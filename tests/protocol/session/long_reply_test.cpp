// Replies that may be long: written in slices they are what they are in one piece, and others have
// their turn in between.
#include "protocol/session/long_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/protocol/session/session_memory.h"
#include "tests/support/service_fixture.h"

namespace parsec::protocol {
namespace {

using testing::CellRow;
using testing::int_cell;
using testing::null_cell;
using testing::text_cell;
using testing::uuid_cell;

constexpr int row_count = 35;

Uuid uuid_of(int number) {
  Uuid uuid{};
  uuid.bytes[15] = static_cast<std::byte>(number);
  return uuid;
}

struct LongCommand {
  const char* name;
  bool anonymous = false;
  std::uint32_t fields;
  void (*write)(msgpack::Writer&);
  CellRow first;
  CellRow (*row)(int number);
};
void PrintTo(const LongCommand& command, std::ostream* out) { *out << command.name; }

CellRow certificate_row(int number) {
  constexpr const char* lists[] = {"users", "own", "devices", "revoked_users"};
  return {null_cell(), null_cell(), null_cell(), text_cell(lists[number % 4]),
          text_cell("certificate " + std::to_string(number))};
}
void write_realm(msgpack::Writer& writer) { writer.str("realm_id"), writer.uuid(uuid_of(1)); }

const LongCommand commands[] = {
    {.name = "user_get",
     .fields = 1,
     .write = [](msgpack::Writer& writer) { writer.str("user_id"), writer.str("bob"); },
     .first = {text_cell("ok"), text_cell("bob's"), null_cell(), null_cell(), null_cell()},
     .row = certificate_row},
    {.name = "user_get_invitation_creator",
     .anonymous = true,
     .fields = 1,
     .write = [](msgpack::Writer& writer) { writer.str("invited_user_id"), writer.str("zoe"); },
     .first = {text_cell("ok"), text_cell("bob's"), text_cell("his"), null_cell(), null_cell()},
     .row = certificate_row},
    {.name = "realm_get_role_certificates",
     .fields = 1,
     .write = write_realm,
     .first = {text_cell("ok"), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), text_cell("role " + std::to_string(number))};
     }},
    {.name = "vlob_maintenance_get_reencryption_batch",
     .fields = 3,
     .write =
         [](msgpack::Writer& writer) {
           write_realm(writer);
           writer.str("encryption_revision"), writer.integer(2);
           writer.str("size"), writer.integer(1000);
         },
     .first = {text_cell("ok"), null_cell(), null_cell(), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), uuid_cell(uuid_of(number)), int_cell(number), text_cell("blob")};
     }},
    {.name = "invite_list",
     .fields = 0,
     .write = [](msgpack::Writer&) {},
     .first = {text_cell("ok"), null_cell(), null_cell(), null_cell(), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), uuid_cell(uuid_of(number)), text_cell(number % 2 ? "USER" : "DEVICE"),
               int_cell(number), number % 2 ? text_cell("zoe@example.com") : null_cell()};
     }},
    {.name = "message_get",
     .fields = 1,
     .write = [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); },
     .first = {text_cell("ok"), null_cell(), null_cell(), null_cell(), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), int_cell(number), text_cell("bob@dev1"), int_cell(1), text_cell("b")};
     }},
    {.name = "vlob_poll_changes",
     .fields = 2,
     .write =
         [](msgpack::Writer& writer) {
           write_realm(writer);
           writer.str("last_checkpoint"), writer.integer(0);
         },
     .first = {text_cell("ok"), int_cell(99), null_cell(), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), null_cell(), uuid_cell(uuid_of(number)), int_cell(number)};
     }},
    {.name = "vlob_list_versions",
     .fields = 1,
     .write = [](msgpack::Writer& writer) { writer.str("vlob_id"), writer.uuid(uuid_of(2)); },
     .first = {text_cell("ok"), uuid_cell(uuid_of(1)), null_cell(), null_cell(), null_cell()},
     .row = [](int number) -> CellRow {
       return {null_cell(), null_cell(), int_cell(number), int_cell(1), text_cell("bob@dev1")};
     }},
};

class LongReplyOf : public ::testing::TestWithParam<LongCommand>,
                    protected testing::ServiceFixture {
 protected:
  engine::ConnectionId ask() {
    const auto& command = GetParam();
    const auto id = command.anonymous ? open_anonymous("Org") : open_device("Org", "alice@dev1");
    send_command(id, command.name, command.fields, command.write);
    std::vector<CellRow> rows{command.first};
    for (int number = 1; number <= row_count; ++number) rows.push_back(command.row(number));
    database.answer(rows);
    return id;
  }
  std::string bytes_of(engine::ConnectionId id) const {
    return std::string{as_text(output_of(id))};
  }
  Bytes output_of(engine::ConnectionId id) const {
    return const_cast<testing::FakeTransport&>(transport)[id].output.bytes();
  }
};

TEST_P(LongReplyOf, IsTheSameInSlicesAndOthersAreServedInBetween) {
  settings.rows_of_a_slice = 1'000'000;
  const auto whole_id = ask();
  service.on_turn();
  const std::string whole = bytes_of(whole_id);
  ASSERT_GT(whole.size(), 0U);

  settings.rows_of_a_slice = 4;
  const auto other = open_administration();
  const auto id = ask();
  int turns = 1;
  while (service.on_turn()) {
    EXPECT_EQ(bytes_of(id), "");
    send_ping(other, "meanwhile");
    EXPECT_EQ(take_reply(other), R"({status="ok" pong="meanwhile"})");
    frame(id, websocket::Opcode::ping, as_bytes("are you there"));
    EXPECT_EQ(take_sent(id).at(0).opcode, websocket::Opcode::pong);
    ++turns;
  }
  EXPECT_GE(turns, row_count / 4);
  EXPECT_EQ(bytes_of(id), whole);
}

TEST_P(LongReplyOf, IsCutByItsBytes) {
  settings.rows_of_a_slice = 1'000'000;
  settings.bytes_of_a_slice = 1;
  ask();
  int turns = 1;
  while (service.on_turn()) ++turns;
  EXPECT_GT(turns, row_count / 2);  // not all rows are told by all
}

TEST_P(LongReplyOf, EndsWithItsConnection) {
  settings.rows_of_a_slice = 4;
  const auto id = ask();
  EXPECT_TRUE(service.on_turn());
  close(id);
  turn();
  EXPECT_EQ(database.acquired, 0);
}

class LongReplies : public SessionMemory {};

TEST_F(LongReplies, OfAnotherOrganizationComeFirst) {
  settings.rows_of_a_slice = row_count - 1;  // two slices, of which the turn that hears writes one
  const auto first = open_device("Org", "alice@dev1");
  const auto second = open_device("Org", "bob@dev1");
  const auto another = open_device("Another", "zoe@dev1");
  for (const auto id : {first, second, another}) {
    ask_for_messages(id);
    answer_messages(row_count, "b");
  }
  EXPECT_TRUE(service.on_turn());
  EXPECT_EQ(take_sent(first).size(), 1U);
  EXPECT_TRUE(service.on_turn());
  EXPECT_EQ(take_sent(another).size(), 1U);
  EXPECT_FALSE(service.on_turn());
  EXPECT_EQ(take_sent(second).size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Commands, LongReplyOf, ::testing::ValuesIn(commands),
                         [](const auto& tested) { return std::string{tested.param.name}; });

}  // namespace
}  // namespace parsec::protocol
