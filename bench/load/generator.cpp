#include "bench/load/generator.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "bench/load/generator_client.h"
#include "bench/population/requests.h"

namespace parsec::bench {

using engine::ConnectionId;
using engine::TimePoint;
using namespace std::chrono_literals;

namespace {

/// Connections that are being opened at once: fewer than any server's backlog.
constexpr std::uint32_t most_dialling = 256;
/// For each answer until a connection is of use.
constexpr auto answer_time = 30s;
constexpr std::uint64_t source_addresses = 64;

/// What this machine has too little of for one more connection; empty: it is not that.
std::string_view lack_behind(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return "Too few open files are allowed for so many connections (ulimit -n)";
    case EADDRNOTAVAIL:
      return "All ports for connections to this server are taken (net.ipv4.ip_local_port_range)";
    case ENOBUFS:
    case ENOMEM:
      return "The kernel has too little memory for so many connections";
    default:
      return {};
  }
}

}  // namespace

Generator::Generator(engine::Transport& transport, Dialer& dialer, GeneratorControl& control,
                     const GeneratorSettings& settings, std::uint32_t index,
                     const std::vector<Placed>& connections)
    : transport_(transport),
      dialer_(dialer),
      control_(control),
      settings_(settings),
      index_(index),
      // What it makes is new, also in a population that was there before.
      random_(std::random_device{}()) {
  double sum = 0;
  for (const CommandShare& share : settings.scenario.commands) {
    thresholds_.push_back(sum += share.weight);
  }
  const Population& population = settings.population;
  for (const Placed& placed : connections) {
    const DeviceNumber& device = placed.device;
    clients_.push_back(std::make_unique<Client>(
        DeviceLogin{population.organization_id(device.organization), Population::device_id(device),
                    population.root_key(device.organization).verify_key,
                    population.device_key(device)},
        placed, settings, random_));
    to_dial_.push_back(clients_.back().get());
  }
  if (clients_.empty()) give_up({});  // more shards than connections: nothing to wait for
}

Generator::~Generator() = default;

Generator::Client* Generator::find(ConnectionId id) const {
  Client* client = id.slot < by_slot_.size() ? by_slot_[id.slot] : nullptr;
  return client != nullptr && client->id == id ? client : nullptr;
}

bool Generator::open(Client& client, TimePoint now) {
  const auto id = dialer_.dial(static_cast<std::uint8_t>(random_() % source_addresses));
  if (!id) {
    next_dial_ = resumes_at_ = now + redial_pause;
    if (const auto lack = lack_behind(id.error()); !lack.empty()) {
      fail(std::string{lack});
    } else {  // a server that is being started again, perhaps
      give_up("A connection cannot be opened: " + std::generic_category().message(id.error()));
    }
    return false;
  }
  client.id = *id;
  client.session = ClientSession{client.login, settings_.host};
  if (by_slot_.size() <= id->slot) by_slot_.resize(id->slot + 1);
  by_slot_[id->slot] = &client;
  client.session.open(transport_.output(*id));
  return true;
}

void Generator::dial_lost(TimePoint now) {
  while (!stopping_ && !to_dial_.empty() && dialling_ < most_dialling && now >= next_dial_) {
    Client& client = *to_dial_.front();
    if (!open(client, now)) return;
    to_dial_.pop_front();
    client.state = Client::State::dialling;
    client.conversation.restart();
    transport_.set_deadline(client.id, answer_time);
    ++dialling_;
  }
}

void Generator::on_data(ConnectionId id, std::span<std::byte> bytes) {
  Client* client = find(id);
  if (client == nullptr) return;
  const TimePoint now = dialer_.now();
  client->received_bytes += bytes.size();
  while (find(id) == client) {
    const auto happened = client->session.next(bytes, transport_.output(id));
    if (!happened) {
      give_up("The server " + happened.error());
      transport_.close(id, engine::CloseMode::abort);
      return;
    }
    if (!*happened) return;
    if (std::holds_alternative<ClientSession::Ready>(**happened)) {
      on_ready(*client, now);
    } else {
      on_message(*client, std::get<ClientSession::Message>(**happened).value, now);
    }
  }
}

/// Sends what message_ holds. The bytes of the frame.
std::size_t Generator::say(Client& client) {
  engine::OutputBuffer& out = transport_.output(client.id);
  const std::size_t before = out.size();
  ClientSession::send(out, message_.bytes());
  return out.size() - before;
}

void Generator::on_ready(Client& client, TimePoint now) {
  if (client.is_visitor) {
    settle(client.request, "ok", now);
    client.state = Client::State::free;
    transport_.close(client.id, engine::CloseMode::abort);
    if (running_ && load_.kind == Load::Kind::closed) send_closed(now);
    return;
  }
  client.state = Client::State::preparing;
  if (client.placed.role == Role::active) return prepare(client, now);
  if (client.placed.role == Role::idle) return on_prepared(client, now);
  message_.clear();
  msgpack::Writer writer{message_};
  requests::events_subscribe(writer);
  say(client);
  transport_.set_deadline(client.id, answer_time);
}

void Generator::prepare(Client& client, TimePoint now) {
  message_.clear();
  msgpack::Writer writer{message_};
  if (!client.conversation.prepare(writer)) return on_prepared(client, now);
  say(client);
  transport_.set_deadline(client.id, answer_time);
}

void Generator::on_prepared(Client& client, TimePoint now) {
  transport_.clear_deadline(client.id);
  --dialling_;
  ++ready_;
  if (ready_ == clients_.size()) give_up({});
  if (client.placed.role == Role::active) return become_free(client, now);
  client.state = Client::State::resting;
}

void Generator::on_message(Client& client, const msgpack::Value& message, TimePoint now) {
  switch (client.state) {
    case Client::State::preparing:
      if (status_of(message) != "ok") {
        give_up("The server refuses to prepare a connection: " + std::string{status_of(message)});
        transport_.close(client.id, engine::CloseMode::abort);
      } else if (client.placed.role == Role::active) {
        prepare(client, now);
      } else {
        if (settings_.fan_out != nullptr) settings_.fan_out->disturb();
        on_prepared(client, now);
        on_event(client, message, now);
      }
      return;
    case Client::State::resting:
      return on_event(client, message, now);
    case Client::State::busy:
      return on_reply(client, message, now);
    default:
      return;  // nobody asked
  }
}

/// What a subscriber heard, the answer to its subscription too: it listens again.
void Generator::on_event(Client& client, const msgpack::Value& event, TimePoint now) {
  const auto vlob = event.find("src_id");
  const auto version = event.find("src_version");
  if (settings_.fan_out != nullptr && vlob && vlob->kind() == msgpack::Kind::uuid && version &&
      version->kind() == msgpack::Kind::integer) {
    const auto author = settings_.fan_out->saw(vlob->uuid(), version->integer(), now);
    if (author) settings_.wake(*author % settings_.shards);
  }
  message_.clear();
  msgpack::Writer writer{message_};
  requests::events_listen(writer);
  say(client);
}

/// The driver waits for all connections to be there. What comes later is in the results.
void Generator::give_up(std::string why) {
  if (!std::exchange(told_connected_, true)) control_.connected(std::move(why));
}

/// Ends whatever is going on: nothing that it measured would be the server's.
void Generator::fail(std::string why) {
  if (running_) {
    result_.failure = why;
    ends_ = std::min(ends_, dialer_.now());
    next_arrival_ = TimePoint::max();
  }
  give_up(std::move(why));
}

void Generator::on_deadline(ConnectionId id) {
  if (find(id) == nullptr) return;
  give_up("The server did not answer within " + std::to_string(answer_time.count()) + " s");
  transport_.close(id, engine::CloseMode::abort);
}

void Generator::on_closed(ConnectionId id, engine::CloseReason reason) {
  Client* client = find(id);
  if (client == nullptr) return;
  const TimePoint now = dialer_.now();
  by_slot_[id.slot] = nullptr;
  client->id = {};
  if (client->is_visitor) {
    if (client->state == Client::State::busy) {
      settle(client->request, "no_reply", now);
      resumes_at_ = now + redial_pause;  // or a server that refuses would be asked without end
    }
    std::erase_if(visitors_, [client](const auto& visitor) { return visitor.get() == client; });
    return maybe_finish(now);
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
      if (std::erase(awaited_, client) > 0) settings_.fan_out->take(client->placed.number);
      settle(client->request, "no_reply", now);
      break;
    case Client::State::resting:
      --ready_;
      if (settings_.fan_out != nullptr && client->placed.role == Role::subscriber) {
        settings_.fan_out->disturb();
        for (std::uint32_t shard = 0; shard < settings_.shards; ++shard) settings_.wake(shard);
      }
      break;
    default:
      --ready_;
      std::erase(free_, client);
  }
  to_dial_.push_back(client);
  next_dial_ = now + redial_pause;
  maybe_finish(now);
}

bool Generator::has_work() const {
  const bool fan_out_is_over = std::ranges::any_of(awaited_, [this](const Client* client) {
    return settings_.fan_out->is_over(client->placed.number);
  });
  return control_.has_round() || fan_out_is_over || dialer_.now() >= next_work();
}

TimePoint Generator::next_work() const {
  TimePoint next = TimePoint::max();
  if (!stopping_ && !to_dial_.empty() && dialling_ < most_dialling) next = next_dial_;
  if (!running_) return next;
  if (load_.kind == Load::Kind::closed && resumes_at_ != TimePoint{}) {
    next = std::min(next, resumes_at_);
  }
  if (next_arrival_ != TimePoint::max()) return std::min(next, next_arrival_);
  return std::min(next, round_ends_by());
}

bool Generator::on_turn() {
  const TimePoint now = dialer_.now();
  dial_lost(now);
  if (control_.has_round() && !running_) start_round();
  if (!running_) return false;
  take_fan_outs(now);
  if (load_.kind == Load::Kind::open) {
    send_due(now);
  } else {
    if (now >= resumes_at_) resumes_at_ = {};
    if (next_arrival_ <= now) next_arrival_ = now < ends_ ? ends_ : TimePoint::max();
    send_closed(now);
  }
  maybe_finish(now);
  return false;
}

void Generator::on_shutdown() {
  stopping_ = true;
  for (const auto& client : clients_) {
    if (client->state != Client::State::lost) {
      transport_.close(client->id, engine::CloseMode::abort);
    }
  }
  for (const auto& visitor : visitors_) transport_.close(visitor->id, engine::CloseMode::abort);
}

}  // namespace parsec::bench
