// A shard: one thread's loop over one ring, with its connections and its handler.
//
// A template over the ring (concept in ring.h), so that the tests' simulated ring runs exactly this
// code. Start reading at turn(). The rule that keeps it simple: completions and the handler only
// change facts; settle() looks at a connection's facts once per turn and starts what is missing.
//
// One turn: wait -> completions -> deadlines -> backlogs of connections that read again ->
// handler.on_turn -> settle (sends leave, receives are armed, closings go on). on_turn comes after
// everything that brings bytes: it is where the handler hands on what they caused.
//
// A shard whose kernel lost completions ends all its connections and starts over
// (shard_recovery.h).
//
// Everything on the shard's own thread, except ShardControl.
#pragma once

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/host/heartbeats.h"
#include "engine/host/log.h"
#include "engine/host/occasional.h"
#include "engine/metrics/counter.h"
#include "engine/queues/waker.h"
#include "engine/ring/ring.h"
#include "engine/shard/shard_core.h"

namespace parsec::engine {

/// What other threads may touch of a shard. It outlives the shard and its thread, so that a late
/// notify() finds a waker.
struct ShardControl {
  Waker waker;
  Counters counters;
  Heartbeat heartbeat;
  DurationHistogram turns;  // without the sleep before

  /// Any thread. The shard stops politely; see Handler::on_shutdown.
  void request_stop() {
    stop_.store(true, std::memory_order_release);
    waker.notify();
  }
  bool stop_requested() const { return stop_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> stop_{false};
};

template <Ring R>
class Shard final : public ShardCore {
 public:
  /// Takes the listening sockets and closes them when it stops. The rest outlives it.
  Shard(R& ring, const Limits& limits, ShardControl& control, std::span<const Socket> listeners)
      : ShardCore(limits, control.counters, ring.now()), ring_(ring), control_(control) {
    for (const Socket socket : listeners) listeners_.push_back({.socket = socket});
  }

  /// Returns after ShardControl::request_stop(), when the last connection is closed.
  void run(Handler& handler) {
    while (turn(handler)) {
    }
  }

  /// One turn of the loop. False: the shard has stopped, and nothing is in flight.
  bool turn(Handler& handler);

 private:
  struct Listener {
    Socket socket;
    bool accepting = false;
    bool cancelling = false;
    TimePoint resting_until{};
  };

  // Waiting
  void wait(const Handler& handler);
  WaitTime time_to_next_event(const Handler& handler) const;

  // Completions
  void work_off_completions(Handler& handler);
  void dispatch(const Completion& completion, Handler& handler);
  void on_accepted(const Completion& completion, Handler& handler);
  void on_received(std::uint32_t slot, const Completion& completion, Handler& handler);
  void on_receive_failed(std::uint32_t slot, int error);
  void on_sent(std::uint32_t slot, const Completion& completion, Handler& handler);
  void on_hangup(std::uint32_t slot, int result);
  void on_closed(std::uint32_t slot, Handler& handler);
  void expire_deadlines(Handler& handler);
  void deliver_backlogs(Handler& handler);

  // Starting over
  void start_over(Handler& handler);
  void forget_connection(std::uint32_t slot);

  // Settling
  void settle_all();
  void settle(std::uint32_t slot);
  void settle_output(std::uint32_t slot);
  void settle_input(std::uint32_t slot);
  void settle_ending(std::uint32_t slot);
  bool cancel_in_flight(Connection& connection, ConnectionId id);
  void feed_starved();
  void settle_listeners();
  void settle_waking();
  /// Notes that the submission queue was full.
  void try_again(std::uint32_t slot);

  // Stopping
  void begin_stop(Handler& handler);
  void end_remaining();
  bool has_stopped() const;

  R& ring_;
  ShardControl& control_;
  std::vector<Listener> listeners_;
  bool waking_ = false;             // the read of the waker's descriptor is in flight
  bool cancelling_waking_ = false;  // likewise

  std::vector<std::uint32_t> working_;  // the list being worked on, while a new one grows
  std::vector<std::uint32_t> retries_;  // found the submission queue full in this turn
  std::vector<std::uint32_t> starved_;  // receives that found no buffer, oldest first

  bool busy_ = true;          // the next turn must not sleep
  std::uint32_t gather_ = 1;  // completions worth waiting for with one call
  TimePoint last_work_{};     // for Limits::spin
  bool stopping_ = false;
  TimePoint stop_deadline_{};
  Occasional turned_away_;   // connections, at the limit
  Occasional not_accepted_;  // for want of descriptors or memory
};

// --- The loop ---

template <Ring R>
bool Shard<R>::turn(Handler& handler) {
  wait(handler);
  now_ = ring_.now();
  if (ring_.lost_completions()) start_over(handler);
  counters_.add(Count::turns);
  control_.heartbeat.beat(now_);
  busy_ = false;

  if (!stopping_ && control_.stop_requested()) begin_stop(handler);
  work_off_completions(handler);
  expire_deadlines(handler);
  deliver_backlogs(handler);
  if (handler.on_turn()) busy_ = true;
  if (stopping_ && now_ >= stop_deadline_) end_remaining();

  settle_all();
  settle_listeners();
  settle_waking();
  control_.turns.record(ring_.now() - now_);
  return !has_stopped();
}

template <Ring R>
void Shard<R>::wait(const Handler& handler) {
  // Something is known to be waiting: only collect, and hand over what the last turn started.
  if (busy_ || !dirty_.empty() || !resumed_.empty()) {
    ring_.submit_and_wait(0, WaitTime::zero(), counters_);
    return;
  }
  // Busy: with deferred task run one call works off max(20, wait_count) completions (Linux 6.13),
  // so asking for many saves calls; asking for more than there are buffers would starve receives.
  // The time is zero, so that nobody waits for company.
  const std::uint32_t gather = std::min(gather_, ring_.free_buffers());
  if (gather > 1) {
    counters_.add(Count::gathered_turns);
    ring_.submit_and_wait(gather, WaitTime::zero(), counters_);
    return;
  }
  if (limits_.spin.count() > 0 && ring_.now() - last_work_ < limits_.spin) {
    ring_.submit_and_wait(0, WaitTime::zero(), counters_);
    return;
  }
  const WaitTime sleep = time_to_next_event(handler);
  control_.waker.park();
  // After park(), see waker.h. A stop is announced by the waker as well.
  const bool stop_is_new = !stopping_ && control_.stop_requested();
  if (sleep == WaitTime::zero() || stop_is_new || handler.has_work()) {
    control_.waker.unpark();
    ring_.submit_and_wait(0, WaitTime::zero(), counters_);
    return;
  }
  counters_.add(Count::sleeps);
  ring_.submit_and_wait(1, sleep, counters_);
  control_.waker.unpark();
}

template <Ring R>
WaitTime Shard<R>::time_to_next_event(const Handler& handler) const {
  TimePoint next = handler.next_work();
  if (const auto deadline = wheel_.next_wake_up()) next = std::min(next, *deadline);
  if (stopping_ && now_ < stop_deadline_) next = std::min(next, stop_deadline_);
  for (const Listener& listener : listeners_) {
    const bool rests = listener.socket != Socket::none && !listener.accepting && !stopping_;
    if (rests) next = std::min(next, listener.resting_until);
  }
  const WaitTime longest =
      limits_.longest_sleep == Duration::max() ? wait_forever : WaitTime{limits_.longest_sleep};
  if (next == TimePoint::max()) return longest;
  const auto left = std::chrono::duration_cast<WaitTime>(next - ring_.now());
  return std::clamp(left, WaitTime::zero(), longest);
}

// --- Stopping ---

template <Ring R>
void Shard<R>::begin_stop(Handler& handler) {
  stopping_ = true;
  stop_deadline_ = now_ + limits_.shutdown_grace;
  handler.on_shutdown();
}

template <Ring R>
void Shard<R>::end_remaining() {
  for (std::uint32_t slot = 0; slot < table_.used(); ++slot) {
    if (table_.at(slot).state != ConnectionState::free) {
      begin_ending(slot, CloseReason::shutdown, CloseMode::after_flush);
    }
  }
}

template <Ring R>
bool Shard<R>::has_stopped() const {
  const bool listening = std::ranges::any_of(
      listeners_, [](const Listener& listener) { return listener.socket != Socket::none; });
  return stopping_ && !listening && table_.live() == 0 && !waking_ && !cancelling_waking_;
}

}  // namespace parsec::engine

#include "engine/shard/shard_completions.h"  // IWYU pragma: export
#include "engine/shard/shard_recovery.h"     // IWYU pragma: export
#include "engine/shard/shard_settle.h"       // IWYU pragma: export
