// The seam between a shard and what runs on it.
//
// A shard owns sockets, buffers and time; a Handler owns the meaning of bytes. The Handler never
// sees a socket or a clock: it gets bytes, deadlines and turns, and answers through the Transport.
// So the same handler runs over io_uring, over the simulated ring and in unit tests.
//
// Everything here is called on the shard's own thread, and never from inside another callback of
// the same shard, except that Transport functions may be called from any callback. No Transport
// function calls back into the Handler.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/output_buffer.h"

namespace parsec::engine {

/// Monotonic time, as the shard read it at the beginning of the turn.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = std::chrono::milliseconds;

/// One connection of one shard. Slots are reused, generations are not: an identifier of a
/// connection that ended never names its successor.
struct ConnectionId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  auto operator<=>(const ConnectionId&) const = default;
  std::uint64_t packed() const { return std::uint64_t{generation} << 32 | slot; }
  static ConnectionId unpacked(std::uint64_t value) {
    return {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
  }
};

enum class CloseReason : std::uint8_t {
  by_handler,      // the handler asked for it, and everything was sent
  aborted,         // the handler asked for it at once
  peer_closed,     // end of stream
  peer_reset,      // ECONNRESET, EPIPE, a vanished peer (keep-alive, TCP_USER_TIMEOUT)
  output_limit,    // the peer does not read: see Limits::output_limit
  shutdown,        // the shard stops
  internal_error,  // the ring failed this connection
};
std::string_view name(CloseReason reason);

enum class CloseMode : std::uint8_t {
  after_flush,  // send what waits, then FIN, read until the peer's FIN (bounded), close
  abort,        // reset, what waits is lost
};

/// What a shard offers its handler.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Where to append bytes for the peer. They leave at the end of the turn, together. Valid until
  /// the callback returns. Of a connection that is closing: appended bytes are discarded.
  virtual OutputBuffer& output(ConnectionId connection) = 0;

  /// False from when its end is certain, on either side's wish, though on_closed follows only when
  /// the kernel has let go of it: whatever happens in between is not for that peer any more.
  virtual bool is_open(ConnectionId connection) const = 0;

  /// Bytes that wait to be sent, those in flight included.
  virtual std::size_t pending_output(ConnectionId connection) const = 0;

  /// Memory that these bytes take: what was sent of them goes back with the last one only.
  virtual std::size_t held_output(ConnectionId connection) const = 0;

  /// Calls on_drained when all of it was handed to the kernel, however little it was. Something
  /// must wait.
  virtual void call_when_drained(ConnectionId connection) = 0;

  /// Ends the connection. on_closed follows in a later turn, nothing else does.
  virtual void close(ConnectionId connection, CloseMode mode) = 0;

  /// Calls on_deadline once, `after` from now (resolution: the timer wheel's tick, never early).
  /// Replaces an earlier deadline of this connection.
  virtual void set_deadline(ConnectionId connection, Duration after) = 0;
  virtual void clear_deadline(ConnectionId connection) = 0;

  /// Its bytes are counted apart from here on (Count::upgraded_…): it speaks another protocol now.
  virtual void note_upgrade(ConnectionId connection) = 0;

  /// While paused no on_data is delivered; what the kernel delivered already is kept, and TCP
  /// holds the peer back. Both are idempotent. The end of the peer is noticed while paused, too.
  virtual void pause_reading(ConnectionId connection) = 0;
  virtual void resume_reading(ConnectionId connection) = 0;

  virtual TimePoint now() const = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;

  virtual void on_open(ConnectionId connection, std::string_view peer_address) = 0;

  /// Bytes from the peer, in order. They may be changed in place and are gone after the call.
  virtual void on_data(ConnectionId connection, std::span<std::byte> bytes) = 0;

  /// All output was handed to the kernel. Called only after pending_output exceeded
  /// Limits::output_high_water or call_when_drained() asked for it, once each time.
  virtual void on_drained(ConnectionId connection) = 0;

  virtual void on_deadline(ConnectionId connection) = 0;

  /// The last call for this connection.
  virtual void on_closed(ConnectionId connection, CloseReason reason) = 0;

  /// Once per turn of the loop, after the completions: drain queues from other threads. Returns
  /// true if more waits there than was taken (the loop then does not sleep).
  virtual bool on_turn() = 0;

  /// Called after the shard announced that it sleeps (its Waker is parked) and before it does:
  /// true if something came in between, so that it must not sleep. Pairs with Waker::notify.
  virtual bool has_work() const = 0;

  /// When has_work() will be true without anybody's doing; asked before the shard sleeps. Finer
  /// than deadlines, which are of connections and as exact as the timer wheel.
  virtual TimePoint next_work() const { return TimePoint::max(); }

  /// The shard stops: no more on_open; end every connection politely. Connections left after the
  /// grace period are closed with CloseReason::shutdown.
  virtual void on_shutdown() = 0;
};

}  // namespace parsec::engine
