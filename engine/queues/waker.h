// Wakes one sleeping thread (the owner), and costs next to nothing while it is awake.
//
// A wake-up through the kernel takes 20-45 us, so the gain is in not signalling: a notifier writes
// the eventfd only if the owner announced that it sleeps, and of many notifiers only one does.
//
//   notifier (any thread)                     owner
//   ---------------------                     -----
//   push into a queue                         park()
//   notify()                                  if a queue has something: unpark(), go on
//                                             else sleep until fd() is readable; unpark(); drain()
//
// No wake-up is lost: see the fences in waker.cpp. A wake-up may be spurious.
//
// The owner sleeps in whatever watches descriptors: io_uring (an 8-byte read of fd(), which
// replaces drain()), epoll or poll.
#pragma once

#include <atomic>

namespace parsec::engine {

class Waker {
 public:
  /// Throws std::system_error if the process has no descriptor left.
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  /// Any thread, after it published work for the owner. Once per batch is enough.
  void notify() noexcept;

  /// Owner: from here on notifiers signal. Recheck every queue after this and before sleeping.
  void park() noexcept;

  /// Owner: awake again. A signal on its way may still arrive, later.
  void unpark() noexcept;

  /// Readable once signalled. Blocking mode, as a read through io_uring needs it to wait.
  int fd() const { return fd_; }

  /// Owner: makes fd() unreadable again. Never blocks. True if there was a signal.
  bool drain() noexcept;

 private:
  int fd_;
  std::atomic<bool> parked_{false};
};

}  // namespace parsec::engine
