// The part of a shard that does not touch its ring: connections, output, deadlines, and what the
// handler may ask for.
//
// Transport functions only note facts and put the connection on the dirty list; at the end of the
// turn the loop (shard.h) looks at each dirty connection once and starts the operations that its
// state calls for. So a handler may call anything from anywhere, nothing calls back into it, and
// everything it appended during a turn leaves in one send.
//
// Shard thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/counters.h"
#include "engine/handler.h"
#include "engine/limits.h"
#include "engine/shard/connection_table.h"
#include "engine/shard/timer_wheel.h"

namespace parsec::engine {

/// An error of accept(2) that is over with that connection; any other would repeat at once.
bool concerns_one_connection(int accept_error);
/// Why a connection ends whose receive or send failed.
CloseReason reason_of_error(int error);

class ShardCore : public Transport {
 public:
  OutputBuffer& output(ConnectionId connection) final;
  bool is_open(ConnectionId connection) const final;
  std::size_t pending_output(ConnectionId connection) const final;
  std::size_t held_output(ConnectionId connection) const final;
  void call_when_drained(ConnectionId connection) final;
  void close(ConnectionId connection, CloseMode mode) final;
  void set_deadline(ConnectionId connection, Duration after) final;
  void clear_deadline(ConnectionId connection) final;
  void note_upgrade(ConnectionId connection) final;
  void pause_reading(ConnectionId connection) final;
  void resume_reading(ConnectionId connection) final;
  TimePoint now() const final { return now_; }

  /// A connection that the handler dialled (dial.h), also one that is not established yet: from now
  /// on like an accepted one, but for on_open, which is not called. nullopt: there are
  /// Limits::connections already; the socket stays the caller's.
  std::optional<ConnectionId> adopt(Socket socket);

  std::uint32_t connection_count() const { return table_.live(); }

 protected:
  ShardCore(const Limits& limits, Counters& counters, TimePoint now);

  void mark_dirty(std::uint32_t slot);
  void mark_resumed(std::uint32_t slot);

  /// open -> flushing: sends the rest, then ends with `reason`.
  void begin_flushing(std::uint32_t slot, CloseReason reason);
  /// flushing -> lingering.
  void begin_lingering(std::uint32_t slot);
  /// any -> ending. The connection's reason is kept if it was ending well already.
  void begin_ending(std::uint32_t slot, CloseReason reason, CloseMode mode);

  /// Makes `sending` the next thing to send; false if there is nothing. No send is in flight.
  bool take_output(Connection& connection);
  /// Of a connection whose send is in flight. Notes what Limits::output_limit is counted from.
  bool exceeds_output_limit(Connection& connection) const;
  /// Notes what a send took. True if on_drained is due now.
  bool note_sent(std::uint32_t slot, std::size_t bytes);
  void give_back_output(Connection& connection);

  const Limits& limits_;
  Counters& counters_;
  ConnectionTable table_;
  TimerWheel wheel_;
  TimePoint now_;

  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> resumed_;  // reading again, with a backlog to deliver

 private:
  Connection* find_open(ConnectionId connection);
  void stop_talking_to_handler(std::uint32_t slot, ConnectionState next);
  void give_back(OutputBuffer& buffer);

  std::vector<OutputBuffer> spare_;
  OutputBuffer nowhere_;  // for who writes to a connection that is closing
};

}  // namespace parsec::engine
