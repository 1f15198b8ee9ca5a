// What a shard counts. One writer (the shard's thread), any number of readers.
//
// Every drop, retry, starvation and overflow has its count here, so that a dump of the names and
// values explains a misbehaving server.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/handler.h"
#include "engine/queues/spsc_ring.h"

namespace parsec::engine {

enum class Count : std::uint8_t {
  accepted,
  dialled,            // connections that the handler opened to others
  accept_refused,     // connections that Limits::connections had no room for
  accept_pauses,      // EMFILE and the like: accepting rested
  accept_failures,    // a connection that died in the queue, a network error
  closed_by_handler,  // from here in the order of CloseReason
  closed_aborted,
  closed_peer_closed,
  closed_peer_reset,
  closed_output_limit,
  closed_shutdown,
  closed_internal_error,
  receives,
  received_bytes,
  first_received_bytes,     // of these, in the protocol that connections begin with
  upgraded_received_bytes,  // and after Transport::note_upgrade
  receive_starved,          // ENOBUFS: no receive buffer was free
  receive_rearmed,  // a receive armed again (after starvation, a pause, or by the kernel's will)
  kept_bytes,       // arrived while reading was paused, copied
  discarded_bytes,  // arrived after the connection began to close
  sends,
  sent_bytes,
  first_sent_bytes,
  upgraded_sent_bytes,
  short_sends,
  cancels,
  turns,
  completions,
  gathered_turns,  // turns that asked for many completions at once
  sleeps,
  wake_ups,              // by a Waker
  submission_retries,    // the submission queue was full; tried again in the next turn
  completion_overflows,  // turns that found completions waiting outside the completion queue
  completions_lost,      // dropped by the kernel for want of memory
  stale_completions,     // for an operation we did not know of
};
inline constexpr std::size_t count_size = static_cast<std::size_t>(Count::stale_completions) + 1;

std::string_view name(Count count);

class Counters {
 public:
  /// Shard thread only. Not a read-modify-write: there is one writer.
  void add(Count count, std::uint64_t amount = 1) {
    auto& value = values_[static_cast<std::size_t>(count)];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void add_closed(CloseReason reason) {
    add(static_cast<Count>(static_cast<std::size_t>(Count::closed_by_handler) +
                           static_cast<std::size_t>(reason)));
  }

  /// Any thread. Relaxed: each value is right by itself, two of them may be of different moments.
  std::uint64_t get(Count count) const {
    return values_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }

  /// Connections that ended, for whatever reason.
  std::uint64_t closed() const;
  /// Connections that are there. Read by another thread, about right.
  std::uint64_t connections() const;

  /// visit(name, value) for every counter, in the order of declaration.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < count_size; ++i) {
      visit(name(static_cast<Count>(i)), get(static_cast<Count>(i)));
    }
  }

 private:
  // On lines of their own: the writer's neighbours in memory must not slow it down.
  alignas(cache_line_size) std::array<std::atomic<std::uint64_t>, count_size> values_{};
};

}  // namespace parsec::engine
