// The ring over Linux io_uring: what the shard's loop runs on in production (concept: ring.h).
//
// One per shard. It may be set up on any thread, then is begun, used and closed on the shard's own
// (SINGLE_ISSUER). What the kernel offers is found by trying, best tier first; describe() tells
// what was found. Receiving goes through one ring of provided buffers: an idle connection holds
// none.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/limits.h"
#include "engine/ring/ring.h"

namespace parsec::engine {

/// What the kernel lets us use, best first.
enum class UringTier : std::uint8_t {
  /// SINGLE_ISSUER + DEFER_TASKRUN (6.1): completions are worked off when we ask, in batches.
  deferred,
  /// COOP_TASKRUN (5.19): whenever the thread enters the kernel. Multishot as above.
  cooperative,
  /// As above, and every accept and receive is armed again after it completed.
  single_shot,
};
std::string_view name(UringTier tier);

struct UringOptions {
  /// Start the search here; tests cover the lower tiers with it.
  UringTier best_tier = UringTier::deferred;
};

/// io_uring cannot be used.
struct UringFailure {
  /// errno of what failed. ENOMEM: the memory that may be locked is used up (getrlimit(2),
  /// RLIMIT_MEMLOCK), maybe by a ring whose closing the kernel has not finished.
  int error = 0;
  /// What to change on this machine.
  std::string message;
};

class UringRing {
 public:
  /// Any thread: takes what the kernel counts as locked memory. Only begin() makes it usable.
  static std::expected<std::unique_ptr<UringRing>, UringFailure> set_up(const Limits& limits,
                                                                        UringOptions options);
  /// On the thread that uses the ring from now on, once.
  std::expected<void, UringFailure> begin();
  /// Both at once.
  static std::expected<std::unique_ptr<UringRing>, std::string> open(const Limits& limits,
                                                                     UringOptions options);
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  UringTier tier() const { return tier_; }
  /// For the log, one line.
  std::string describe() const;

  bool accept(Socket listener, std::uint32_t index);
  bool receive(ConnectionId id, Socket socket);
  bool send(ConnectionId id, Socket socket, std::span<const std::byte> bytes);
  bool watch_hangup(ConnectionId id, Socket socket);
  bool wake_on(int fd);
  bool cancel_receive(ConnectionId id);
  bool cancel_send(ConnectionId id);
  bool cancel_hangup(ConnectionId id);
  bool cancel_accept(std::uint32_t index);
  bool cancel_wake();
  bool close(ConnectionId id, Socket socket);

  void shutdown_write(Socket socket);
  void reset_on_close(Socket socket);
  void close_now(Socket socket);
  /// The numeric address without the port; "unix" for a unix socket.
  std::string peer_address(Socket socket);

  void submit_and_wait(std::uint32_t wait_count, WaitTime wait, Counters& counters);
  bool next(Completion& completion);
  void recycle(BufferId buffer);
  /// Exact when next() returned false, otherwise an upper bound.
  std::uint32_t free_buffers() const { return free_buffers_; }
  TimePoint now() const { return Clock::now(); }

  bool lost_completions() const { return lost_completions_; }
  void restart();

 private:
  explicit UringRing(const Limits& limits) : limits_(limits) {}
  int set_up_best(UringTier tier);
  int set_up(UringTier tier);
  int enable();
  int map_buffers();
  void tear_down();
  void try_to_restart();
  bool multishot_works();
  template <class Prepare>
  bool start(Operation operation, ConnectionId id, Prepare&& prepare);
  bool start_cancel(Operation operation, Operation target, ConnectionId id);
  std::span<std::byte> buffer_bytes(BufferId buffer, std::size_t size);

  const Limits limits_;
  io_uring ring_{};
  bool ring_open_ = false;
  UringTier tier_ = UringTier::deferred;

  // One mapping: the ring of buffer descriptors the kernel takes from, then the buffers.
  std::byte* mapping_ = nullptr;
  std::size_t mapping_size_ = 0;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::byte* buffers_ = nullptr;
  std::uint32_t buffer_count_ = 0;
  std::uint32_t buffer_size_ = 0;
  std::uint32_t free_buffers_ = 0;

  std::uint64_t wake_value_ = 0;  // target of the read that wake_on() starts
  bool lost_completions_ = false;
};

/// Why io_uring_setup(2) failed and what to do about it. `io_uring_disabled` is the sysctl's value
/// (Linux 6.6), if it exists.
std::string explain_setup_failure(int error, std::optional<int> io_uring_disabled);

}  // namespace parsec::engine
