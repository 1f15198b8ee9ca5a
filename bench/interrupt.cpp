#include "bench/interrupt.h"

#include <atomic>

namespace parsec::bench {

namespace {

std::atomic<bool> was_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // or a signal handler must not

void interrupt(int) { was_interrupted = true; }

}  // namespace

Interruptible::Interruptible() {
  struct sigaction action {};
  action.sa_handler = interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, &before_);
}

Interruptible::~Interruptible() {
  ::sigaction(SIGINT, &before_, nullptr);
  was_interrupted = false;
}

bool interrupted() { return was_interrupted; }

}  // namespace parsec::bench
