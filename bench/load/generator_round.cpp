// The rounds of a generator: when requests go, and what became of them. See generator.h.
#include <algorithm>
#include <tuple>
#include <utility>

#include "bench/load/generator.h"
#include "bench/load/generator_client.h"

namespace parsec::bench {

using engine::TimePoint;

namespace {

/// Of a shard: 40 MB of intended times.
constexpr std::size_t most_waiting = 5'000'000;

}  // namespace

void Generator::start_round() {
  std::tie(load_, start_) = control_.take_round();
  ++round_;
  counts_from_ = start_ + load_.warm_up;
  ends_ = counts_from_ + load_.duration;
  result_ = {};
  for (const CommandShare& share : settings_.scenario.commands) {
    result_.commands.emplace_back().command = settings_.scenario.label(share);
  }
  waiting_.clear();
  arrivals_.reset();
  resumes_at_ = {};
  next_arrival_ = start_;
  if (load_.kind == Load::Kind::open) {
    arrivals_.emplace(ArrivalOptions{.pattern = load_.pattern,
                                     .rate_per_second = load_.rate,
                                     .shard = index_,
                                     .shards = settings_.shards,
                                     .seed = load_.seed});
    next_arrival_ = start_ + arrivals_->next();
  }
  running_ = true;
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

void Generator::send_due(TimePoint now) {
  while (next_arrival_ <= now) {
    const TimePoint intended = next_arrival_;
    next_arrival_ = start_ + arrivals_->next();
    if (next_arrival_ >= ends_) next_arrival_ = TimePoint::max();
    if (free_.empty()) {
      waiting_.push_back(intended);
      if (waiting_.size() > most_waiting) {
        return fail(
            "The rate is far beyond what the connections carry: millions of requests wait "
            "for a free one. Measure at a lower --rate");
      }
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
  while (now >= start_ && now < ends_ && now >= resumes_at_ && under_way_ < wanted &&
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
  UnderWay request{.share = choose(),
                   .intended = intended,
                   .sent = now,
                   .round = round_,
                   .counts = intended >= counts_from_};
  CommandResult& result = result_.commands[request.share];
  ++under_way_;
  if (request.counts) {
    ++result.sent;
    const TimePoint could = std::max(intended, client.free_since);
    result_.generator_delay.record(static_cast<std::uint64_t>((now - could).count()));
  }
  const CommandShare& share = settings_.scenario.commands[request.share];
  if (share.command == Command::handshake) return visit(client, request);
  client.state = Client::State::busy;
  client.request = request;
  client.received_bytes = 0;
  message_.clear();
  msgpack::Writer writer{message_};
  client.conversation.begin(share, writer);
  if (share.command == Command::fan_out) {
    settings_.fan_out->begin(client.placed.number, client.conversation.own_vlob(),
                             client.conversation.next_version());
  }
  const std::size_t bytes = say(client);
  if (request.counts) result.sent_bytes += bytes;
}

/// A handshake needs no free connection: the host is free again at once.
void Generator::visit(Client& host, const UnderWay& request) {
  auto visitor = std::make_unique<Client>(host.login, host.placed, settings_, random_);
  visitor->is_visitor = true;
  visitor->request = request;
  free_.push_back(&host);
  if (!open(*visitor, request.sent)) return settle(request, "no_reply", request.sent);
  visitor->state = Client::State::busy;
  visitors_.push_back(std::move(visitor));
}

void Generator::on_reply(Client& client, const msgpack::Value& reply, TimePoint now) {
  const UnderWay request = client.request;
  const CommandShare& share = settings_.scenario.commands[request.share];
  const bool ok = status_of(reply) == "ok";
  CommandResult* const counted =
      request.counts && running_ ? &result_.commands[request.share] : nullptr;
  if (counted != nullptr) {
    counted->received_bytes += std::exchange(client.received_bytes, 0);
  }
  message_.clear();
  msgpack::Writer writer{message_};
  if (client.conversation.goes_on(share, reply, writer)) {
    const std::size_t bytes = say(client);
    if (counted != nullptr) counted->sent_bytes += bytes;
    return;
  }
  if (share.command == Command::fan_out) {
    if (ok) {
      awaited_.push_back(&client);
      return take_fan_outs(now);
    }
    settings_.fan_out->take(client.placed.number);
  }
  settle(request, status_of(reply), now);
  become_free(client, now);
}

void Generator::take_fan_outs(TimePoint now) {
  for (std::size_t i = 0; i < awaited_.size();) {
    Client& client = *awaited_[i];
    if (!settings_.fan_out->is_over(client.placed.number)) {
      ++i;
      continue;
    }
    awaited_.erase(awaited_.begin() + static_cast<std::ptrdiff_t>(i));
    if (const auto seen = settings_.fan_out->take(client.placed.number)) {
      settle(client.request, "ok", *seen);
    } else {
      settle(client.request, "no_reply", now);
    }
    become_free(client, now);
  }
}

/// What belongs to a round that is over was counted there.
void Generator::settle(const UnderWay& request, std::string_view status, TimePoint now) {
  --under_way_;
  if (!running_ || request.round != round_) return;
  CommandResult& result = result_.commands[request.share];
  const bool answered = status != "no_reply";
  if (answered && now >= counts_from_ && now <= ends_) ++result.completed;
  if (!request.counts) return;
  ++result.replies[std::string{status}];
  if (!answered) return;
  result.latency.record(static_cast<std::uint64_t>((now - request.intended).count()));
  result.service.record(static_cast<std::uint64_t>((now - request.sent).count()));
}

TimePoint Generator::round_ends_by() const {
  const bool awaits_replies = under_way_ > 0 || !waiting_.empty();
  return awaits_replies && result_.failure.empty() ? ends_ + load_.patience : ends_;
}

void Generator::maybe_finish(TimePoint now) {
  if (!running_ || now < ends_ || now < round_ends_by()) return;
  // What is still under way has no reply; the connection ends, so that a late one is of no account.
  const auto abandon = [this](const Client& client) {
    if (client.state != Client::State::busy) return;
    const UnderWay& request = client.request;
    if (request.counts && request.round == round_) {
      ++result_.commands[request.share].replies["no_reply"];
    }
    transport_.close(client.id, engine::CloseMode::abort);
  };
  for (const auto& client : clients_) abandon(*client);
  for (const auto& visitor : visitors_) abandon(*visitor);
  for (const TimePoint intended : waiting_) {
    if (intended < counts_from_) continue;
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
