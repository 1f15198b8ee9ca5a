#include "app/stop_signals.h"

#include <initializer_list>

namespace parsec::app {

StopSignals StopSignals::hold() {
  StopSignals signals;
  ::sigemptyset(&signals.set_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    ::sigaddset(&signals.set_, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &signals.set_, nullptr);
  return signals;
}

void StopSignals::release() {
  std::signal(SIGUSR1, SIG_IGN);
  ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
}

StopSignals::Request StopSignals::wait() {
  for (;;) {
    const int number = ::sigwaitinfo(&set_, nullptr);
    if (number == SIGUSR1) return Request::dump_state;
    if (number == SIGHUP) return Request::hang_up;
    if (number > 0) return Request::stop;
    // EINTR: a debugger attached, or the process was stopped and continued.
  }
}

}  // namespace parsec::app
