// Ctrl-C while something is measured: what is complete is reported first. A second one ends the
// program at once.
//
// interrupted() from any thread; one Interruptible at a time, of the main thread.
#pragma once

#include <csignal>

namespace parsec::bench {

/// Exit code of a program that SIGINT ended, as shells have it.
inline constexpr int interrupted_exit_code = 128 + SIGINT;

class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction before_ {};
};

bool interrupted();

}  // namespace parsec::bench
