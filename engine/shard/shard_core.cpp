#include "engine/shard/shard_core.h"

#include <cassert>
#include <cerrno>

namespace parsec::engine {

bool concerns_one_connection(int accept_error) {
  // accept(2): Linux passes already-pending network errors on the new socket as errors of accept.
  switch (accept_error) {
    case ECONNABORTED:
    case EINTR:
    case EAGAIN:
    case EPERM:  // a firewall rule
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return true;
    default:
      return false;
  }
}

CloseReason reason_of_error(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:     // keep-alive or TCP_USER_TIMEOUT gave up
    case ECONNREFUSED:  // of a connection that was dialled
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOTCONN:
      return CloseReason::peer_reset;
    default:
      return CloseReason::internal_error;
  }
}

ShardCore::ShardCore(const Limits& limits, Counters& counters, TimePoint now)
    : limits_(limits), counters_(counters), table_(limits.connections), wheel_(now), now_(now) {
  spare_.reserve(limits.spare_buffers);
}

std::optional<ConnectionId> ShardCore::adopt(Socket socket) {
  const std::uint32_t slot = table_.acquire(socket);
  if (slot == ConnectionTable::no_slot) return std::nullopt;
  counters_.add(Count::dialled);
  mark_dirty(slot);
  return table_.id_of(slot);
}

// --- What the handler asks for ---

Connection* ShardCore::find_open(ConnectionId connection) {
  Connection* found = table_.find(connection);
  return found != nullptr && found->state == ConnectionState::open ? found : nullptr;
}

OutputBuffer& ShardCore::output(ConnectionId connection) {
  Connection* found = find_open(connection);
  if (found == nullptr) {
    if (nowhere_.capacity() > limits_.spare_buffer_size) nowhere_.release();
    nowhere_.clear();
    return nowhere_;
  }
  if (found->gathering.capacity() == 0 && !spare_.empty()) {
    found->gathering = std::move(spare_.back());
    spare_.pop_back();
  }
  mark_dirty(connection.slot);
  return found->gathering;
}

bool ShardCore::is_open(ConnectionId connection) const {
  const Connection* found = table_.find(connection);
  return found != nullptr && found->state == ConnectionState::open;
}

std::size_t ShardCore::pending_output(ConnectionId connection) const {
  const Connection* found = table_.find(connection);
  return found == nullptr ? 0 : found->pending_output();
}

std::size_t ShardCore::held_output(ConnectionId connection) const {
  const Connection* found = table_.find(connection);
  return found == nullptr ? 0 : found->held_output();
}

void ShardCore::call_when_drained(ConnectionId connection) {
  if (Connection* found = find_open(connection)) found->owes_drained = true;
}

void ShardCore::close(ConnectionId connection, CloseMode mode) {
  const Connection* found = table_.find(connection);
  if (found == nullptr) return;
  if (mode == CloseMode::abort) {
    begin_ending(connection.slot, CloseReason::aborted, CloseMode::abort);
  } else if (found->state == ConnectionState::open) {
    begin_flushing(connection.slot, CloseReason::by_handler);
  }
}

void ShardCore::set_deadline(ConnectionId connection, Duration after) {
  // A connection that is closing uses its place in the wheel for itself.
  if (find_open(connection) != nullptr) wheel_.set(connection.slot, now_, after);
}

void ShardCore::clear_deadline(ConnectionId connection) {
  if (find_open(connection) != nullptr) wheel_.clear(connection.slot);
}

void ShardCore::note_upgrade(ConnectionId connection) {
  if (Connection* found = find_open(connection)) found->upgraded = true;
}

void ShardCore::pause_reading(ConnectionId connection) {
  Connection* found = find_open(connection);
  if (found == nullptr || found->paused) return;
  found->paused = true;
  mark_dirty(connection.slot);
}

void ShardCore::resume_reading(ConnectionId connection) {
  Connection* found = find_open(connection);
  if (found == nullptr || !found->paused) return;
  found->paused = false;
  if (!found->backlog.empty()) mark_resumed(connection.slot);
  mark_dirty(connection.slot);
}

// --- Lists ---

void ShardCore::mark_dirty(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  if (connection.is_dirty) return;
  connection.is_dirty = true;
  dirty_.push_back(slot);
}

void ShardCore::mark_resumed(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  if (connection.is_resumed) return;
  connection.is_resumed = true;
  resumed_.push_back(slot);
}

// --- States ---

void ShardCore::stop_talking_to_handler(std::uint32_t slot, ConnectionState next) {
  Connection& connection = table_.at(slot);
  assert(connection.state != ConnectionState::free && connection.state < next);
  connection.state = next;
  // Reading goes on, for nobody: the peer's end must be seen.
  connection.paused = false;
  connection.backlog.release();
  wheel_.clear(slot);
  mark_dirty(slot);
}

void ShardCore::begin_flushing(std::uint32_t slot, CloseReason reason) {
  Connection& connection = table_.at(slot);
  assert(connection.state == ConnectionState::open);
  connection.reason = reason;
  stop_talking_to_handler(slot, ConnectionState::flushing);
  wheel_.set(slot, now_, limits_.flush_stall);
}

void ShardCore::begin_lingering(std::uint32_t slot) {
  assert(table_.at(slot).state == ConnectionState::flushing);
  stop_talking_to_handler(slot, ConnectionState::lingering);
  wheel_.set(slot, now_, limits_.linger);
}

void ShardCore::begin_ending(std::uint32_t slot, CloseReason reason, CloseMode mode) {
  Connection& connection = table_.at(slot);
  if (connection.state == ConnectionState::ending) return;
  // Everything was sent, or the peer had ended: why the rest of the closing was cut short does not
  // change that, unless it was the handler.
  const bool settled = connection.state == ConnectionState::lingering ||
                       (connection.state == ConnectionState::flushing &&
                        connection.reason != CloseReason::by_handler);
  if (!settled || reason == CloseReason::aborted) connection.reason = reason;
  connection.reset_on_close = mode == CloseMode::abort;
  stop_talking_to_handler(slot, ConnectionState::ending);
}

// --- Output ---

bool ShardCore::take_output(Connection& connection) {
  assert(!connection.send_in_flight);
  if (connection.sent == connection.sending.size()) {
    connection.sending.clear();
    connection.sent = 0;
    if (!connection.gathering.empty()) std::swap(connection.sending, connection.gathering);
    connection.gathered_at_high_water = 0;
  }
  if (connection.pending_output() > limits_.output_high_water) connection.owes_drained = true;
  if (connection.pending_output() > 0) return true;
  give_back_output(connection);
  return false;
}

bool ShardCore::exceeds_output_limit(Connection& connection) const {
  const std::size_t size = connection.gathering.size();
  std::uint32_t& before = connection.gathered_at_high_water;
  if (before == 0 && size > limits_.output_high_water) before = static_cast<std::uint32_t>(size);
  return before != 0 && size - before > limits_.output_limit;
}

bool ShardCore::note_sent(std::uint32_t slot, std::size_t bytes) {
  Connection& connection = table_.at(slot);
  // Looked at before it shrinks: the handler may have seen it above, and counts on on_drained.
  if (connection.pending_output() > limits_.output_high_water) connection.owes_drained = true;
  assert(bytes <= connection.sending.size() - connection.sent);
  if (bytes < connection.sending.size() - connection.sent) counters_.add(Count::short_sends);
  connection.sent += static_cast<std::uint32_t>(bytes);
  if (connection.state == ConnectionState::flushing) wheel_.set(slot, now_, limits_.flush_stall);
  if (connection.pending_output() > 0 || !connection.owes_drained) return false;
  connection.owes_drained = false;
  return connection.state == ConnectionState::open;
}

void ShardCore::give_back_output(Connection& connection) {
  assert(!connection.send_in_flight);
  give_back(connection.gathering);
  give_back(connection.sending);
  connection.sent = 0;
}

void ShardCore::give_back(OutputBuffer& buffer) {
  if (buffer.capacity() == 0) return;
  if (buffer.capacity() > limits_.spare_buffer_size || spare_.size() >= limits_.spare_buffers) {
    buffer.release();
    return;
  }
  buffer.clear();
  // Not moved by assignment, which swaps: the connection must hold nothing afterwards.
  spare_.emplace_back(std::move(buffer));
}

}  // namespace parsec::engine
