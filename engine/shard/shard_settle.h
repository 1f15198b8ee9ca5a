// The shard's loop, third part: looks at what is true of a connection and starts what is missing.
//
// Idempotent: settling a connection twice does nothing the second time. Whatever could not be
// started because the submission queue was full is tried again in the next turn.
#pragma once

#include "engine/shard/shard.h"

namespace parsec::engine {

template <Ring R>
void Shard<R>::settle_all() {
  feed_starved();
  working_.clear();
  std::swap(working_, dirty_);
  for (const std::uint32_t slot : working_) settle(slot);
  assert(dirty_.empty());
  for (const std::uint32_t slot : retries_) mark_dirty(slot);
  retries_.clear();
}

template <Ring R>
void Shard<R>::settle(std::uint32_t slot) {
  // A step may move the connection to a later state, so each looks at the state as it is by then.
  Connection& connection = table_.at(slot);
  if (connection.state == ConnectionState::free) return;
  // Still set while it is worked on, so that a step to the next state does not list it once more.
  connection.is_dirty = true;
  if (connection.state <= ConnectionState::flushing) settle_output(slot);
  if (connection.state == ConnectionState::flushing && connection.pending_output() == 0) {
    if (!connection.peer_ended) ring_.shutdown_write(connection.socket);
    begin_lingering(slot);
  }
  if (connection.state == ConnectionState::lingering && connection.peer_ended) {
    begin_ending(slot, connection.reason, CloseMode::after_flush);
  }
  if (connection.state <= ConnectionState::lingering) settle_input(slot);
  if (connection.state == ConnectionState::ending) settle_ending(slot);
  connection.is_dirty = false;
}

template <Ring R>
void Shard<R>::settle_output(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  if (connection.send_in_flight) {
    if (connection.state == ConnectionState::open && exceeds_output_limit(connection)) {
      begin_ending(slot, CloseReason::output_limit, CloseMode::abort);
    }
    return;
  }
  if (!take_output(connection)) return;
  const auto rest = connection.sending.bytes().subspan(connection.sent);
  if (!ring_.send(table_.id_of(slot), connection.socket, rest)) return try_again(slot);
  connection.send_in_flight = true;
}

template <Ring R>
void Shard<R>::settle_input(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  const ConnectionId id = table_.id_of(slot);
  if (connection.receiving) {
    // A pause costs nothing until data arrives in spite of it; then TCP must hold the peer back.
    if (connection.paused && !connection.backlog.empty() && !connection.cancelling_receive) {
      if (!ring_.cancel_receive(id)) return try_again(slot);
      counters_.add(Count::cancels);
      connection.cancelling_receive = true;
    }
    return;
  }
  if (connection.peer_ended) return;
  if (connection.paused) {
    if (connection.watching_hangup) return;
    if (!ring_.watch_hangup(id, connection.socket)) return try_again(slot);
    connection.watching_hangup = true;
    return;
  }
  if (connection.is_starved) return;
  if (!ring_.receive(id, connection.socket)) return try_again(slot);
  connection.receiving = true;
  if (connection.received_before) counters_.add(Count::receive_rearmed);
  connection.received_before = true;
}

/// False: the ring has no room for all of it now.
template <Ring R>
bool Shard<R>::cancel_in_flight(Connection& connection, ConnectionId id) {
  if (connection.receiving && !connection.cancelling_receive) {
    if (!ring_.cancel_receive(id)) return false;
    connection.cancelling_receive = true;
    counters_.add(Count::cancels);
  }
  if (connection.send_in_flight && !connection.cancelling_send) {
    if (!ring_.cancel_send(id)) return false;
    connection.cancelling_send = true;
    counters_.add(Count::cancels);
  }
  if (connection.watching_hangup && !connection.cancelling_hangup) {
    if (!ring_.cancel_hangup(id)) return false;
    connection.cancelling_hangup = true;
    counters_.add(Count::cancels);
  }
  return true;
}

template <Ring R>
void Shard<R>::settle_ending(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  const ConnectionId id = table_.id_of(slot);
  if (connection.any_in_flight()) {
    if (connection.cancelled_all) return;
    if (!cancel_in_flight(connection, id)) return try_again(slot);
    connection.cancelled_all = true;
    wheel_.set(slot, now_, limits_.cancel_retry);
    return;
  }
  if (connection.closing) return;
  if (connection.reset_on_close) ring_.reset_on_close(connection.socket);
  if (!ring_.close(id, connection.socket)) return try_again(slot);
  connection.closing = true;
  wheel_.clear(slot);
  give_back_output(connection);
}

/// Lets the receives that found no buffer be armed, as many as there are buffers now.
template <Ring R>
void Shard<R>::feed_starved() {
  if (starved_.empty()) return;
  const std::size_t count = std::min<std::size_t>(starved_.size(), ring_.free_buffers());
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t slot = starved_[i];
    table_.at(slot).is_starved = false;
    mark_dirty(slot);
  }
  starved_.erase(starved_.begin(), starved_.begin() + static_cast<std::ptrdiff_t>(count));
  // The others follow in the next turn, which must come by itself: those armed now bring no
  // completion if they have nothing to receive (a buffer is asked for when a receive is armed).
  if (!starved_.empty()) busy_ = true;
}

template <Ring R>
void Shard<R>::settle_listeners() {
  for (std::uint32_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    if (listener.socket == Socket::none) continue;
    if (!stopping_) {
      if (listener.accepting || now_ < listener.resting_until) continue;
      listener.accepting = ring_.accept(listener.socket, index);
      if (!listener.accepting) busy_ = true;
    } else if (listener.accepting) {
      if (listener.cancelling) continue;
      listener.cancelling = ring_.cancel_accept(index);
      if (!listener.cancelling) busy_ = true;
    } else if (!listener.cancelling) {
      // From here on new connections are refused by the kernel instead of waiting for nobody.
      ring_.close_now(listener.socket);
      listener.socket = Socket::none;
    }
  }
}

template <Ring R>
void Shard<R>::settle_waking() {
  // Keeps listening to the waker while connections are left: the handler may need replies.
  const bool needed = !stopping_ || table_.live() > 0;
  if (needed && !waking_) {
    waking_ = ring_.wake_on(control_.waker.fd());
    if (!waking_) busy_ = true;
  } else if (!needed && waking_ && !cancelling_waking_) {
    cancelling_waking_ = ring_.cancel_wake();
    if (!cancelling_waking_) busy_ = true;
  }
}

template <Ring R>
void Shard<R>::try_again(std::uint32_t slot) {
  counters_.add(Count::submission_retries);
  retries_.push_back(slot);
}

}  // namespace parsec::engine
