// Any document as the fields of any command, and any answers of the database to it: the client gets
// one reply or its connection ends, whatever the fields are and whatever happens meanwhile.
//
// An input: the kind of connection, the name of the command and a newline, a byte that tells how
// many bytes of answers follow, and the fields.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/support/world.h"

namespace {

using namespace parsec;
using protocol::CommandSpec;
using protocol::ConnectionKind;
using testing::Input;
using testing::World;

constexpr std::string_view unknown_command =
    "\x81\xA3"
    "cmd\xA4nope";

/// By its name, so that inputs stay what they are when others come; any other name is one as well.
const CommandSpec& take_command(ConnectionKind kind, std::string_view name) {
  if (const auto* known = protocol::find_command(kind, name)) return *known;
  const auto commands = protocol::commands_of(kind);
  std::size_t sum = 0;
  for (const char c : name) sum += static_cast<unsigned char>(c);
  return commands[sum % commands.size()];
}

/// One thing that the command may be waiting for happens; false: there is none.
bool go_on(World& world, World::Client& client, Input& answers) {
  if (world.waits_for_database()) {
    if (answers.one_of(32) == 31) {
      world.database.fail(db::Outcome::unavailable);
      world.turn();
    } else {
      world.answer_database(answers);
    }
  } else if (!world.blocks.submitted.empty()) {
    world.complete_block(answers);
  } else if (!world.database.fences.empty()) {
    world.pass_fence(answers.one_of(32) != 31);
  } else if (!answers.empty()) {
    world.event(answers);
  } else {
    return world.pass_deadline(client);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  const auto kind = static_cast<ConnectionKind>(input.one_of(5));
  const auto& command = take_command(kind, input.until('\n'));
  Input answers{input.chunk()};
  World world;
  auto& client = world.connect(kind);
  const testing::DocumentWriter writer{world.device_key, testing::wall_clock()};
  const auto fields = as_bytes(input.rest());
  auto request = writer.request(command.name, fields);
  if (request.empty()) request = as_text(fields);  // no document at all
  if (request.size() > world.settings.max_message_bytes) return 0;
  world.send_message(client, websocket::Opcode::binary, request);

  const auto is_done = [&] {
    world.read(client);
    world.close_ended();
    return client.replies > 0 || !client.is_open;
  };
  constexpr int most = 1000;
  for (int step = 0; !is_done() && go_on(world, client, answers); ++step) assert(step < most);
  if (!is_done() && command.long_poll) {  // the next request takes its place
    world.send_message(client, websocket::Opcode::binary, unknown_command);
    assert(is_done());
  }
  // Only the two sides of an invitation wait for each other as long as it takes.
  assert(is_done() || command.name.starts_with("invite_"));
  assert(client.replies <= 1);
  world.end();
  return 0;
}
