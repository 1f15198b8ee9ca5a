// A shard on a simulated ring, ready to run: network, ring, control, checked handler.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "engine/shard/shard.h"
#include "tests/support/checked_handler.h"
#include "tests/support/sim_ring.h"

namespace parsec::testing {

struct SimShardOptions {
  SimNetworkOptions network{};
  SimRingOptions ring{};
  engine::Limits limits{};
};

/// `make_handler(transport, waker, network)` gives the handler; it lives as long as this does.
template <class H>
class SimShard {
 public:
  template <class MakeHandler>
  SimShard(SimShardOptions options, MakeHandler&& make_handler)
      : options_(std::move(options)),
        network_(options_.network),
        ring_(network_, options_.ring),
        shard_(ring_, options_.limits, control_, std::span(&SimRing::listener, 1)),
        handler_(make_handler(shard_, control_.waker, network_)),
        checked_(handler_) {}

  SimNetwork& network() { return network_; }
  SimRing& ring() { return ring_; }
  H& handler() { return handler_; }
  const CheckedHandler& checked() const { return checked_; }
  const engine::Counters& counters() const { return control_.counters; }
  engine::Shard<SimRing>& shard() { return shard_; }
  engine::ShardControl& control() { return control_; }

  /// Turns until `done` says so. False: it did not within that (virtual) time, or all sleeps.
  bool run_until(const std::function<bool()>& done,
                 std::chrono::seconds at_most = std::chrono::seconds{600}) {
    const auto deadline = network_.now() + at_most;
    while (!done()) {
      if (stopped_ || network_.now() > deadline) return false;
      stopped_ = !shard_.turn(checked_);
      if (ring_.stalled() && !done()) return false;
    }
    return true;
  }

  /// Asks the shard to stop and runs it to its end.
  bool stop() {
    control_.request_stop();
    const bool stopped = run_until([this] { return stopped_; });
    if (stopped) ring_.check_stopped();
    // What is on its way to the clients arrives.
    const auto later = network_.now() + std::chrono::seconds{1};
    while (network_.next_event() != nullptr && *network_.next_event() < later) {
      network_.run_next_event();
    }
    return stopped;
  }

  /// Everything that was not as it should be, at the end of a run.
  std::vector<std::string> complaints() const {
    std::vector<std::string> all = ring_.violations();
    all.insert(all.end(), checked_.violations().begin(), checked_.violations().end());
    if (ring_.stalled()) all.push_back("the shard sleeps and nothing can wake it");
    if (stopped_ && checked_.open_count() != 0) all.push_back("on_open without on_closed");
    if (counters().get(engine::Count::stale_completions) != 0) all.push_back("stale completions");
    return all;
  }

 private:
  SimShardOptions options_;
  SimNetwork network_;
  SimRing ring_;
  engine::ShardControl control_;
  engine::Shard<SimRing> shard_;
  H handler_;
  CheckedHandler checked_;
  bool stopped_ = false;
};

}  // namespace parsec::testing
