// Looks from time to time at what others do to us, on a short-lived connection of its own:
//
// - Sessions of a process of ours that stopped (SIGSTOP, a stunned virtual machine) amid a
//   transaction hold its locks, and TCP keep-alive is answered by their kernel. They are ended.
//   Several servers may do so at once; ending a session twice does nothing.
// - LISTEN through a pooler that works per transaction is silently lost. A notification of our own
//   must reach the listener; on a channel of its own, which other servers do not hear.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "db/driver/connection.h"
#include "db/driver/probe.h"
#include "db/driver/settings.h"

namespace parsec::db {

class PeerWatch {
 public:
  /// look: what else is to be looked at, each time. Its thread may outlive this object.
  using Look = std::function<void(Connection&)>;
  PeerWatch(ConnectionOptions options, WatchLimits limits, std::shared_ptr<Probe> probe,
            Look look = {});
  ~PeerWatch() { stop(); }
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  /// One probe, before there is a thread. The error is a sentence for the administrator.
  std::expected<void, std::string> check_notifications();
  void start();
  /// Does not wait for a look under way, whose thread then ends by itself.
  void stop();

 private:
  // Shared with the thread, which may outlive this object.
  struct State {
    ConnectionOptions options;
    WatchLimits limits;
    std::shared_ptr<Probe> probe;
    Look look;
    std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    bool ended = false;
  };
  static void run(State& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

/// Ends sessions that have the connection's role and application_name and have waited so long for
/// their client amid a transaction; returns how many.
std::expected<int, SqlError> end_stalled_sessions(Connection& connection,
                                                  std::chrono::milliseconds age);

}  // namespace parsec::db
