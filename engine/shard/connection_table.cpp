#include "engine/shard/connection_table.h"

namespace parsec::engine {

bool Connection::in_flight(Operation operation) const {
  switch (operation) {
    case Operation::receive:
      return receiving;
    case Operation::send:
      return send_in_flight;
    case Operation::hangup:
      return watching_hangup;
    case Operation::cancel_receive:
      return cancelling_receive;
    case Operation::cancel_send:
      return cancelling_send;
    case Operation::cancel_hangup:
      return cancelling_hangup;
    case Operation::close:
      return closing;
    default:
      return false;
  }
}

std::uint32_t ConnectionTable::acquire(Socket socket) {
  std::uint32_t slot = no_slot;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else if (used_ < limit_) {
    slot = used_++;
    if (slot / chunk_size == chunks_.size()) chunks_.push_back(std::make_unique<Chunk>());
  } else {
    return no_slot;
  }
  ++live_;
  Connection& connection = at(slot);
  assert(connection.state == ConnectionState::free && !connection.any_in_flight());
  // Never 0, so that a default ConnectionId names nobody.
  if (++connection.generation == 0) connection.generation = 1;
  connection.state = ConnectionState::open;
  connection.socket = socket;
  return slot;
}

void ConnectionTable::release(std::uint32_t slot) {
  Connection& connection = at(slot);
  assert(connection.state == ConnectionState::ending);
  assert(!connection.any_in_flight() && !connection.closing);
  // A slot that a list still holds would be worked on under its next name.
  assert(!connection.is_dirty && !connection.is_resumed && !connection.is_starved);
  assert(connection.gathering.capacity() == 0 && connection.sending.capacity() == 0 &&
         connection.backlog.capacity() == 0);
  const std::uint32_t generation = connection.generation;
  connection = Connection{};
  connection.generation = generation;
  free_.push_back(slot);
  --live_;
}

const Connection* ConnectionTable::find(ConnectionId id) const {
  if (id.slot >= used_) return nullptr;
  const Connection& connection = at(id.slot);
  if (connection.state == ConnectionState::free || connection.generation != id.generation) {
    return nullptr;
  }
  return &connection;
}

}  // namespace parsec::engine
