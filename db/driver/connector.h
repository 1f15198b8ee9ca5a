// Opens connections for the workers and the listener, so that none of them ever waits for a name
// server, a handshake or a server that does not answer.
//
// One thread for all: after the database was away it is asked once at a time, with a growing
// pause, and not by every connection we want back.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "db/driver/connection.h"

namespace parsec::db {

class Connector {
 public:
  explicit Connector(ConnectionOptions options);
  ~Connector() { stop(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// Calls `receiver` from the connector's thread, once, as soon as there is a connection. Any
  /// thread.
  using Receiver = std::function<void(Connection)>;
  void request(Receiver receiver);

  /// Why the last attempt failed, in parentheses; empty: it succeeded. Any thread.
  std::string last_error() const;

  /// No receiver is called any more once this returned. Does not wait for an attempt under way,
  /// whose thread then ends by itself.
  void stop();

 private:
  // Shared with the thread, which may outlive this object.
  struct State {
    explicit State(ConnectionOptions given) : options(std::move(given)) {}
    const ConnectionOptions options;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Receiver> waiting;
    std::string last_error;
    bool stopping = false;
    bool ended = false;
  };
  static void run(State& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace parsec::db
