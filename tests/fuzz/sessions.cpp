// Whole sessions of a few clients: any mixture of their bytes, answers of database and block store,
// events, deadlines and ends. What holds is in support/world.h: replies, frames, requests and
// memory.
//
// An input is a list of steps: what happens, to whom, and what it needs.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/support/world.h"

namespace {

using namespace parsec;
using protocol::ConnectionKind;
using testing::Input;
using testing::World;

constexpr std::size_t most_clients = 6;
constexpr std::string_view upgrade =
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

void send_request(World& world, World::Client& client, Input& input) {
  const auto name = input.until('\n');
  const auto fields = as_bytes(input.chunk());
  const testing::DocumentWriter writer{world.device_key, testing::wall_clock()};
  auto request = writer.request(name, fields);
  if (request.empty()) request = as_text(fields);
  world.send_message(client, websocket::Opcode::binary, request);
}

void happen_to(World& world, World::Client& client, std::size_t what, Input& input) {
  switch (what) {
    case 0:
      return world.send(client, input.chunk());
    case 1:
      return world.send(client, upgrade);
    case 2:
      return send_request(world, client, input);
    case 3:
      return world.send_message(client, static_cast<websocket::Opcode>(input.one_of(16)),
                                input.chunk());
    case 4:
      return world.read(client);
    case 5:
      return world.leave(client);
    default:
      world.pass_deadline(client);
  }
}

void happen(World& world, std::size_t what, Input& input) {
  switch (what) {
    case 0:
      world.answer_database(input);
      break;
    case 1:
      if (world.waits_for_database()) world.database.fail(db::Outcome::unavailable);
      break;
    case 2:
      world.complete_block(input);
      break;
    case 3:
      if (!world.database.fences.empty()) world.pass_fence(input.chance());
      break;
    case 4:
      world.event(input);
      break;
    case 5:
      world.database.full = input.chance();
      break;
    case 6:
      world.transport.time += std::chrono::milliseconds{input.byte() * 200};
      break;
    case 7:
      world.inbox.post({.kind = protocol::InboxItem::Kind::gap});
      break;
    case 9:
      world.press(static_cast<std::int64_t>(input.one_of(21)));
      break;
    default:
      if (!world.service.shutting_down()) world.service.on_shutdown();
  }
}

void come(World& world, Input& input) {
  const std::size_t kind = input.one_of(8);
  if (kind < 5) {
    world.connect(static_cast<ConnectionKind>(kind));
  } else if (kind == 5) {
    world.connect_half();
  } else {
    world.connect();
  }
}

void step(World& world, Input& input) {
  const std::size_t what = input.byte();
  auto& clients = world.clients;
  if (what < 32 || clients.empty()) {
    // A shard that stops opens nothing.
    if (clients.size() < most_clients && !world.service.shutting_down()) come(world, input);
  } else if (what < 160) {
    happen_to(world, *clients[what % clients.size()], input.one_of(7), input);
  } else {
    happen(world, what < 248 ? what % 9 : 9, input);
  }
  world.close_ended();
  if (input.chance()) world.turn();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{data, size};
  World world{(input.chance() ? std::size_t{1} : std::size_t{1024}) << 20};
  while (!input.empty()) {
    step(world, input);
    for (const auto& client : world.clients) world.check(*client);
  }
  world.end();
  return 0;
}
