// A queue of transfers to other servers (SMTP, HTTP): one thread around libcurl's multi interface,
// a few transfers at once, connections reused. Fire and forget: who posts never waits and gets no
// answer; a transfer reports its own end, to the log for instance.
//
// post() from any thread; everything of a transfer but its making runs on the queue's thread.
// Bounded: what finds no room is dropped, and told so. One queue for each kind of work: a dead
// mail server then delays mails only.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

namespace parsec::engine {

class Transfer {
 public:
  virtual ~Transfer() = default;

  /// Sets up a fresh handle; what the options point to lives as long as the transfer. Not timeouts
  /// alone: a transfer without any may hold its place for ever. False: nothing is to be
  /// transferred (any more), and the transfer has said so.
  virtual bool prepare(CURL* handle) = 0;

  /// The handle's transfer ended; error explains a result that is not CURLE_OK. Returns after which
  /// time it is to be prepared and tried again; nullopt: no more.
  virtual std::optional<std::chrono::milliseconds> ended(CURL* handle, CURLcode result,
                                                         std::string_view error) = 0;

  /// It will not be tried (again): there is no room, or the queue stops. The first is said on the
  /// thread that posts.
  virtual void dropped(std::string_view why) = 0;
};

struct TransferQueueOptions {
  std::string name;          // of the thread, at most 15 characters
  std::size_t parallel = 4;  // transfers at once
  std::size_t room = 1024;   // transfers under way, waiting, and waiting for another try
};

class TransferQueue {
 public:
  explicit TransferQueue(TransferQueueOptions options);
  ~TransferQueue();  // stop() without grace
  TransferQueue(const TransferQueue&) = delete;
  TransferQueue& operator=(const TransferQueue&) = delete;

  /// Any thread. Never waits.
  void post(std::unique_ptr<Transfer> transfer);

  /// Tries what is under way or waiting for that long; drops the rest, and what waits for another
  /// try at once. Returns when the thread has ended. What is posted later is dropped.
  void stop(std::chrono::milliseconds grace);

  /// Any thread.
  std::uint64_t completed() const { return completed_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  std::size_t pending() const { return pending_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;

  /// A transfer with its handle, while curl has it.
  struct Active;

  void run();
  void take_posted();
  void start(std::unique_ptr<Transfer> transfer);
  void collect_ended();
  void settle(std::unique_ptr<Transfer> transfer, std::optional<std::chrono::milliseconds> again);
  bool finished_stopping();
  int wait_milliseconds() const;
  void drop(std::unique_ptr<Transfer> transfer, std::string_view why);
  void drop_everything();

  static curl_socket_t open_socket(void* queue, curlsocktype purpose, curl_sockaddr* address);
  static int close_socket(void* queue, curl_socket_t socket);

  const TransferQueueOptions options_;
  CURLM* const multi_;

  std::atomic<std::size_t> pending_{0};  // all that was posted and has not ended
  std::atomic<std::uint64_t> completed_{0};
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex mutex_;  // held for a few instructions: posted_, stop_at_
  std::deque<std::unique_ptr<Transfer>> posted_;
  std::optional<Clock::time_point> stop_at_;

  // The thread's own.
  std::deque<std::unique_ptr<Transfer>> ready_;
  std::multimap<Clock::time_point, std::unique_ptr<Transfer>> later_;
  std::map<CURL*, std::unique_ptr<Active>> active_;
  std::set<curl_socket_t> sockets_;
  std::optional<Clock::time_point> stopping_;  // copy of stop_at_

  std::thread thread_;
};

}  // namespace parsec::engine
