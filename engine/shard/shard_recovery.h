// The shard's loop, fourth part: starting over when the kernel lost completions.
//
// It does so when it has no memory left for them (EBADR, io_uring_enter(2)). Then any operation may
// have ended without a word: a connection would wait for ever, or its slot get a new owner under an
// operation of the old one. So all connections of this shard end, and it serves on with a ring in
// which nothing is in flight; the other shards are not concerned.
#pragma once

#include "engine/shard/shard.h"

namespace parsec::engine {

template <Ring R>
void Shard<R>::start_over(Handler& handler) {
  log::critical(
      "Completions were dropped",
      "The kernel had no memory for completions of io_uring and dropped some: a shard ends its {} "
      "connections and starts over. This machine needs more memory",
      log::field("connections", table_.live()));
  std::vector<std::uint32_t> ended;
  for (std::uint32_t slot = 0; slot < table_.used(); ++slot) {
    if (table_.at(slot).state == ConnectionState::free) continue;
    begin_ending(slot, CloseReason::internal_error, CloseMode::abort);
    ended.push_back(slot);
  }
  // After this nobody writes into their memory, or reads from it.
  ring_.restart();
  for (const std::uint32_t slot : ended) forget_connection(slot);
  for (auto* list : {&dirty_, &resumed_, &retries_, &starved_}) list->clear();
  for (Listener& listener : listeners_) listener.accepting = listener.cancelling = false;
  waking_ = cancelling_waking_ = false;
  gather_ = 1;

  // The handler is told when all are gone: whatever it asks for then concerns none of them.
  for (const std::uint32_t slot : ended) {
    const ConnectionId id = table_.id_of(slot);
    const CloseReason reason = table_.at(slot).reason;
    table_.release(slot);
    counters_.add_closed(reason);
    handler.on_closed(id, reason);
  }
}

/// Nothing of it is in flight. Its socket was closed already if that had been started.
template <Ring R>
void Shard<R>::forget_connection(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  if (!connection.closing) {
    if (connection.reset_on_close) ring_.reset_on_close(connection.socket);
    ring_.close_now(connection.socket);
  }
  connection.receiving = connection.send_in_flight = connection.watching_hangup = false;
  connection.cancelling_receive = connection.cancelling_send = false;
  connection.cancelling_hangup = connection.closing = false;
  connection.is_dirty = connection.is_resumed = connection.is_starved = false;
  wheel_.clear(slot);
  give_back_output(connection);
}

}  // namespace parsec::engine
