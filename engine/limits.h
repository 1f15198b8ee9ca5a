// Every limit and setting of the engine in one place, per shard, with how they relate.
//
// Set once before the shards start, then read-only from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "engine/handler.h"

namespace parsec::engine {

struct Limits {
  // Connections. A refused one is accepted and closed at once, so that the client learns of it
  // (it would wait in the kernel's queue otherwise).
  std::uint32_t connections = 200'000;
  /// How long accepting rests after it failed for want of descriptors or memory (EMFILE, ...).
  Duration accept_pause{100};

  // The ring. The completion queue has room for one completion of every receive buffer and of
  // every submission; what still does not fit waits in the kernel (counted as overflow).
  std::uint32_t submission_entries = 4096;
  std::uint32_t completion_entries = 16384;
  /// Completions worked off before the queues of other threads get their turn.
  std::uint32_t completions_per_turn = 4096;
  /// The most completions a busy shard gathers with one system call.
  std::uint32_t wait_batch = 512;
  /// How long an idle shard polls before it sleeps. 0: it sleeps at once, which leaves the core
  /// to others.
  std::chrono::microseconds spin{0};
  /// How long it sleeps at most while nothing comes.
  Duration longest_sleep = Duration::max();

  // Receiving. The buffers are shared by all connections of the shard and go back at the end of
  // the turn.
  std::uint32_t receive_buffers = 1024;
  std::uint32_t receive_buffer_size = 16 * 1024;

  // Sending.
  /// A handler should stop producing above this; on_drained tells when to go on.
  std::size_t output_high_water = 256 * 1024;
  /// The peer does not read: this much came on top of what exceeded the high water, behind a send
  /// that does not end. What exceeded it, one reply of any size, does not count.
  std::size_t output_limit = 8 * 1024 * 1024;
  /// Emptied output buffers kept for the next connection that has something to say.
  std::uint32_t spare_buffers = 256;
  std::size_t spare_buffer_size = 32 * 1024;

  // Closing.
  /// While the rest is sent: how long the peer may take nothing at all.
  Duration flush_stall{10'000};
  /// After our FIN: how long, and how many bytes, we read on until the peer's FIN.
  Duration linger{2'000};
  std::size_t linger_bytes = 8 * 1024 * 1024;
  /// If the kernel does not end a cancelled operation within this, it is cancelled again.
  Duration cancel_retry{200};
  /// What connections have left when the shard stops.
  Duration shutdown_grace{5'000};

  // Peers that vanish without a word (tcp(7)): probes after `keepalive_idle` of silence, given up
  // after `keepalive_probes` of them; unacknowledged data is given up after `user_timeout`.
  std::chrono::seconds keepalive_idle{60};
  std::chrono::seconds keepalive_interval{15};
  std::uint32_t keepalive_probes = 4;
  Duration user_timeout{60'000};
};

/// Says what is wrong, if anything. Checked before the shards start.
std::expected<void, std::string> validate(const Limits& limits);

}  // namespace parsec::engine
