#include "app/process/stop_signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <system_error>

namespace parsec::app {
namespace {

bool is_stop(int signal) { return signal == SIGINT || signal == SIGTERM; }

}  // namespace

StopSignals::StopSignals() {
  ::sigemptyset(&set_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) ::sigaddset(&set_, number);
  ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  over_ = ::eventfd(0, EFD_CLOEXEC);
  if (over_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  watcher_ = std::thread([this] { watch_start(); });
}

StopSignals::~StopSignals() {
  hold();
  ::close(over_);
}

/// On its own thread, since the main one is busy starting, perhaps in a call that takes long.
void StopSignals::watch_start() {
  ::pthread_setname_np(::pthread_self(), "start-signals");
  const int signals = ::signalfd(-1, &set_, SFD_CLOEXEC);
  pollfd ready[] = {{over_, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {
    if (::poll(ready, 2, -1) < 0) continue;  // EINTR
    if (ready[0].revents != 0) break;
    signalfd_siginfo information{};
    if (::read(signals, &information, sizeof information) != sizeof information) continue;
    if (!is_stop(static_cast<int>(information.ssi_signo))) continue;
    std::fputs("Stopped while it started\n", stderr);
    // Not exit(): what is half started cannot be taken apart from here.
    std::_Exit(0);
  }
  ::close(signals);
}

void StopSignals::hold() {
  if (!watcher_.joinable()) return;
  ::eventfd_write(over_, 1);
  watcher_.join();
}

void StopSignals::release() {
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
  ::pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
}

StopSignals::Request StopSignals::wait() {
  for (;;) {
    const int number = ::sigwaitinfo(&set_, nullptr);
    if (number == SIGUSR1) return Request::dump_state;
    if (number == SIGHUP) return Request::reopen;
    if (is_stop(number)) return Request::stop;
    // SIGUSR2 means nothing here. EINTR: a debugger attached, or the process was stopped and
    // continued.
  }
}

}  // namespace parsec::app
