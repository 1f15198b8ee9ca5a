// The signals that the server obeys, on the main thread; all other threads block every signal.
//
// Until hold() and after release() a signal does what it does to any process: it ends it at once.
// So an administrator can break off a start that takes long and a stop that takes long (that is
// the second signal), and no code runs inside a signal handler. A private PostgreSQL notices that
// its parent is gone, and stops.
#pragma once

#include <csignal>

namespace parsec::app {

class StopSignals {
 public:
  /// From here on signals wait until they are asked for.
  static StopSignals hold();
  /// They end the process at once again, but for SIGUSR1, which is then ignored.
  void release();

  enum class Request {
    stop,
    dump_state,  // SIGUSR1
    hang_up,     // SIGHUP: the terminal is gone, or a certificate was renewed
  };
  Request wait();

 private:
  StopSignals() = default;

  sigset_t set_{};
};

}  // namespace parsec::app
