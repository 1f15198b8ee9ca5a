// The seam between the shard's loop and the kernel: what a ring must offer (a C++20 concept, the
// loop is a template over it) and the words both sides use.
//
// UringRing is the production one; the tests' SimRing plays a hostile network from a seed. Nothing
// here blocks except submit_and_wait. Operations report back as completions that name them by
// kind, slot and generation, never by a pointer: a completion can then be checked against what the
// loop believes to be in flight, and a wrong one does no harm.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/counters.h"
#include "engine/handler.h"

namespace parsec::engine {

enum class Operation : std::uint8_t {
  accept,          // result: the new socket, or -errno. `slot` is the listener's index
  receive,         // result: bytes, 0 for the end of the stream, or -errno
  send,            // result: bytes taken, maybe fewer than offered, or -errno
  hangup,          // the peer ended or broke the connection (POLLRDHUP, POLLHUP, POLLERR)
  cancel_receive,  // result: ignored; the cancelled operation itself reports as well
  cancel_send,
  cancel_hangup,
  close,
  wake,  // the Waker's descriptor was read
  cancel_accept,
  cancel_wake,
};

/// A socket as the ring knows it: a descriptor, or a number of the simulation.
enum class Socket : std::int32_t { none = -1 };

enum class BufferId : std::uint16_t {};

struct Completion {
  Operation operation{};
  /// More completions of this operation will follow; false: this was the terminal one.
  bool more = false;
  bool has_buffer = false;
  BufferId buffer{};
  ConnectionId connection{};
  std::int32_t result = 0;
  /// What was received; the loop gives it back with recycle(buffer).
  std::span<std::byte> bytes{};
};

/// How long submit_and_wait may sleep. `forever` waits for a completion alone.
using WaitTime = std::chrono::nanoseconds;
inline constexpr WaitTime wait_forever = WaitTime::max();

/// Functions that start an operation return false when the submission queue is full and stays so;
/// nothing has happened then, and the loop tries again in its next turn.
template <class R>
concept Ring = requires(R ring, const R& constant, ConnectionId id, Socket socket, BufferId buffer,
                        std::span<const std::byte> bytes, std::uint32_t number, WaitTime wait,
                        Completion& completion, int fd, Counters& counters) {
  // Multishot where the kernel has it; the completion's `more` says whether it stays armed.
  { ring.accept(socket, number) } -> std::same_as<bool>;
  { ring.receive(id, socket) } -> std::same_as<bool>;
  // `bytes` stay valid and unchanged until the completion.
  { ring.send(id, socket, bytes) } -> std::same_as<bool>;
  { ring.watch_hangup(id, socket) } -> std::same_as<bool>;
  { ring.wake_on(fd) } -> std::same_as<bool>;

  // One by one: the kernel finds an operation by its name at once, but everything of a socket only
  // by looking at whatever is in flight on any (io_uring_prep_cancel(3)).
  { ring.cancel_receive(id) } -> std::same_as<bool>;
  { ring.cancel_send(id) } -> std::same_as<bool>;
  { ring.cancel_hangup(id) } -> std::same_as<bool>;
  { ring.cancel_accept(number) } -> std::same_as<bool>;
  { ring.cancel_wake() } -> std::same_as<bool>;
  { ring.close(id, socket) } -> std::same_as<bool>;

  // At once, without a completion.
  { ring.shutdown_write(socket) } -> std::same_as<void>;
  { ring.reset_on_close(socket) } -> std::same_as<void>;
  { ring.close_now(socket) } -> std::same_as<void>;
  { ring.peer_address(socket) } -> std::same_as<std::string>;

  // Hands everything over; returns when wait_count completions are there or the time is up. With a
  // wait_count of 0 it only collects what is ready.
  { ring.submit_and_wait(number, wait, counters) } -> std::same_as<void>;
  { ring.next(completion) } -> std::same_as<bool>;
  { ring.recycle(buffer) } -> std::same_as<void>;
  { constant.free_buffers() } -> std::same_as<std::uint32_t>;

  // Completions got lost: nobody knows any more what is in flight. Only restart() helps, after
  // which nothing is, and no completion of before will come. What close() was asked to close is
  // closed; so is a connection whose accept had not been told yet. As long as a restart fails,
  // operations cannot be started, and submit_and_wait tries again.
  { constant.lost_completions() } -> std::same_as<bool>;
  { ring.restart() } -> std::same_as<void>;
  { constant.now() } -> std::same_as<TimePoint>;
};

}  // namespace parsec::engine
