// The signals that the server obeys; all threads block every signal, and no code runs inside a
// signal handler. While the server starts, a signal to stop ends the process at once, with exit
// code 0: a start may take long. While it serves, the main thread asks for them. While it stops,
// they end the process at once: that is the second signal, and a stop may take long, too. A private
// PostgreSQL notices that its parent is gone, and stops.
#pragma once

#include <csignal>
#include <thread>

namespace parsec::app {

class StopSignals {
 public:
  /// Before any other thread is there. From here on SIGINT and SIGTERM end the process with exit
  /// code 0; the others are ignored.
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The server is up: signals wait until they are asked for.
  void hold();
  /// It stops: SIGINT and SIGTERM end the process by themselves; the others are ignored.
  void release();

  enum class Request {
    stop,        // SIGINT, SIGTERM
    dump_state,  // SIGUSR1
    reopen,      // SIGHUP: the log was rotated, or a certificate renewed
  };
  Request wait();

 private:
  void watch_start();

  sigset_t set_{};
  int over_ = -1;  // eventfd: the start is over
  std::thread watcher_;
};

}  // namespace parsec::app
