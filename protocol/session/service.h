// One shard's protocol: creates and finds the sessions, and feeds them what comes from elsewhere:
// database replies, events, block store completions.
//
// Shard thread only. Sessions are found by connection slot; a reply for a connection that has
// ended meanwhile is dropped here.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "db/blocks/block_store.h"
#include "db/driver/gateway.h"
#include "engine/handler.h"
#include "engine/host/memory_budget.h"
#include "engine/host/occasional.h"
#include "protocol/events/claimer_presence.h"
#include "protocol/events/event_bus.h"
#include "protocol/events/expiration_check.h"
#include "protocol/mail/outbox.h"
#include "protocol/pages/pages.h"
#include "protocol/session/counts.h"
#include "protocol/session/event_router.h"
#include "protocol/session/session.h"
#include "protocol/session/settings.h"
#include "protocol/session/strangers.h"
#include "protocol/session/wrong_tokens.h"

namespace parsec::protocol {

class Service final : public engine::Handler {
 public:
  /// Everything outlives the service.
  Service(const Settings& settings, engine::Transport& transport, db::Gateway& database,
          db::BlockStore& blocks, EventInbox& events, Outbox& outbox, ClaimerCounts& claimers,
          engine::MemoryBudget& memory, Counts& counts, std::uint32_t shard);
  ~Service() override;

  void on_open(engine::ConnectionId connection, std::string_view peer_address) override;
  void on_data(engine::ConnectionId connection, std::span<std::byte> bytes) override;
  void on_drained(engine::ConnectionId connection) override;
  void on_deadline(engine::ConnectionId connection) override;
  void on_closed(engine::ConnectionId connection, engine::CloseReason reason) override;
  bool on_turn() override;
  bool has_work() const override;
  engine::TimePoint next_work() const override;
  void on_shutdown() override;

  // --- For sessions

  const Settings& settings() const { return settings_; }
  engine::Transport& transport() { return transport_; }
  std::uint32_t shard() const { return shard_; }
  db::Gateway& database() { return database_; }
  db::BlockStore& blocks() { return blocks_; }
  EventRouter& router() { return router_; }
  Outbox& outbox() { return outbox_; }
  Counts& counts() { return counts_; }
  ClaimerPresence& presence() { return presence_; }
  const Pages& pages() const { return pages_; }
  bool shutting_down() const { return shutting_down_; }
  WrongTokens& wrong_tokens() { return wrong_tokens_; }
  void no_stranger_any_more(engine::ConnectionId connection) { strangers_.remove(connection); }

  /// The ring to the database was full: on_database_capacity() is called when it may have room.
  void wait_for_database(engine::ConnectionId connection) { waiting_.push_back(connection); }
  bool is_short_of_memory() const {
    return memory_.pressure() != engine::MemoryBudget::Pressure::none;
  }
  /// on_memory() is called when there is more.
  void wait_for_memory(engine::ConnectionId connection) { waiting_memory_.push_back(connection); }
  /// It has begun a message, whose end should come.
  void watch_message(engine::ConnectionId connection);
  /// on_turn_again() is called in a later turn, organizations in turn.
  void yield_turn(engine::ConnectionId connection, std::uint64_t organization) {
    yielding_.push_back({connection, organization});
  }

  /// Same for the block store: on_block_capacity().
  void wait_for_blocks(engine::ConnectionId connection) { waiting_blocks_.push_back(connection); }

 private:
  Session* find(engine::ConnectionId connection);
  void list_stranger(engine::ConnectionId connection, std::string_view peer_address);
  bool drain_replies();
  bool drain_blocks();
  bool drain_events();
  void hand_on(const EventPointer& event);
  void retry_waiting();
  void count_memory(Session& session);
  void recount(Session& session, std::size_t held, std::size_t strange);
  engine::TimePoint next_memory_check() const;
  void relieve_memory();
  void relieve_used_up(engine::TimePoint now);
  void relieve_waiting(engine::TimePoint now);
  std::vector<Session*> holders_of(std::size_t least_bytes) const;
  void end_largest(std::span<Session* const> holders, std::size_t to_free);
  std::int64_t strangers_may_hold() const;
  void end_strangers_that_hold_too_much();
  void check_messages();
  bool run_yielding();

  const Settings& settings_;
  engine::Transport& transport_;
  db::Gateway& database_;
  db::BlockStore& blocks_;
  EventInbox& events_;
  Outbox& outbox_;
  Counts& counts_;
  ClaimerPresence presence_;
  ExpirationCheck expirations_;
  const Pages pages_;
  EventRouter router_;
  std::vector<std::unique_ptr<Session>> sessions_;  // by slot
  Strangers strangers_;
  WrongTokens wrong_tokens_;
  engine::Occasional turned_away_;  // strangers, of which there are too many
  std::deque<engine::ConnectionId> waiting_;
  std::deque<engine::ConnectionId> waiting_blocks_;

  engine::MemoryBudget& memory_;
  engine::MemoryBudget::Share held_;
  std::int64_t strangers_held_ = 0;  // of these
  const std::uint32_t shard_;
  const std::uint32_t shards_;
  engine::TimePoint last_memory_check_{};
  std::optional<engine::TimePoint> used_up_since_;
  std::vector<engine::ConnectionId> waiting_memory_;
  std::optional<engine::TimePoint> waiting_memory_since_;
  engine::Occasional greedy_strangers_;
  engine::TimePoint next_message_check_{};
  std::vector<engine::ConnectionId> begun_messages_;

  struct Yielding {
    engine::ConnectionId connection;
    std::uint64_t organization;
  };
  std::deque<Yielding> yielding_;
  std::uint64_t served_organization_ = 0;  // the last that yielded and went on
  bool shutting_down_ = false;
};

}  // namespace parsec::protocol
