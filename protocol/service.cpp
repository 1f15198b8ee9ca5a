#include "protocol/service.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/log.h"

namespace parsec::protocol {

namespace {

/// Items taken from each queue in a turn, so that none starves the sockets.
constexpr int items_per_turn = 1024;

}  // namespace

Service::Service(const Settings& settings, engine::Transport& transport, db::Gateway& database,
                 db::BlockStore& blocks, EventInbox& events, Outbox& outbox,
                 ClaimerCounts& claimers, engine::MemoryBudget& memory, std::uint32_t shard)
    : settings_(settings),
      transport_(transport),
      database_(database),
      blocks_(blocks),
      events_(events),
      outbox_(outbox),
      presence_(database, claimers,
                [this](engine::ConnectionId claimer) {
                  if (auto* session = find(claimer)) session->on_presence_told();
                }),
      pages_(settings.backend_address, settings.server_name),
      wrong_tokens_(settings.wrong_token_pause, settings.most_wrong_token_pause),
      memory_(memory),
      held_(memory),
      shard_(shard) {}

Service::~Service() = default;

void Service::on_open(engine::ConnectionId connection, std::string_view peer_address) {
  if (connection.slot >= sessions_.size()) sessions_.resize(connection.slot + 1);
  assert(sessions_[connection.slot] == nullptr);
  sessions_[connection.slot] = std::make_unique<Session>(*this, connection, peer_address);
  log::info("connection {:x}: opened by {}", connection.packed(), peer_address);
  list_stranger(connection, peer_address);
}

void Service::list_stranger(engine::ConnectionId connection, std::string_view peer_address) {
  const auto idles = [this](engine::ConnectionId id) {
    const Session* session = find(id);
    return session != nullptr && session->idles_as_stranger();
  };
  const auto leaving =
      strangers_.add(connection, peer_address,
                     {settings_.max_strangers, settings_.max_strangers_of_an_address}, idles);
  if (!leaving) return;
  if (const auto count = turned_away_.add(transport_.now())) {
    log::warn(
        "{} connections of strangers ended for others since the last such line, the newest from "
        "{}: "
        "see --max-strangers, --max-strangers-of-an-address",
        *count, peer_address);
  }
  find(*leaving)->leave_as_stranger();
}

void Service::on_data(engine::ConnectionId connection, std::span<std::byte> bytes) {
  if (auto* session = find(connection)) {
    session->on_data(bytes);
    count_memory(*session);
  }
}

void Service::on_drained(engine::ConnectionId connection) {
  if (auto* session = find(connection)) {
    session->on_drained();
    count_memory(*session);
  }
}

void Service::on_deadline(engine::ConnectionId connection) {
  if (auto* session = find(connection)) {
    session->on_deadline();
    count_memory(*session);
  }
}

void Service::on_closed(engine::ConnectionId connection, engine::CloseReason reason) {
  assert(find(connection) != nullptr);
  log::info("connection {:x}: closed, {}", connection.packed(), engine::name(reason));
  strangers_.remove(connection);
  held_.add(-static_cast<std::int64_t>(sessions_[connection.slot]->counted_bytes));
  sessions_[connection.slot].reset();
}

bool Service::on_turn() {
  bool more = drain_replies();
  more |= drain_blocks();
  more |= drain_events();
  more |= run_yielding();
  retry_waiting();
  relieve_memory();
  check_messages();
  database_.flush();
  blocks_.flush();
  return more;
}

bool Service::has_work() const {
  return database_.has_replies() || blocks_.has_completions() || !events_.empty();
}

void Service::on_shutdown() {
  shutting_down_ = true;
  for (auto& session : sessions_) {
    if (session) session->on_shutdown();
  }
}

Session* Service::find(engine::ConnectionId connection) {
  if (connection.slot >= sessions_.size()) return nullptr;
  auto* session = sessions_[connection.slot].get();
  return session != nullptr && session->connection() == connection ? session : nullptr;
}

bool Service::drain_replies() {
  for (int taken = 0; taken < items_per_turn; ++taken) {
    auto* request = database_.next_reply();
    if (request == nullptr) return false;
    if (blocks_.take_reply(request) || presence_.take_reply(request)) continue;
    if (auto* session = find(engine::ConnectionId::unpacked(request->tag))) {
      session->on_database_reply(request);
      count_memory(*session);
    } else {
      database_.release(request);
    }
  }
  return true;
}

bool Service::drain_blocks() {
  for (int taken = 0; taken < items_per_turn; ++taken) {
    auto* job = blocks_.next_completion();
    if (job == nullptr) return false;
    if (auto* session = find(engine::ConnectionId::unpacked(job->tag))) {
      session->on_block_reply(job);
      count_memory(*session);
    } else {
      blocks_.release(job);
    }
  }
  return true;
}

bool Service::drain_events() {
  InboxItem item;
  for (int taken = 0; taken < items_per_turn; ++taken) {
    if (!events_.next(item)) return false;
    switch (item.kind) {
      case InboxItem::Kind::event:
        presence_.hear(item.event->event());
        router_.route(EventPointer{item.event});
        break;
      case InboxItem::Kind::fence_kept:
      case InboxItem::Kind::fence_broken:
        if (auto* session = find(engine::ConnectionId::unpacked(item.token))) {
          session->on_fence(item.kind == InboxItem::Kind::fence_kept);
        }
        break;
      case InboxItem::Kind::gap:
        log::warn("notifications may have been missed: closing the subscribed connections");
        router_.route_gap();
        break;
    }
  }
  return true;
}

void Service::retry_waiting() {
  presence_.retry();
  // Each is asked once: who finds the ring full again puts itself back.
  for (auto waiting = std::exchange(waiting_, {}); const auto connection : waiting) {
    if (auto* session = find(connection)) {
      session->on_database_capacity();
      count_memory(*session);
    }
  }
  for (auto waiting = std::exchange(waiting_blocks_, {}); const auto connection : waiting) {
    if (auto* session = find(connection)) {
      session->on_block_capacity();
      count_memory(*session);
    }
  }
}

// --- Memory

/// Output that waits is counted again when it is gone.
void Service::count_memory(Session& session) {
  const std::size_t held = session.held_bytes();
  if (held == session.counted_bytes) return;
  held_.add(static_cast<std::int64_t>(held) - static_cast<std::int64_t>(session.counted_bytes));
  session.counted_bytes = held;
  if (transport_.pending_output(session.connection()) > settings_.memory_free_bytes) {
    transport_.call_when_drained(session.connection());
  }
}

void Service::relieve_memory() {
  const auto pressure = memory_.pressure();
  if (pressure == engine::MemoryBudget::Pressure::none && waiting_memory_.empty()) return;
  if (transport_.now() < next_memory_check_) return;
  next_memory_check_ = transport_.now() + settings_.memory_check_interval;
  held_.tell();
  if (pressure == engine::MemoryBudget::Pressure::too_high) return end_largest_holder();
  if (pressure != engine::MemoryBudget::Pressure::none) return;
  for (const auto connection : std::exchange(waiting_memory_, {})) {
    if (auto* session = find(connection)) session->on_memory();
  }
}

/// Of this shard, if no other shard has a larger one.
void Service::end_largest_holder() {
  Session* largest = nullptr;
  for (const auto& session : sessions_) {
    if (!session) continue;
    if (largest == nullptr || session->counted_bytes > largest->counted_bytes) {
      largest = session.get();
    }
  }
  const std::size_t bytes = largest == nullptr ? 0 : largest->counted_bytes;
  if (!memory_.is_largest(shard_, bytes) || bytes < settings_.least_held_bytes) return;
  largest->end_for_memory(memory_.limit());
  count_memory(*largest);
  held_.tell();
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

engine::TimePoint Service::next_work() const {
  auto next = engine::TimePoint::max();
  if (is_short_of_memory() || !waiting_memory_.empty()) next = next_memory_check_;
  if (!begun_messages_.empty()) next = std::min(next, next_message_check_);
  return next;
}

// --- Long replies

/// One slice of one reply in a turn, each time another organization's if there is one. True: more
/// are waiting.
bool Service::run_yielding() {
  if (yielding_.empty()) return false;
  const auto is_other = [this](const Yielding& one) {
    return one.organization != served_organization_;
  };
  auto next = std::ranges::find_if(yielding_, is_other);
  if (next == yielding_.end()) next = yielding_.begin();
  const Yielding one = *next;
  yielding_.erase(next);
  served_organization_ = one.organization;
  if (auto* session = find(one.connection)) {
    session->on_turn_again();
    count_memory(*session);
  }
  return !yielding_.empty();
}

}  // namespace parsec::protocol
