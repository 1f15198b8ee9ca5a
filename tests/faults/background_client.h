// A well-behaved client that goes on working while others misbehave: WebSocket pings, commands that
// write, commands that read, one after the other, on one connection that must last.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/deployment.h"

namespace parsec::testing {

class BackgroundClient {
 public:
  /// What it does in a round: all, or only what needs no lock of the database.
  enum class Work : std::uint8_t { all, pings };

  /// Works from now on.
  explicit BackgroundClient(std::shared_ptr<Organization> organization, Work work = Work::all);
  ~BackgroundClient() { stop(); }
  BackgroundClient(const BackgroundClient&) = delete;
  BackgroundClient& operator=(const BackgroundClient&) = delete;

  /// So many more rounds are done. False: it failed, or not in time.
  bool await_rounds(std::uint64_t more, Duration limit = 10s);
  void stop();

  /// Once it stopped: empty, or how it ended too early.
  const std::string& failure() const { return failure_; }
  std::uint64_t rounds() const;
  /// Of single requests, in microseconds.
  std::int64_t slowest() const;
  std::int64_t median() const;

 private:
  void run();
  void work(Session& session);

  const std::shared_ptr<Organization> organization_;
  const Work work_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t rounds_ = 0;
  bool ended_ = false;
  std::string failure_;
  std::vector<std::int64_t> latencies_;
  std::thread thread_;
};

}  // namespace parsec::testing
