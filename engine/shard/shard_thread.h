// The network side of the server: N threads, each with its ring, its listening sockets, its shard
// and its handler. What app/main starts and stops.
//
// Every handler is made on its own shard's thread, by the factory, with the Transport it answers
// through and the Waker that other threads (database workers, notifications) wake it by. The
// handler is destroyed on that thread when the shard has stopped; the Waker lives as long as this
// object, so that a late notify() does no harm.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/counters.h"
#include "engine/handler.h"
#include "engine/limits.h"
#include "engine/metrics/counter.h"
#include "engine/queues/waker.h"
#include "engine/ring/ring_set.h"
#include "engine/ring/uring_ring.h"
#include "engine/shard/listener.h"

namespace parsec::engine {

enum class ShardIndex : std::uint32_t {};

using HandlerFactory = std::function<std::unique_ptr<Handler>(ShardIndex, Transport&, Waker&)>;

struct ShardThreadsOptions {
  ListenAddress address{};
  std::uint32_t shards = 1;
  /// Shard i runs on the i-th processor the process may use, and nowhere else.
  bool pin = false;
  Limits limits{};
  UringOptions uring{};
};

class ShardThreads {
 public:
  /// Returns when every shard accepts connections, or with a text for the operator; then nothing
  /// is left running. The factory is called on the shards' threads, maybe at the same time; what
  /// it throws makes start() fail.
  static std::expected<std::unique_ptr<ShardThreads>, std::string> start(
      ShardThreadsOptions options, HandlerFactory factory);
  /// With rings that were set up before (as many shards, and these limits), and sockets that were
  /// bound for at least as many.
  static std::expected<std::unique_ptr<ShardThreads>, std::string> start(
      ShardThreadsOptions options, RingSet rings, ListeningSockets sockets, HandlerFactory factory);

  /// Stops and joins.
  ~ShardThreads();
  ShardThreads(const ShardThreads&) = delete;
  ShardThreads& operator=(const ShardThreads&) = delete;

  /// Any thread: every shard stops accepting, calls Handler::on_shutdown, and ends after
  /// Limits::shutdown_grace at the latest. Returns at once.
  void stop();
  /// Waits until all have ended.
  void join();

  std::uint16_t port() const { return port_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(shards_.size()); }
  /// What the kernel gave, for the log: the same for every shard.
  const std::string& ring_description() const { return ring_description_; }

  // Any thread, as long as this object lives.
  const Counters& counters(ShardIndex shard) const;
  DurationSums turns(ShardIndex shard) const;
  Waker& waker(ShardIndex shard);

 private:
  struct Running;

  ShardThreads(ShardThreadsOptions options, HandlerFactory factory);
  std::expected<void, std::string> start_all(ListeningSockets sockets,
                                             std::vector<std::unique_ptr<UringRing>> rings);
  void run(ShardIndex index, std::vector<Socket> listeners, std::unique_ptr<UringRing> ring);

  ShardThreadsOptions options_;
  HandlerFactory factory_;
  std::uint16_t port_ = 0;
  std::string ring_description_;
  std::vector<std::unique_ptr<Running>> shards_;
};

/// The calling thread runs on the n-th (from 0, modulo their number) of the processors that this
/// process may use, and nowhere else: a container or taskset may withhold some.
void pin_to_nth_processor(std::uint32_t n);

/// Raises the soft limit of open files to the hard one. Returns the limit that holds now.
std::uint64_t raise_open_files_limit();

}  // namespace parsec::engine
