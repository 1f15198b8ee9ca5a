// Looks at the ids of the contract's tables from time to time (db/schema/sequences.h), and tells
// the log when they are about to end, or when a sequence is behind its table: someone may copy rows
// while servers run. Each look has a short-lived connection of its own, so no command waits for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "db/driver/connection.h"
#include "db/schema/sequences.h"

namespace parsec::db {

class IdWatch {
 public:
  /// known: what was seen at the start, and told by log_ids().
  IdWatch(ConnectionOptions options, std::chrono::milliseconds interval,
          std::vector<IdSequence> known);
  ~IdWatch() { stop(); }
  IdWatch(const IdWatch&) = delete;
  IdWatch& operator=(const IdWatch&) = delete;

  /// Does not wait for a look under way, whose thread then ends by itself.
  void stop();

  /// A line for the state dump. Any thread.
  std::string summary() const;
  /// Of the sequence that is used most: 0 … 1. Any thread.
  double most_used() const;

 private:
  // Shared with the thread, which may outlive this object.
  struct State {
    ConnectionOptions options;
    std::chrono::milliseconds interval;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<IdSequence> sequences;
    bool stopping = false;
    bool ended = false;
  };
  static void run(State& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

/// What an administrator should know of them: warnings, and errors for those behind their tables.
void log_ids(const std::vector<IdSequence>& sequences);

}  // namespace parsec::db
