// The connections of one shard: a record per slot, compact, and the free slots.
//
// A slot is reused only after the terminal completion of every operation of its last connection;
// the loop releases it then, and not before. Records never move. They are allocated in chunks as
// the number of connections first reaches them; low slots are reused first.
//
// Shard thread only.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/handler.h"
#include "engine/output_buffer.h"
#include "engine/ring/ring.h"

namespace parsec::engine {

/// free -> open -> flushing -> lingering -> ending -> free; any state may go straight to ending.
enum class ConnectionState : std::uint8_t {
  free,
  open,
  flushing,   // no more from or for the handler; the output that waits is being sent
  lingering,  // our FIN is sent; reading on until the peer's, so that it gets what we sent
  ending,     // operations are being cancelled; then close, on_closed, free
};

struct Connection {
  // The handler appends to one buffer while the other is in flight.
  OutputBuffer gathering;
  OutputBuffer sending;
  /// What arrived while reading was paused.
  OutputBuffer backlog;
  std::uint32_t sent = 0;       // bytes of `sending` the kernel took
  std::uint32_t discarded = 0;  // bytes read while lingering
  std::uint32_t generation = 0;
  /// Size of `gathering` when it exceeded the high water, 0 before; see Limits::output_limit.
  std::uint32_t gathered_at_high_water = 0;
  Socket socket = Socket::none;
  ConnectionState state = ConnectionState::free;
  CloseReason reason : 7 = {};
  bool upgraded : 1 = false;  // Transport::note_upgrade

  // One flag per operation in flight.
  bool receiving : 1 = false;
  bool send_in_flight : 1 = false;
  bool watching_hangup : 1 = false;
  bool cancelling_receive : 1 = false;
  bool cancelling_send : 1 = false;
  bool cancelling_hangup : 1 = false;
  bool closing : 1 = false;

  bool paused : 1 = false;
  bool peer_ended : 1 = false;
  bool owes_drained : 1 = false;  // when all is sent
  bool received_before : 1 = false;
  bool cancelled_all : 1 = false;  // what was in flight, lately; see Limits::cancel_retry
  bool reset_on_close : 1 = false;

  // Which of the loop's lists hold the slot.
  bool is_dirty : 1 = false;
  bool is_resumed : 1 = false;
  bool is_starved : 1 = false;

  std::size_t pending_output() const { return sending.size() - sent + gathering.size(); }
  std::size_t held_output() const { return sending.size() + gathering.size(); }
  bool in_flight(Operation operation) const;
  /// Anything that must end before the socket is closed.
  bool any_in_flight() const {
    return receiving || send_in_flight || watching_hangup || cancelling_receive ||
           cancelling_send || cancelling_hangup;
  }
};
static_assert(sizeof(Connection) <= 72, "kept small: there are hundreds of thousands");

class ConnectionTable {
 public:
  explicit ConnectionTable(std::uint32_t limit) : limit_(limit) {}

  static constexpr std::uint32_t no_slot = UINT32_MAX;
  /// A free slot, now open under a new generation; no_slot when the limit is reached.
  std::uint32_t acquire(Socket socket);
  void release(std::uint32_t slot);

  Connection& at(std::uint32_t slot) {
    assert(slot < used_);
    return (*chunks_[slot / chunk_size])[slot % chunk_size];
  }
  const Connection& at(std::uint32_t slot) const {
    assert(slot < used_);
    return (*chunks_[slot / chunk_size])[slot % chunk_size];
  }
  ConnectionId id_of(std::uint32_t slot) const { return {slot, at(slot).generation}; }

  /// Null if that connection has ended.
  Connection* find(ConnectionId id) {
    return const_cast<Connection*>(std::as_const(*this).find(id));
  }
  const Connection* find(ConnectionId id) const;

  std::uint32_t live() const { return live_; }
  /// One more than the highest slot ever used.
  std::uint32_t used() const { return used_; }

 private:
  static constexpr std::uint32_t chunk_size = 1024;
  using Chunk = std::array<Connection, chunk_size>;

  std::uint32_t limit_;
  std::uint32_t used_ = 0;
  std::uint32_t live_ = 0;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<std::uint32_t> free_;
};

}  // namespace parsec::engine
