// What the sessions of a shard hold, and who goes when it is too much.
#include <algorithm>
#include <functional>
#include <utility>

#include "engine/host/log.h"
#include "protocol/session/service.h"

namespace parsec::protocol {

namespace {

using Pressure = engine::MemoryBudget::Pressure;

constexpr std::size_t mebibyte = 1 << 20;

}  // namespace

// --- Counting

/// Output that waits is counted again when it is gone.
void Service::count_memory(Session& session) {
  const std::size_t held = session.held_bytes();
  const std::size_t strange = session.is_stranger() ? held : 0;
  if (held == session.counted_bytes && strange == session.counted_strange_bytes) return;
  recount(session, held, strange);
  if (transport_.pending_output(session.connection()) > 0 && held > settings_.memory_free_bytes) {
    transport_.call_when_drained(session.connection());
  }
}

void Service::recount(Session& session, std::size_t held, std::size_t strange) {
  const auto change = [](std::size_t from, std::size_t to) {
    return static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from);
  };
  held_.add(change(session.counted_bytes, held));
  strangers_held_ += change(session.counted_strange_bytes, strange);
  session.counted_bytes = held;
  session.counted_strange_bytes = strange;
}

// --- When it is short

engine::TimePoint Service::next_memory_check() const {
  const bool has_duties = is_short_of_memory() || !waiting_memory_.empty() || used_up_since_ ||
                          strangers_held_ > strangers_may_hold();
  return has_duties ? last_memory_check_ + settings_.memory_check_interval
                    : engine::TimePoint::max();
}

void Service::relieve_memory() {
  const auto now = transport_.now();
  if (now < next_memory_check()) return;
  last_memory_check_ = now;
  held_.tell();
  end_strangers_that_hold_too_much();
  const auto pressure = memory_.pressure();
  if (pressure == Pressure::too_high) return relieve_used_up(now);
  if (std::exchange(used_up_since_, {})) memory_.is_largest(shard_, 0);
  if (pressure == Pressure::high) return relieve_waiting(now);
  waiting_memory_since_.reset();
  for (const auto connection : std::exchange(waiting_memory_, {})) {
    if (auto* session = find(connection)) session->on_memory();
  }
}

/// The shards first hear of it, and then know the largest holder of each.
void Service::relieve_used_up(engine::TimePoint now) {
  const bool begins = !used_up_since_;
  if (begins) {
    used_up_since_ = now;
    memory_.wake_others(shard_);
  }
  // Very many that hold little each are too much together, if it is they who hold it.
  const bool are_many = now - *used_up_since_ >= settings_.memory_patience &&
                        held_.held() > static_cast<std::int64_t>(memory_.limit() / 2 / shards_);
  const std::size_t least =
      are_many ? settings_.least_held_bytes_of_many : settings_.least_held_bytes;
  auto holders = holders_of(least);
  const std::size_t largest = holders.empty() ? 0 : holders.front()->counted_bytes;
  if (!memory_.is_largest(shard_, largest) || (begins && shards_ > 1)) return;
  end_largest(holders, memory_.excess_over(Pressure::too_high));
}

/// Whoever holds much and does not move must not keep others waiting for ever.
void Service::relieve_waiting(engine::TimePoint now) {
  if (waiting_memory_.empty()) return waiting_memory_since_.reset();
  if (!waiting_memory_since_) waiting_memory_since_ = now;
  if (now - *waiting_memory_since_ < settings_.memory_patience) return;
  waiting_memory_since_ = now;
  auto holders = holders_of(settings_.least_held_bytes);
  end_largest(holders, memory_.excess_over(Pressure::high));
}

/// Largest first.
std::vector<Session*> Service::holders_of(std::size_t least_bytes) const {
  std::vector<Session*> holders;
  for (const auto& session : sessions_) {
    if (!session || session->ended_for_memory()) continue;
    if (session->counted_bytes >= least_bytes) holders.push_back(session.get());
  }
  std::ranges::sort(holders, std::greater{}, &Session::counted_bytes);
  return holders;
}

/// And those that hold at least half as much, as long as there is too little.
void Service::end_largest(std::span<Session* const> holders, std::size_t to_free) {
  if (holders.empty()) return;
  std::size_t leaving = 0;  // what was ended before goes back when the kernel lets go of it
  for (const auto& session : sessions_) {
    if (session && session->ended_for_memory()) leaving += session->counted_bytes;
  }
  const std::size_t least = holders.front()->counted_bytes / 2;
  for (Session* holder : holders) {
    const std::size_t bytes = holder->counted_bytes;
    if (leaving >= to_free || bytes < least) break;
    leaving += bytes;
    const Identity& identity = holder->identity();
    log::warn(
        "Connection dropped: memory is short",
        "connection {}: organization={} device={} ended: of all connections it holds the most "
        "memory, {:.1f} MiB, and all together too much of the {} MiB that they may "
        "(--memory-limit)",
        log::connection(shard_, holder->connection()),
        log::field("organization_id", identity.organization_id),
        log::field("device_id", identity.device_id),
        log::field("held_mib", static_cast<double>(bytes) / mebibyte),
        log::field("limit_mib", memory_.limit() / mebibyte));
    holder->end_for_memory();
    count_memory(*holder);
  }
  held_.tell();
}

// --- Strangers

std::int64_t Service::strangers_may_hold() const {
  return static_cast<std::int64_t>(memory_.limit() / settings_.strangers_part_of_memory / shards_);
}

/// Those that hold the most of what they may hold together.
void Service::end_strangers_that_hold_too_much() {
  if (strangers_held_ <= strangers_may_hold()) return;
  std::vector<Session*> holders;
  for (const auto& session : sessions_) {
    if (session && session->counted_strange_bytes > 0) holders.push_back(session.get());
  }
  std::ranges::sort(holders, std::greater{}, &Session::counted_strange_bytes);
  for (Session* holder : holders) {
    if (strangers_held_ <= strangers_may_hold()) return;
    if (const auto count = greedy_strangers_.add(transport_.now())) {
      log::warn(
          "Strangers held too much memory",
          "{} connections of strangers ended since the last such line, for all together held more "
          "memory than they may, {:.1f} MiB: see --memory-limit",
          log::field("count", *count),
          log::field("limit_mib", static_cast<double>(strangers_may_hold()) / mebibyte));
    }
    holder->end_for_memory();
    count_memory(*holder);
  }
}

// --- Messages that were begun

void Service::watch_message(engine::ConnectionId connection) {
  if (begun_messages_.empty()) {
    next_message_check_ = transport_.now() + settings_.message_progress_time;
  }
  begun_messages_.push_back(connection);
}

void Service::check_messages() {
  if (begun_messages_.empty() || transport_.now() < next_message_check_) return;
  next_message_check_ = transport_.now() + settings_.message_progress_time;
  std::erase_if(begun_messages_, [this](engine::ConnectionId connection) {
    auto* session = find(connection);
    if (session == nullptr) return true;
    const auto progress = session->look_at_message(settings_.message_progress_bytes);
    if (progress == Session::Progress::no_message) return true;
    if (progress == Session::Progress::enough) return false;
    session->end_as_too_slow();
    count_memory(*session);
    return true;
  });
}

}  // namespace parsec::protocol
