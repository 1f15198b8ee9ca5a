#include "tests/fuzz/support/world.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "tests/fuzz/support/made_rows.h"

namespace parsec::testing {

using namespace std::chrono_literals;
using protocol::ConnectionKind;
using websocket::Opcode;

namespace {

constexpr std::string_view organization = "Org";
const Uuid invitation{{std::byte{7}}};

}  // namespace

World::World(std::size_t memory_limit) : ServiceFixture(memory_limit) {
  settings.output_high_water = 4096;
  settings.stranger_high_water = 2048;
  settings.max_waiting_bytes = 512;
  settings.max_waiting_requests = 4;
  settings.max_message_bytes = 64 * 1024;
  settings.rows_of_a_slice = 2;
  settings.memory_free_bytes = 64;
  settings.least_held_bytes = 128;
  settings.least_held_bytes_of_many = 64;
}

// --- Clients

World::Client& World::connect() {
  clients.push_back(std::make_unique<Client>());
  clients.back()->id = open();
  return *clients.back();
}

World::Client& World::connect_half() {
  clients.push_back(std::make_unique<Client>());
  clients.back()->id = start_device(organization, "alice@dev1");
  clients.back()->is_http = false;
  return *clients.back();
}

engine::ConnectionId World::open_invited() {
  const auto id = open_websocket();
  ServiceFixture::send(id, 6, [](msgpack::Writer& writer) {
    writer.str("handshake"), writer.str("answer");
    writer.str("client_api_version"), writer.array(2), writer.integer(2), writer.integer(0);
    writer.str("type"), writer.str("INVITED");
    writer.str("organization_id"), writer.str(organization);
    writer.str("invitation_type"), writer.str("DEVICE");
    writer.str("token"), writer.uuid(invitation);
  });
  answer({{text_cell("ok"), bool_cell(false), bool_cell(false), text_cell("DEVICE"),
           text_cell("alice")}});
  if (waits_for_database()) answer({{text_cell("ok")}});  // READY is announced
  take_sent(id);
  return id;
}

World::Client& World::connect(ConnectionKind kind) {
  // What is under way is another's: the fixture answers the oldest.
  const auto waiting = std::exchange(database.submitted, {});
  const bool was_full = std::exchange(database.full, false);
  clients.push_back(std::make_unique<Client>());
  auto& client = *clients.back();
  client.is_http = false;
  switch (kind) {
    case ConnectionKind::authenticated:
      client.id = open_device(organization, "alice@dev1");
      break;
    case ConnectionKind::authenticated_v1:
      client.id = open_device(organization, "alice@dev1", true);
      break;
    case ConnectionKind::invited:
      client.id = open_invited();
      break;
    case ConnectionKind::anonymous:
      client.id = open_anonymous(organization);
      break;
    case ConnectionKind::administration:
      client.id = open_administration();
      break;
  }
  database.submitted.insert(database.submitted.begin(), waiting.begin(), waiting.end());
  database.full = was_full;
  return client;
}

/// Of what the service reads: messages that are whole.
void World::count_sent(Client& client, std::string_view bytes) {
  std::string copy{bytes};
  auto left = std::as_writable_bytes(std::span{copy});
  while (!client.sent_violation) {
    const auto part = client.sent.next(left);
    if (!part) {
      client.sent_violation = true;
    } else if (!*part) {
      return;
    } else if ((*part)->last && (*part)->fin && (*part)->opcode < Opcode::close) {
      ++client.messages;
    }
  }
}

void World::send(Client& client, std::string_view bytes) {
  auto& connection = transport[client.id];
  if (!client.is_open || connection.closed || connection.reading_paused || bytes.empty()) return;
  const bool was_http = client.is_http;
  raw(client.id, bytes);
  if (!was_http) return count_sent(client, bytes);
  read(client);
  client.is_counted = client.is_http || bytes.ends_with("\r\n\r\n");
}

void World::send_message(Client& client, Opcode opcode, std::string_view message) {
  engine::OutputBuffer out;
  websocket::write_masked_frame(out, opcode, as_bytes(message),
                                {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}});
  send(client, as_text(out.bytes()));
}

void World::read(Client& client) {
  auto& connection = transport[client.id];
  if (!client.is_open || connection.output.empty()) return;
  const bool was_high = connection.output.size() > settings.output_high_water;
  std::string bytes{as_text(connection.output.bytes())};
  connection.output.clear();
  if (client.is_http) {
    client.head += std::exchange(bytes, {});
    assert(client.head.starts_with("HTTP/1.1 "));
    const auto upgrade = client.head.find("HTTP/1.1 101 ");
    const auto end = client.head.find("\r\n\r\n", std::min(upgrade, client.head.size()));
    if (end != client.head.npos) {
      client.is_http = false;
      bytes = client.head.substr(end + 4);
    }
  }
  if (!client.is_http) read_frames(client, std::as_writable_bytes(std::span{bytes}));
  const bool was_wanted = std::exchange(connection.wants_drained, false);
  if ((was_high || was_wanted) && !connection.closed) service.on_drained(client.id);
}

void World::read_frames(Client& client, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = client.received.next(bytes);
    assert(part);  // or the service has sent what no client understands
    if (!*part) break;
    on_frame(client, **part);
  }
}

void World::on_frame(Client& client, const websocket::FramePart& part) {
  assert(!client.saw_close);
  client.part.insert(client.part.end(), part.payload.begin(), part.payload.end());
  if (!part.last) return;
  const auto payload = std::exchange(client.part, {});
  assert(part.fin);
  if (part.opcode == Opcode::close) {
    client.saw_close = true;
  } else if (part.opcode == Opcode::binary) {
    const auto document = msgpack::parse(payload);
    assert(document && document->kind() == msgpack::Kind::map);
    if (document->find("handshake")) return;
    const auto status = document->find("status");
    assert(status && status->kind() == msgpack::Kind::str);
    ++client.replies;
  } else {
    assert(part.opcode == Opcode::pong);
  }
}

void World::check(const Client& client) const {
  assert(!client.is_counted || client.replies <= client.messages);
}

void World::leave(Client& client) {
  if (!std::exchange(client.is_open, false)) return;
  service.on_closed(client.id, engine::CloseReason::peer_closed);
  transport.forget(client.id);
}

void World::close_ended() {
  for (const auto& client : clients) {
    if (!client->is_open || !is_closed(client->id)) continue;
    read(*client);
    client->is_open = false;
    service.on_closed(client->id, engine::CloseReason::by_handler);
    transport.forget(client->id);
  }
}

// --- Around

void World::answer_database(Input& input) {
  if (!waits_for_database()) return;
  const auto& request = *database.submitted.front();
  if (std::string_view{request.function->name} != "handshake_authenticated" || input.chance()) {
    return answer(made_rows(*request.function, input));
  }
  const auto& device = request.parameters()[1];
  answer_handshake({request.parameter_data(device), static_cast<std::size_t>(device.length)},
                   input.chance(), input.chance());
}

void World::complete_block(Input& input) {
  if (blocks.submitted.empty()) return;
  constexpr db::BlockOutcome outcomes[] = {db::BlockOutcome::ok, db::BlockOutcome::not_found,
                                           db::BlockOutcome::timeout};
  auto& job = *blocks.submitted.front();
  if (job.kind == db::BlockJob::Kind::read) job.found = as_bytes("a block");
  blocks.complete(outcomes[input.one_of(3)]);
  turn();
}

void World::event(Input& input) { ServiceFixture::event(made_event(input)); }

void World::press(std::int64_t twentieths) {
  elsewhere_.add(static_cast<std::int64_t>(memory.limit()) / 20 * twentieths - elsewhere_.held());
  elsewhere_.tell();
}

bool World::pass_deadline(Client& client) {
  auto& connection = transport[client.id];
  if (!client.is_open || connection.closed || !connection.deadline) return false;
  transport.time += *std::exchange(connection.deadline, {});
  service.on_deadline(client.id);
  turn();
  return true;
}

void World::end() {
  for (const auto& client : clients) {
    read(*client);
    check(*client);
    leave(*client);
  }
  database.full = false;
  turn();
  constexpr int most = 1000;
  int rounds = 0;
  for (Input nothing{""}; waits_for_database(); answer_database(nothing)) assert(++rounds < most);
  for (Input nothing{""}; !blocks.submitted.empty();) complete_block(nothing);
  turn();
  assert(database.acquired == 0);

  // A shard tells what it holds when memory is short.
  press(20);
  transport.time += 1h;
  turn();
  assert(memory.used() == elsewhere_.held());
}

// --- Events

protocol::Event made_event(Input& input) {
  using namespace protocol;
  const auto device = [&] { return std::string{input.chance() ? "alice@dev1" : "bob@dev1"}; };
  const auto user = [&] { return std::string{input.chance() ? "alice" : "bob"}; };
  const auto uuid = [&] { return Uuid{{static_cast<std::byte>(input.one_of(8))}}; };
  const auto octets = [&] {
    const auto bytes = as_bytes(input.bytes(input.one_of(4)));
    return std::vector<std::byte>{bytes.begin(), bytes.end()};
  };
  Event event{std::string{input.one_of(8) == 1 ? "Other" : organization}, {}};
  switch (input.one_of(13)) {
    case 0:
      event.content = Pinged{device(), std::string{"ping"}};
      break;
    case 1:
      event.content = MessageReceived{device(), user(), input.byte()};
      break;
    case 2:
      event.content = InviteStatusChanged{user(), uuid(), input.chance() ? "DELETED" : "READY"};
      break;
    case 3:
      event.content = RealmRolesUpdated{
          device(), uuid(), user(), input.chance() ? std::optional{Role::reader} : std::nullopt};
      break;
    case 4:
      event.content = RealmVlobsUpdated{device(), uuid(), input.byte(), uuid(), input.byte()};
      break;
    case 5:
      event.content = RealmMaintenance{device(), uuid(), input.byte(), input.chance()};
      break;
    case 6:
      event.content = UserRevoked{user()};
      break;
    case 7:
      event.content = OrganizationExpired{};
      break;
    case 8:
      event.content = UserCreated{user(), octets(), device(), octets()};
      break;
    case 9:
      event.content = DeviceCreated{device(), octets(), octets()};
      break;
    case 10:
      event.content = Claimed{input.chance() ? user() : device(), octets()};
      break;
    case 11:
      event.content = InvitationCancelled{input.chance() ? user() : device()};
      break;
    default:
      event.content = InviteConduitUpdated{uuid()};
  }
  return event;
}

}  // namespace parsec::testing
