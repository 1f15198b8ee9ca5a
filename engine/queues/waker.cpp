#include "engine/queues/waker.h"

#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace parsec::engine {

// Why no wake-up is lost. Two threads each write one thing and then read the other's:
//
//   notifier: W(queue) ; fence ; R(parked)        owner: W(parked) ; fence ; R(queue)
//
// Without the fences both reads may see the old value (store buffering, which x86 does as well),
// and the owner sleeps on a full queue. All seq_cst fences have one total order. If the notifier's
// comes first, the owner's read of the queue, after its own fence, sees the push; if the owner's
// comes first, the notifier sees `parked` and signals. Either way the owner does not sleep through.
namespace {

// ThreadSanitizer does not model fences (GCC refuses to compile them: -Wtsan). There both sides use
// a read-modify-write of `parked` instead: those are totally ordered too, and the later one
// acquires what the earlier one released. It is correct everywhere, but makes every notifier pull
// the cache line of a flag that it mostly only has to read.
#if defined(__SANITIZE_THREAD__)
void announce(std::atomic<bool>& parked) { parked.exchange(true); }
bool take(std::atomic<bool>& parked) { return parked.exchange(false); }
#else
void announce(std::atomic<bool>& parked) {
  parked.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
// Of several notifiers one takes the flag and signals. The exchange may be relaxed: the signal
// goes through the kernel, which orders it, and the queues carry their own release/acquire.
bool take(std::atomic<bool>& parked) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return parked.load(std::memory_order_relaxed) &&
         parked.exchange(false, std::memory_order_relaxed);
}
#endif

}  // namespace

Waker::Waker() : fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() { ::close(fd_); }

void Waker::notify() noexcept {
  if (!take(parked_)) return;
  const std::uint64_t one = 1;
  // Blocks only at 2^64 - 2 unread signals, fails only by EINTR before anything was written.
  while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Waker::park() noexcept { announce(parked_); }

void Waker::unpark() noexcept { parked_.store(false, std::memory_order_relaxed); }

bool Waker::drain() noexcept {
  std::uint64_t count = 0;
  iovec target{&count, sizeof count};
  // RWF_NOWAIT: the descriptor is in blocking mode.
  return ::preadv2(fd_, &target, 1, -1, RWF_NOWAIT) > 0;
}

}  // namespace parsec::engine
