// A round: requests when they are due, replies, and what is told of them.
#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

#include "bench/load/generator.h"
#include "bench/load/generator_client.h"
#include "bench/load/requests.h"

namespace parsec::bench {

using engine::Clock;
using engine::TimePoint;

namespace {

std::string_view status_of(const msgpack::Value& reply) {
  const auto status = reply.find("status");
  return status && status->kind() == msgpack::Kind::str ? status->str() : "no status";
}

}  // namespace

bool Generator::has_work() const { return control_.has_round() || Clock::now() >= next_work(); }

TimePoint Generator::next_work() const {
  TimePoint next = TimePoint::max();
  if (!stopping_ && !to_dial_.empty() && dialling_ < most_dialling) next = next_dial_;
  if (!running_) return next;
  if (next_arrival_ != TimePoint::max()) return std::min(next, next_arrival_);
  const bool awaits_replies = under_way_ > 0 || !waiting_.empty();
  return std::min(next, awaits_replies ? ends_ + load_.patience : ends_);
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
  while (now >= start_ && now < ends_ && now >= dials_fail_until_ && under_way_ < wanted &&
         !free_.empty()) {
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
  if (!socket) return fail_to_visit(request, socket.error());
  const auto id = shard_.adopt(*socket);
  assert(id);
  visitor->id = *id;
  visitor->state = Client::State::busy;
  if (by_slot_.size() <= id->slot) by_slot_.resize(id->slot + 1);
  by_slot_[id->slot] = visitor.get();
  visitor->session.open(shard_.output(*id));
  visitors_.push_back(std::move(visitor));
}

/// Not tried again at once: whatever is missing would be missing again, for ever. What this machine
/// has too little of ends the round, since nothing that it measured would be the server's.
void Generator::fail_to_visit(const UnderWay& request, int error) {
  const TimePoint now = Clock::now();
  settle(request, "no_reply", now);
  if (load_.kind == Load::Kind::closed) next_arrival_ = std::min(ends_, now + redial_pause);
  dials_fail_until_ = now + redial_pause;
  if (const std::string_view lack = lack_behind(error); !lack.empty()) {
    result_.failure = lack;
    ends_ = std::min(ends_, now);
    next_arrival_ = TimePoint::max();
  }
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
  if (!running_) return;
  CommandResult& result = result_.commands[request.share];
  if (status != "no_reply" && now >= counts_from_ && now <= ends_) ++result.completed;
  if (!request.counts) return;
  ++result.replies[std::string{status}];
  if (status == "no_reply") return;
  result.latency.record(static_cast<std::uint64_t>((now - request.intended).count()));
  result.service.record(static_cast<std::uint64_t>((now - request.sent).count()));
}

/// Of a request that is still under way when nobody waits any longer. Its connection ends, so that
/// a late reply is of no account; nor is its end, which may come in the next round.
void Generator::abandon(Client& client) {
  if (client.request.counts) ++result_.commands[client.request.share].replies["no_reply"];
  client.request.counts = false;
  shard_.close(client.id, engine::CloseMode::abort);
}

void Generator::maybe_finish(TimePoint now) {
  if (!running_ || now < ends_) return;
  const bool awaits_replies = under_way_ > 0 || !waiting_.empty();
  if (awaits_replies && result_.failure.empty() && now < ends_ + load_.patience) return;
  for (const auto& client : clients_) {
    if (client->state == Client::State::busy) abandon(*client);
  }
  for (const auto& visitor : visitors_) {
    if (visitor->state == Client::State::busy) abandon(*visitor);
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

}  // namespace parsec::bench
