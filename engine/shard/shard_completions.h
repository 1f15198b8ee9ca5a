// The shard's loop, second part: what each completion and each deadline changes.
//
// Nothing is started here; settle() (shard_settle.h) does that at the end of the turn.
#pragma once

#include "engine/shard/shard.h"

namespace parsec::engine {

template <Ring R>
void Shard<R>::work_off_completions(Handler& handler) {
  std::uint32_t count = 0;
  for (Completion completion; count < limits_.completions_per_turn && ring_.next(completion);) {
    ++count;
    dispatch(completion, handler);
    if (completion.has_buffer) ring_.recycle(completion.buffer);
  }
  counters_.add(Count::completions, count);
  if (count == limits_.completions_per_turn) busy_ = true;
  if (count > 0) last_work_ = now_;
  // Twice what came last time, so that it grows with the load, and falls back at once with it.
  constexpr std::uint32_t worth_gathering = 16;
  gather_ = count < worth_gathering ? 1 : std::min(2 * count, limits_.wait_batch);
}

template <Ring R>
void Shard<R>::dispatch(const Completion& completion, Handler& handler) {
  switch (completion.operation) {
    case Operation::accept:
      return on_accepted(completion, handler);
    case Operation::cancel_accept:
      listeners_.at(completion.connection.slot).cancelling = false;
      return;
    case Operation::wake:
      waking_ = false;
      if (completion.result > 0) counters_.add(Count::wake_ups);
      return;
    case Operation::cancel_wake:
      cancelling_waking_ = false;
      return;
    default:
      break;
  }

  // Everything else is of a connection, and of an operation that its record knows to be in flight.
  const std::uint32_t slot = completion.connection.slot;
  Connection* connection = table_.find(completion.connection);
  if (connection == nullptr || !connection->in_flight(completion.operation)) {
    counters_.add(Count::stale_completions);
    return;
  }
  if (completion.operation == Operation::close) return on_closed(slot, handler);
  mark_dirty(slot);
  switch (completion.operation) {
    case Operation::receive:
      return on_received(slot, completion, handler);
    case Operation::send:
      return on_sent(slot, completion, handler);
    case Operation::hangup:
      return on_hangup(slot, completion.result);
    case Operation::cancel_receive:
      connection->cancelling_receive = false;
      return;
    case Operation::cancel_send:
      connection->cancelling_send = false;
      return;
    default:
      assert(completion.operation == Operation::cancel_hangup);
      connection->cancelling_hangup = false;
      return;
  }
}

template <Ring R>
void Shard<R>::on_accepted(const Completion& completion, Handler& handler) {
  Listener& listener = listeners_.at(completion.connection.slot);
  if (!completion.more) listener.accepting = false;
  if (completion.result < 0) {
    if (completion.result == -ECANCELED) return;
    if (concerns_one_connection(-completion.result)) {
      counters_.add(Count::accept_failures);
      return;
    }
    // Out of descriptors or memory, and whatever else: the connection stays in the kernel's queue,
    // accepting it again at once would spin.
    counters_.add(Count::accept_pauses);
    listener.resting_until = now_ + limits_.accept_pause;
    if (const auto count = not_accepted_.add(now_)) {
      log::warn(
          "Accepting failed",
          "Clients cannot be let in ({}): {} attempts since the last such line. See ulimit -n, "
          "LimitNOFILE of the service, fs.file-max",
          log::field("reason", std::generic_category().message(-completion.result)),
          log::field("count", *count));
    }
    return;
  }
  const auto socket = static_cast<Socket>(completion.result);
  const std::uint32_t slot = stopping_ ? ConnectionTable::no_slot : table_.acquire(socket);
  if (slot == ConnectionTable::no_slot) {
    counters_.add(Count::accept_refused);
    ring_.close_now(socket);
    if (stopping_) return;
    if (const auto count = turned_away_.add(now_)) {
      log::warn(
          "Clients turned away",
          "{} clients were turned away since the last such line: a shard has its {} connections. "
          "See --max-connections, and LimitNOFILE of the service",
          log::field("count", *count), log::field("connections", limits_.connections));
    }
    return;
  }
  counters_.add(Count::accepted);
  mark_dirty(slot);
  handler.on_open(table_.id_of(slot), ring_.peer_address(socket));
}

template <Ring R>
void Shard<R>::on_received(std::uint32_t slot, const Completion& completion, Handler& handler) {
  Connection& connection = table_.at(slot);
  if (!completion.more) connection.receiving = false;
  if (completion.result < 0) return on_receive_failed(slot, -completion.result);
  if (completion.result == 0) {
    connection.peer_ended = true;
    if (connection.state == ConnectionState::open) begin_flushing(slot, CloseReason::peer_closed);
    return;
  }
  counters_.add(Count::receives);
  counters_.add(Count::received_bytes, completion.bytes.size());
  counters_.add(connection.upgraded ? Count::upgraded_received_bytes : Count::first_received_bytes,
                completion.bytes.size());
  switch (connection.state) {
    case ConnectionState::open:
      if (connection.paused || !connection.backlog.empty()) {
        counters_.add(Count::kept_bytes, completion.bytes.size());
        connection.backlog.append(completion.bytes);
      } else {
        handler.on_data(completion.connection, completion.bytes);
      }
      return;
    case ConnectionState::lingering:
      connection.discarded += static_cast<std::uint32_t>(completion.bytes.size());
      if (connection.discarded > limits_.linger_bytes) {
        begin_ending(slot, connection.reason, CloseMode::abort);
      }
      [[fallthrough]];
    default:
      counters_.add(Count::discarded_bytes, completion.bytes.size());
  }
}

template <Ring R>
void Shard<R>::on_receive_failed(std::uint32_t slot, int error) {
  Connection& connection = table_.at(slot);
  switch (error) {
    case ECANCELED:  // we did it, to pause or to end
    case EAGAIN:
    case EINTR:
      return;
    case ENOBUFS:
      counters_.add(Count::receive_starved);
      // A multishot receive stays disarmed though data waits. It is armed again when buffers are
      // back, after those that starved before it; a timer would either spin or be late.
      if (!connection.receiving && !connection.is_starved) {
        connection.is_starved = true;
        starved_.push_back(slot);
      }
      return;
    default:
      begin_ending(slot, reason_of_error(error), CloseMode::abort);
  }
}

template <Ring R>
void Shard<R>::on_sent(std::uint32_t slot, const Completion& completion, Handler& handler) {
  Connection& connection = table_.at(slot);
  connection.send_in_flight = false;
  if (completion.result > 0) {
    counters_.add(Count::sends);
    const auto bytes = static_cast<std::uint64_t>(completion.result);
    counters_.add(Count::sent_bytes, bytes);
    counters_.add(connection.upgraded ? Count::upgraded_sent_bytes : Count::first_sent_bytes,
                  bytes);
    const bool drained = note_sent(slot, static_cast<std::size_t>(completion.result));
    if (drained) handler.on_drained(completion.connection);
    return;
  }
  switch (-completion.result) {
    case ECANCELED:
    case EAGAIN:
    case EINTR:
      return;
    default:
      begin_ending(slot, reason_of_error(-completion.result), CloseMode::abort);
  }
}

template <Ring R>
void Shard<R>::on_hangup(std::uint32_t slot, int result) {
  Connection& connection = table_.at(slot);
  connection.watching_hangup = false;
  // Only a paused connection needs it; otherwise the receive tells, after what is left to read.
  if (connection.state != ConnectionState::open || !connection.paused || result < 0) return;
  if ((result & (POLLERR | POLLHUP)) != 0) {
    begin_ending(slot, CloseReason::peer_reset, CloseMode::abort);
  } else {
    begin_flushing(slot, CloseReason::peer_closed);
  }
}

/// The terminal completion of the last operation: only now may the slot have a new owner.
template <Ring R>
void Shard<R>::on_closed(std::uint32_t slot, Handler& handler) {
  Connection& connection = table_.at(slot);
  connection.closing = false;
  if (connection.is_resumed) std::erase(resumed_, slot);
  if (connection.is_starved) std::erase(starved_, slot);
  connection.is_resumed = connection.is_starved = false;
  const ConnectionId id = table_.id_of(slot);
  const CloseReason reason = connection.reason;
  table_.release(slot);
  counters_.add_closed(reason);
  handler.on_closed(id, reason);
}

template <Ring R>
void Shard<R>::expire_deadlines(Handler& handler) {
  while (const auto slot = wheel_.pop_expired(now_)) {
    Connection& connection = table_.at(*slot);
    switch (connection.state) {
      case ConnectionState::free:
        assert(false && "a deadline outlived its connection");
        break;
      case ConnectionState::open:
        handler.on_deadline(table_.id_of(*slot));
        break;
      case ConnectionState::flushing:  // the peer took nothing for flush_stall
        begin_ending(*slot, CloseReason::output_limit, CloseMode::abort);
        break;
      case ConnectionState::lingering:
        begin_ending(*slot, connection.reason, CloseMode::after_flush);
        break;
      case ConnectionState::ending:
        connection.cancelled_all = false;
        mark_dirty(*slot);
        break;
    }
  }
}

template <Ring R>
void Shard<R>::deliver_backlogs(Handler& handler) {
  working_.clear();
  std::swap(working_, resumed_);
  for (const std::uint32_t slot : working_) {
    Connection& connection = table_.at(slot);
    connection.is_resumed = false;
    // Paused again, or closed (which emptied the backlog), since it was put here.
    if (connection.paused || connection.backlog.empty()) continue;
    OutputBuffer backlog = std::move(connection.backlog);
    handler.on_data(table_.id_of(slot), {backlog.data(), backlog.size()});
  }
}

}  // namespace parsec::engine
