#include "engine/host/heartbeats.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace parsec::engine {
namespace {

struct Watched {
  std::string name;
  const Heartbeat* heartbeat;
};

/// Of the process, as threads are. Locked where threads begin and end, and by who asks.
struct Registry {
  std::mutex mutex;
  std::vector<Watched> threads;
};

Registry& registry() {
  static Registry the_one;
  return the_one;
}

}  // namespace

WatchedThread::WatchedThread(std::string name, Heartbeat& heartbeat) : heartbeat_(heartbeat) {
  heartbeat.beat(Clock::now());
  const std::lock_guard lock{registry().mutex};
  registry().threads.push_back({std::move(name), &heartbeat});
}

WatchedThread::~WatchedThread() {
  const std::lock_guard lock{registry().mutex};
  std::erase_if(registry().threads,
                [this](const Watched& one) { return one.heartbeat == &heartbeat_; });
}

std::vector<Stall> stalled_threads(Duration limit, TimePoint now) {
  std::vector<Stall> stalls;
  const std::lock_guard lock{registry().mutex};
  for (const Watched& thread : registry().threads) {
    const auto since = std::chrono::duration_cast<Duration>(now - thread.heartbeat->last());
    if (since >= limit) stalls.push_back({thread.name, since});
  }
  return stalls;
}

}  // namespace parsec::engine
