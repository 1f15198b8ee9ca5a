// Whether every thread that serves clients still turns over: each notes the time once a turn, and
// whoever wants to know compares.
//
//   const WatchedThread watched{"shard 3", heartbeat};   // on the thread, around its loop
//   heartbeat.beat(now);                                 // once a turn
//   for (const Stall& stall : stalled_threads(10s, Clock::now())) …   // anybody
//
// A watched thread never sleeps longer than heartbeat_interval, so that one which sleeps and one
// that hangs are not the same; a lost wake-up shows, too, unless that bound heals it.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/handler.h"

namespace parsec::engine {

/// The longest sleep of a watched thread. Who asks should allow for a few of these.
inline constexpr Duration heartbeat_interval{1'000};

class Heartbeat {
 public:
  /// Its thread.
  void beat(TimePoint now) { last_.store(now, std::memory_order_relaxed); }
  /// Any thread.
  TimePoint last() const { return last_.load(std::memory_order_relaxed); }

 private:
  std::atomic<TimePoint> last_ = TimePoint{};
};

/// The calling thread is one of those that must turn over, as long as this lives. The heartbeat
/// outlives it. Counts as a turn.
class WatchedThread {
 public:
  WatchedThread(std::string name, Heartbeat& heartbeat);
  ~WatchedThread();
  WatchedThread(const WatchedThread&) = delete;
  WatchedThread& operator=(const WatchedThread&) = delete;

 private:
  const Heartbeat& heartbeat_;
};

struct Stall {
  std::string thread;
  Duration since;  // its last turn
};

/// The watched threads of this process that have not turned over for `limit` or longer, in the
/// order of their start. Any thread; no watched thread waits for it.
std::vector<Stall> stalled_threads(Duration limit, TimePoint now);

}  // namespace parsec::engine
