// Connections: opening, preparing, losing. The round: generator_round.cpp.
#include "bench/load/generator.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "bench/load/generator_client.h"
#include "bench/load/requests.h"

namespace parsec::bench {

using engine::Clock;
using engine::ConnectionId;
using engine::TimePoint;
using namespace std::chrono_literals;

Generator::Generator(engine::ShardCore& shard, GeneratorControl& control,
                     const GeneratorSettings& settings, std::uint32_t index,
                     const std::vector<DeviceNumber>& devices)
    : shard_(shard), control_(control), settings_(settings), index_(index), random_(index + 1) {
  double sum = 0;
  for (const CommandShare& share : settings.scenario.commands) {
    thresholds_.push_back(sum += share.weight);
  }
  const Population& population = settings.population;
  for (const DeviceNumber& number : devices) {
    auto client = std::make_unique<Client>(
        DeviceLogin{population.organization_id(number.organization), Population::device_id(number),
                    population.root_key(number.organization).verify_key,
                    population.device_key(number)},
        settings.host);
    client->number = number;
    client->realm_id =
        population.realm_id(number.organization, below(random_, population.size().realms));
    to_dial_.push_back(client.get());
    clients_.push_back(std::move(client));
  }
}

Generator::~Generator() = default;

Generator::Client* Generator::find(ConnectionId id) const {
  Client* client = id.slot < by_slot_.size() ? by_slot_[id.slot] : nullptr;
  return client != nullptr && client->id == id ? client : nullptr;
}

void Generator::dial(Client& client, TimePoint now) {
  const auto source = static_cast<std::uint8_t>(random_() % 64);
  const auto socket = settings_.target.dial(source);
  if (!socket) {
    to_dial_.push_back(&client);
    next_dial_ = now + redial_pause;
    if (const auto lack = lack_behind(socket.error()); !lack.empty()) give_up(std::string{lack});
    return;
  }
  const auto id = shard_.adopt(*socket);
  assert(id);
  client.id = *id;
  client.session = ClientSession{client.login, settings_.host};
  client.state = Client::State::dialling;
  client.prepared = 0;
  if (by_slot_.size() <= id->slot) by_slot_.resize(id->slot + 1);
  by_slot_[id->slot] = &client;
  client.session.open(shard_.output(*id));
  ++dialling_;
}

void Generator::dial_lost(TimePoint now) {
  while (!stopping_ && !to_dial_.empty() && dialling_ < most_dialling && now >= next_dial_) {
    Client& client = *to_dial_.front();
    to_dial_.pop_front();
    dial(client, now);
  }
}

void Generator::on_data(ConnectionId id, std::span<std::byte> bytes) {
  Client* client = find(id);
  if (client == nullptr) return;
  const TimePoint now = Clock::now();
  client->received_bytes += bytes.size();
  while (client->id == id) {
    const auto happened = client->session.next(bytes, shard_.output(id));
    if (!happened) {
      if (!told_connected_) give_up("The server " + happened.error());
      shard_.close(id, engine::CloseMode::abort);
      return;
    }
    if (!*happened) return;
    if (std::holds_alternative<ClientSession::Ready>(**happened)) {
      on_ready(*client, now);
    } else {
      on_reply(*client, std::get<ClientSession::Message>(**happened).value, now);
    }
  }
}

void Generator::on_ready(Client& client, TimePoint now) {
  if (client.is_visitor) {
    settle(client.request, "ok", now);
    client.request = {};
    client.state = Client::State::free;
    shard_.close(client.id, engine::CloseMode::abort);
    if (running_ && load_.kind == Load::Kind::closed) send_closed(now);
    return;
  }
  client.state = Client::State::preparing;
  if (!prepare(client)) on_prepared(client, now);
}

bool Generator::prepare(Client& client) {
  scratch_.clear();
  msgpack::Writer writer{scratch_};
  const auto bytes_of = [this](Command command) {
    for (const CommandShare& share : settings_.scenario.commands) {
      if (share.command == command) return share.bytes;
    }
    return 0U;
  };
  if (client.prepared == 0) {
    client.prepared = 1;
    if (settings_.scenario.uses(Command::vlob_update)) {
      client.own_vlob = random_uuid(random_);
      client.own_version = 1;
      const Octets blob(bytes_of(Command::vlob_update), std::byte{'v'});
      requests::vlob_create(writer, client.realm_id, client.own_vlob, blob);
      ClientSession::send(shard_.output(client.id), scratch_.bytes());
      return true;
    }
  }
  if (client.prepared == 1) {
    client.prepared = 2;
    if (settings_.scenario.uses(Command::block_read)) {
      client.own_block = random_uuid(random_);
      const Octets block(bytes_of(Command::block_read), std::byte{'b'});
      requests::block_create(writer, client.realm_id, client.own_block, block);
      ClientSession::send(shard_.output(client.id), scratch_.bytes());
      return true;
    }
  }
  return false;
}

void Generator::on_prepared(Client& client, TimePoint now) {
  --dialling_;
  ++ready_;
  if (ready_ == clients_.size() && !std::exchange(told_connected_, true)) control_.connected({});
  become_free(client, now);
}

void Generator::become_free(Client& client, TimePoint now) {
  client.state = Client::State::free;
  client.free_since = now;
  free_.push_back(&client);
  if (!running_) return;
  if (load_.kind == Load::Kind::closed) {
    send_closed(now);
  } else if (!waiting_.empty()) {
    const TimePoint intended = waiting_.front();
    waiting_.pop_front();
    Client& next = *free_.front();
    free_.pop_front();
    send(next, intended, now);
  }
}

void Generator::give_up(std::string why) {
  if (!std::exchange(told_connected_, true)) control_.connected(std::move(why));
}

void Generator::on_closed(ConnectionId id, engine::CloseReason reason) {
  Client* client = find(id);
  if (client == nullptr) return;
  by_slot_[id.slot] = nullptr;
  client->id = {};
  if (client->is_visitor) {
    if (client->state != Client::State::free) settle(client->request, "no_reply", Clock::now());
    std::erase_if(visitors_, [client](const auto& visitor) { return visitor.get() == client; });
    maybe_finish(Clock::now());
    return;
  }
  switch (std::exchange(client->state, Client::State::lost)) {
    case Client::State::dialling:
    case Client::State::preparing:
      --dialling_;
      give_up(std::string{"A connection to the server ended before it was of use ("} +
              std::string{name(reason)} + ")");
      break;
    case Client::State::busy:
      --ready_;
      settle(client->request, "no_reply", Clock::now());
      break;
    default:
      --ready_;
      std::erase(free_, client);
  }
  to_dial_.push_back(client);
  next_dial_ = Clock::now() + redial_pause;
  maybe_finish(Clock::now());
}

void Generator::on_shutdown() {
  stopping_ = true;
  for (const auto& client : clients_) {
    if (client->state != Client::State::lost) {
      shard_.close(client->id, engine::CloseMode::abort);
    }
  }
  for (const auto& visitor : visitors_) shard_.close(visitor->id, engine::CloseMode::abort);
}

}  // namespace parsec::bench
