// LISTEN app_notification on a connection and a thread of their own, and fences in its stream.
//
// A fence is an empty query on the same connection. PostgreSQL signals the listening backends when
// it commits, before it acknowledges the commit; a backend that finds the signal sends its
// notifications before the ReadyForQuery of the query at hand. So what was acknowledged before the
// query was sent has arrived once the query is answered. One query serves all fences that wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "db/driver/connection.h"
#include "db/driver/connector.h"
#include "db/driver/gateway.h"
#include "db/driver/probe.h"
#include "engine/queues/spsc_ring.h"
#include "engine/queues/waker.h"

namespace parsec::db {

class Listener {
 public:
  using FenceRing = engine::SpscRing<std::uint64_t>;

  Listener(std::uint32_t shards, Connector& connector, NotificationSink& sink,
           std::shared_ptr<Probe> probe);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Asks for a connection; the thread runs from here on.
  void start();
  /// True once it listens, false if it does not within that time. Not the listener's thread.
  bool wait_until_listening(std::chrono::milliseconds limit);
  void stop();

  // Shards: tokens into their own ring, then notify().
  FenceRing& fences(std::uint32_t shard) { return *rings_[shard]; }
  void notify() { waker_.notify(); }

  struct Counts {
    std::atomic<std::uint64_t> notifications = 0;
    std::atomic<std::uint64_t> fences_kept = 0;
    std::atomic<std::uint64_t> fences_broken = 0;
    std::atomic<std::uint64_t> fence_queries = 0;
    std::atomic<std::uint64_t> losses = 0;
  };
  const Counts& counts() const { return counts_; }
  bool is_listening() const { return listening_.load(std::memory_order_relaxed); }

 private:
  struct Fence {
    std::uint32_t shard;
    std::uint64_t token;
  };
  enum class State : std::uint8_t {
    connecting,   // somebody opens a connection for us
    subscribing,  // LISTEN was sent
    listening,
  };

  void run();
  void open_connection();
  void take_connection();
  void take_fences();
  void send_query();
  void receive();
  void deliver_notifications();
  void on_query_done();
  void lose(const char* why);
  void answer(std::vector<Fence>& fences, bool kept);
  void check_time();
  bool has_arrivals() const;
  void sleep();

  NotificationSink& sink_;
  Connector& connector_;
  const std::shared_ptr<Probe> probe_;
  std::vector<std::unique_ptr<FenceRing>> rings_;
  engine::Waker waker_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> listening_ = false;
  Counts counts_;

  std::mutex delivery_mutex_;
  std::optional<Connection> delivery_;
  std::atomic<bool> has_delivery_ = false;

  // The thread's own.
  State state_ = State::connecting;
  bool asked_ = false;  // for a connection that has not come yet
  // Of connections that end before they listen: a replica opens one, and refuses LISTEN.
  std::chrono::milliseconds pause_{0};
  std::chrono::steady_clock::time_point next_open_;
  std::optional<Connection> connection_;
  std::chrono::steady_clock::time_point query_sent_;
  bool query_under_way_ = false;
  bool listened_before_ = false;
  bool told_sink_ = false;        // something since its last on_batch_end
  std::vector<Fence> waiting_;    // for the next query
  std::vector<Fence> under_way_;  // served by the query under way
};

}  // namespace parsec::db
