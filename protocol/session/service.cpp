#include "protocol/session/service.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

#include "engine/host/log.h"

namespace parsec::protocol {

namespace {

/// Items taken from each queue in a turn, so that none starves the sockets.
constexpr int items_per_turn = 1024;

}  // namespace

Service::Service(const Settings& settings, engine::Transport& transport, db::Gateway& database,
                 db::BlockStore& blocks, EventInbox& events, Outbox& outbox,
                 ClaimerCounts& claimers, engine::MemoryBudget& memory, Counts& counts,
                 std::uint32_t shard)
    : settings_(settings),
      transport_(transport),
      database_(database),
      blocks_(blocks),
      events_(events),
      outbox_(outbox),
      counts_(counts),
      presence_(database, claimers,
                [this](engine::ConnectionId claimer) {
                  if (auto* session = find(claimer)) session->on_presence_told();
                }),
      expirations_(database, [this](const EventPointer& event) { router_.route(event); }),
      pages_(settings.backend_address, settings.server_name),
      wrong_tokens_(settings.wrong_token_pause, settings.most_wrong_token_pause),
      memory_(memory),
      held_(memory),
      shard_(shard),
      shards_(memory.shards()) {}

Service::~Service() = default;

void Service::on_open(engine::ConnectionId connection, std::string_view peer_address) {
  if (connection.slot >= sessions_.size()) sessions_.resize(connection.slot + 1);
  assert(sessions_[connection.slot] == nullptr);
  sessions_[connection.slot] = std::make_unique<Session>(*this, connection, peer_address);
  log::info("Connection opened", "connection {}: opened by {}", log::connection(shard_, connection),
            log::field("peer", peer_address));
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
        "Strangers made room",
        "{} connections of strangers ended for others since the last such line, the newest from "
        "{}: see --max-strangers, --max-strangers-of-an-address",
        log::field("count", *count), log::field("peer", peer_address));
  }
  Session& leaver = *find(*leaving);
  leaver.leave_as_stranger();
  count_memory(leaver);
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
  const Identity& identity = sessions_[connection.slot]->identity();
  log::info("Connection closed", "connection {}: closed, {}", log::connection(shard_, connection),
            log::field("reason", engine::name(reason)),
            log::field("organization_id", identity.organization_id),
            log::field("device_id", identity.device_id));
  strangers_.remove(connection);
  Session& session = *sessions_[connection.slot];
  session.count_end(reason);
  recount(session, 0, 0);
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
    if (blocks_.take_reply(request) || presence_.take_reply(request) ||
        expirations_.take_reply(request)) {
      continue;
    }
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
        hand_on(EventPointer{item.event});
        break;
      case InboxItem::Kind::fence_kept:
      case InboxItem::Kind::fence_broken:
        if (auto* session = find(engine::ConnectionId::unpacked(item.token))) {
          session->on_fence(item.kind == InboxItem::Kind::fence_kept);
          count_memory(*session);
        }
        break;
      case InboxItem::Kind::gap:
        log::warn("Notifications may have been missed",
                  "notifications may have been missed: closing the subscribed connections",
                  log::field("shard", shard_));
        router_.route_gap();
        break;
    }
  }
  return true;
}

void Service::hand_on(const EventPointer& event) {
  const Event& content = event->event();
  presence_.hear(content);
  if (!std::holds_alternative<OrganizationExpired>(content.content)) return router_.route(event);
  if (router_.has_sessions_of(content.organization_id)) expirations_.start(event);
}

void Service::retry_waiting() {
  presence_.retry();
  expirations_.retry();
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

engine::TimePoint Service::next_work() const {
  auto next = next_memory_check();
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
