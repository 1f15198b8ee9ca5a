// One outbound thread: its destinations, their waiting requests, and libcurl's multi interface.
//
// It sleeps in curl_multi_poll(), which watches libcurl's sockets and the Waker together; nothing
// is polled for. Everything here on that thread, except what is said to be for others.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "engine/host/heartbeats.h"
#include "engine/outbound/outbound.h"
#include "engine/outbound/outbound_transfer.h"
#include "engine/queues/fair_queue.h"
#include "engine/queues/flow_shares.h"

namespace parsec::engine {

class OutboundWorker {
 public:
  explicit OutboundWorker(std::uint32_t number);
  ~OutboundWorker();
  OutboundWorker(const OutboundWorker&) = delete;
  OutboundWorker& operator=(const OutboundWorker&) = delete;

  /// Before start().
  void add(OutboundDestination& destination);
  /// The composer's thread.
  void start();
  void stop();
  Waker& waker() { return waker_; }

 private:
  struct Queue;

  /// And whose line it is in.
  struct Transfer : OutboundTransfer {
    Queue* queue = nullptr;
  };

  /// A destination as this thread sees it.
  struct Queue {
    OutboundDestination* destination = nullptr;
    FairQueue<std::unique_ptr<Transfer>> waiting;  // for a connection
    TimePoint next_expiry = TimePoint::max();      // of what waits; or earlier
    std::vector<std::unique_ptr<Transfer>> under_way;
    std::size_t bytes_under_way = 0;  // expected ones
    FlowShares shares;                // of what is under way
    double mean_answer = 0;           // bytes, of the `get`s that were answered lately
    std::vector<std::unique_ptr<Transfer>> resting;
    std::vector<CURL*> idle;  // handles to use again: they keep buffers, not connections
  };

  void run();
  /// True: requests were taken.
  bool take_requests();
  static void wait(std::unique_ptr<Transfer> transfer, bool before_others);
  void start_transfers();
  static bool fits(const Queue& queue, std::uint64_t organization, std::size_t bytes);
  void begin(Queue& queue, std::unique_ptr<Transfer> transfer);
  /// True: connections were given back.
  bool finish_transfers();
  void finish(Transfer* done, CURLcode code);
  static void settle_costs(Queue& queue, const Transfer& transfer, CURLcode code);
  void answer(std::unique_ptr<Transfer> transfer);
  void expire(Queue& queue, TimePoint now);
  void wake_resting(Queue& queue, TimePoint now);
  void wake_shards();
  void publish_counts();
  bool has_requests() const;
  /// Until something is due that no socket announces; bounded by `most`.
  int time_to_next(std::chrono::milliseconds most) const;
  void sleep();

  const std::uint32_t number_;
  Heartbeat heartbeat_;
  CURLM* multi_;
  Waker waker_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace parsec::engine
