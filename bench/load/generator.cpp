#include "bench/load/generator.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "bench/load/requests.h"

namespace parsec::bench {

using engine::Clock;
using engine::ConnectionId;
using engine::TimePoint;
using namespace std::chrono_literals;

namespace {

/// Connections that are being opened at once: fewer than any server's backlog.
constexpr std::uint32_t most_dialling = 256;
/// Before a lost connection is opened again.
constexpr auto redial_pause = 100ms;
/// How long replies are waited for when a round is over.
constexpr auto patience = 10s;

std::string_view status_of(const msgpack::Value& reply) {
  const auto status = reply.find("status");
  return status && status->kind() == msgpack::Kind::str ? status->str() : "no status";
}

Uuid random_uuid(std::mt19937_64& random) {
  const std::array<std::uint64_t, 2> words{random(), random()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), uuid.bytes.size());
  return uuid;
}

std::uint32_t below(std::mt19937_64& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

}  // namespace

// --- GeneratorControl

void GeneratorControl::begin_round(const Load& load, TimePoint start) {
  {
    const std::lock_guard lock{mutex_};
    load_ = load;
    start_ = start;
    result_.reset();
    has_round_.store(true, std::memory_order_release);
  }
  shard_.waker.notify();
}

std::pair<Load, TimePoint> GeneratorControl::take_round() {
  const std::lock_guard lock{mutex_};
  has_round_.store(false, std::memory_order_relaxed);
  return {load_, start_};
}

void GeneratorControl::connected(std::string failure) {
  const std::lock_guard lock{mutex_};
  connected_ = std::move(failure);
  changed_.notify_all();
}

void GeneratorControl::finish_round(RoundResult result) {
  const std::lock_guard lock{mutex_};
  result_ = std::move(result);
  changed_.notify_all();
}

std::string GeneratorControl::await_connected() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return connected_.has_value(); });
  return *connected_;
}

RoundResult GeneratorControl::await_round() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return result_.has_value(); });
  return std::move(*result_);
}

// --- Connections

struct Generator::Client {
  enum class State : std::uint8_t { lost, dialling, preparing, free, busy };

  Client(Login login_in, const std::string& host)
      : login(std::move(login_in)), session(login, host) {}

  Login login;
  ClientSession session;
  ConnectionId id;
  State state = State::lost;
  bool is_visitor = false;
  DeviceNumber number;
  std::uint32_t prepared = 0;  // steps
  UnderWay request;
  TimePoint free_since;
  // What its requests are about.
  Uuid realm_id;
  Uuid own_vlob;
  std::int64_t own_version = 0;
  Uuid own_block;
  std::int64_t checkpoint = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};

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
    const bool no_room = socket.error() == EMFILE || socket.error() == ENFILE;
    if (no_room) give_up("Too few open files are allowed for so many connections (ulimit -n)");
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

// --- The round

bool Generator::has_work() const { return control_.has_round() || Clock::now() >= next_work(); }

TimePoint Generator::next_work() const {
  TimePoint next = TimePoint::max();
  if (!stopping_ && !to_dial_.empty() && dialling_ < most_dialling) next = next_dial_;
  if (!running_) return next;
  if (next_arrival_ != TimePoint::max()) return std::min(next, next_arrival_);
  const bool awaits_replies = under_way_ > 0 || !waiting_.empty();
  return std::min(next, awaits_replies ? ends_ + patience : ends_);
}

bool Generator::on_turn() {
  const TimePoint now = Clock::now();
  dial_lost(now);
  if (control_.has_round() && !running_) start_round();
  if (!running_) return false;
  if (load_.kind == Load::Kind::open) send_due(now);
  if (load_.kind == Load::Kind::closed && next_arrival_ <= now) {
    next_arrival_ = now < ends_ ? ends_ : TimePoint::max();
    send_closed(now);
  }
  maybe_finish(now);
  return false;
}

void Generator::start_round() {
  std::tie(load_, start_) = control_.take_round();
  counts_from_ = start_ + load_.warm_up;
  ends_ = counts_from_ + load_.duration;
  result_ = {};
  for (const CommandShare& share : settings_.scenario.commands) {
    result_.commands.emplace_back().command = name(share.command);
  }
  for (const auto& client : clients_) client->sent_bytes = client->received_bytes = 0;
  waiting_.clear();
  arrivals_.reset();
  if (load_.kind == Load::Kind::open) {
    arrivals_.emplace(ArrivalOptions{.pattern = load_.pattern,
                                     .rate_per_second = load_.rate,
                                     .shard = index_,
                                     .shards = settings_.shards,
                                     .seed = load_.seed});
    next_arrival_ = start_ + arrivals_->next();
  } else {
    next_arrival_ = start_;
  }
  running_ = true;
}

void Generator::send_due(TimePoint now) {
  while (next_arrival_ <= now) {
    const TimePoint intended = next_arrival_;
    next_arrival_ = start_ + arrivals_->next();
    if (next_arrival_ >= ends_) next_arrival_ = TimePoint::max();
    if (free_.empty()) {
      waiting_.push_back(intended);
      continue;
    }
    Client& client = *free_.front();
    free_.pop_front();
    send(client, intended, now);
  }
}

void Generator::send_closed(TimePoint now) {
  // Its share of those in flight; the first shards have one more where it does not come out even.
  const std::uint32_t wanted =
      load_.in_flight / settings_.shards + (index_ < load_.in_flight % settings_.shards ? 1 : 0);
  while (now >= start_ && now < ends_ && under_way_ < wanted && !free_.empty()) {
    Client& client = *free_.front();
    free_.pop_front();
    send(client, now, now);
  }
}

std::size_t Generator::choose() {
  const double at = static_cast<double>(random_() >> 11) * 0x1p-53 * thresholds_.back();
  const auto found = std::ranges::upper_bound(thresholds_, at);
  return std::min(static_cast<std::size_t>(found - thresholds_.begin()), thresholds_.size() - 1);
}

void Generator::send(Client& client, TimePoint intended, TimePoint now) {
  UnderWay request;
  request.share = choose();
  request.intended = intended;
  request.sent = now;
  request.counts = intended >= counts_from_;
  ++under_way_;
  if (request.counts) {
    ++result_.commands[request.share].sent;
    const TimePoint could = std::max(intended, client.free_since);
    result_.generator_delay.record(static_cast<std::uint64_t>((now - could).count()));
  }
  const CommandShare& share = settings_.scenario.commands[request.share];
  if (share.command == Command::handshake) return visit(client, request);
  client.state = Client::State::busy;
  client.request = request;
  scratch_.clear();
  write_request(client, share, scratch_);
  auto& out = shard_.output(client.id);
  const std::size_t before = out.size();
  ClientSession::send(out, scratch_.bytes());
  if (request.counts) result_.commands[request.share].sent_bytes += out.size() - before;
  client.received_bytes = 0;
}

/// A handshake needs no free connection: the host is free again at once.
void Generator::visit(Client& host, const UnderWay& request) {
  auto visitor = std::make_unique<Client>(host.login, settings_.host);
  visitor->is_visitor = true;
  visitor->request = request;
  free_.push_back(&host);
  const auto socket = settings_.target.dial(static_cast<std::uint8_t>(random_() % 64));
  const auto id = socket ? shard_.adopt(*socket) : std::nullopt;
  if (!id) return settle(request, "no_reply", Clock::now());
  visitor->id = *id;
  visitor->state = Client::State::busy;
  if (by_slot_.size() <= id->slot) by_slot_.resize(id->slot + 1);
  by_slot_[id->slot] = visitor.get();
  visitor->session.open(shard_.output(*id));
  visitors_.push_back(std::move(visitor));
}

void Generator::write_request(Client& client, const CommandShare& share,
                              engine::OutputBuffer& out) {
  msgpack::Writer writer{out};
  const Population& population = settings_.population;
  const std::uint32_t organization = client.number.organization;
  const auto filler = [&share] { return Octets(share.bytes, std::byte{'x'}); };
  switch (share.command) {
    case Command::ping:
      return requests::ping(writer, std::string(share.bytes, 'p'));
    case Command::vlob_create:
      return requests::vlob_create(writer, client.realm_id, random_uuid(random_), filler());
    case Command::vlob_read: {
      const auto realm = below(random_, population.size().realms);
      const auto vlob = below(random_, population.size().vlobs);
      return requests::vlob_read(writer, population.vlob_id(organization, realm, vlob));
    }
    case Command::vlob_update:
      return requests::vlob_update(writer, client.own_vlob, client.own_version + 1, filler());
    case Command::vlob_poll_changes:
      return requests::vlob_poll_changes(writer, client.realm_id, client.checkpoint);
    case Command::block_create:
      return requests::block_create(writer, client.realm_id, random_uuid(random_), filler());
    case Command::block_read:
      return requests::block_read(writer, client.own_block);
    case Command::user_get:
      return requests::user_get(writer,
                                Population::user_id(below(random_, population.size().users)));
    case Command::human_find:
      return requests::human_find(writer,
                                  Population::user_id(below(random_, population.size().users)));
    case Command::message_get:
      return requests::message_get(writer, 0);
    case Command::handshake:
      assert(false);
  }
}

void Generator::on_reply(Client& client, const msgpack::Value& reply, TimePoint now) {
  const std::string_view status = status_of(reply);
  if (client.state == Client::State::preparing) {
    if (status != "ok")
      give_up("The server refuses to prepare a connection: " + std::string{status});
    if (!prepare(client)) on_prepared(client, now);
    return;
  }
  if (client.state != Client::State::busy) return;  // nobody asked
  const UnderWay request = client.request;
  const Command command = settings_.scenario.commands[request.share].command;
  if (command == Command::vlob_update && status == "ok") ++client.own_version;
  if (command == Command::vlob_poll_changes && status == "ok") {
    const auto checkpoint = reply.find("current_checkpoint");
    if (checkpoint && checkpoint->kind() == msgpack::Kind::integer) {
      client.checkpoint = checkpoint->integer();
    }
  }
  if (request.counts) {
    result_.commands[request.share].received_bytes += client.received_bytes;
  }
  settle(request, status, now);
  become_free(client, now);
}

void Generator::settle(const UnderWay& request, std::string_view status, TimePoint now) {
  --under_way_;
  if (!request.counts || !running_) return;
  CommandResult& result = result_.commands[request.share];
  ++result.replies[std::string{status}];
  if (status == "no_reply") return;
  result.latency.record(static_cast<std::uint64_t>((now - request.intended).count()));
  result.service.record(static_cast<std::uint64_t>((now - request.sent).count()));
}

void Generator::maybe_finish(TimePoint now) {
  if (!running_ || now < ends_) return;
  if ((under_way_ > 0 || !waiting_.empty()) && now < ends_ + patience) return;
  // What is still under way has no reply; the connection ends, so that a late one is of no account.
  for (const auto& client : clients_) {
    if (client->state != Client::State::busy) continue;
    if (client->request.counts) ++result_.commands[client->request.share].replies["no_reply"];
    shard_.close(client->id, engine::CloseMode::abort);
  }
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i] < counts_from_) continue;
    auto& command = result_.commands[choose()];
    ++command.sent;
    ++command.replies["no_reply"];
  }
  waiting_.clear();
  running_ = false;
  next_arrival_ = TimePoint::max();
  control_.finish_round(std::move(result_));
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
