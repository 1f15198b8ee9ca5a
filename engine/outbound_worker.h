// One outbound thread: its destinations, their waiting requests, and libcurl's multi interface.
//
// It sleeps in curl_multi_poll(), which watches libcurl's sockets and the Waker together; nothing
// is polled for. Everything here on that thread, except what is said to be for others.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "engine/outbound.h"

namespace parsec::engine {

class OutboundWorker {
 public:
  OutboundWorker();
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

  /// A request on its way, with what libcurl needs of it.
  struct Transfer {
    std::unique_ptr<OutboundRequest> request;
    OutboundChannel* channel = nullptr;
    Queue* queue = nullptr;
    std::uint32_t tries = 0;
    TimePoint not_before{};  // resting until another try
    CURL* easy = nullptr;    // while under way
    curl_slist* headers = nullptr;
    char error[CURL_ERROR_SIZE] = {};
  };

  /// A destination as this thread sees it.
  struct Queue {
    OutboundDestination* destination = nullptr;
    std::deque<std::unique_ptr<Transfer>> waiting;  // for a connection
    std::vector<std::unique_ptr<Transfer>> under_way;
    std::vector<std::unique_ptr<Transfer>> resting;
    std::vector<CURL*> idle;  // handles to use again: they keep buffers, not connections
  };

  void run();
  /// True: requests were taken.
  bool take_requests();
  void start_transfers();
  void begin(Queue& queue, std::unique_ptr<Transfer> transfer);
  void set_up(const OutboundDestinationSettings& settings, Transfer& transfer);
  void finish_transfers();
  void finish(Transfer* done, CURLcode code);
  void answer(std::unique_ptr<Transfer> transfer);
  void expire_and_wake_resting();
  void wake_shards();
  void publish_counts();
  bool has_requests() const;
  /// Until something is due that no socket announces; bounded by `most`.
  int time_to_next(std::chrono::milliseconds most) const;
  void sleep();

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer);
  static std::size_t on_head(char* data, std::size_t size, std::size_t count, void* transfer);

  CURLM* multi_;
  Waker waker_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace parsec::engine
