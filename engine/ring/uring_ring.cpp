#include "engine/ring/uring_ring.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <thread>

#include "engine/host/log.h"

namespace parsec::engine {
namespace {

constexpr int buffer_group = 0;

// liburing maps and unmaps its rings by system calls of its own, which ThreadSanitizer does not
// see: for it a shard writes where an earlier one, on another thread, wrote. The kernel gives an
// address away only after it was unmapped; this tells the sanitizer that order, in its builds.
#if defined(__SANITIZE_THREAD__)
std::atomic<std::uint32_t> rings_closed{0};
void note_rings_closed_before() { rings_closed.load(std::memory_order_acquire); }
void note_ring_closes() { rings_closed.fetch_add(1, std::memory_order_release); }
#else
void note_rings_closed_before() {}
void note_ring_closes() {}
#endif

int descriptor(Socket socket) { return static_cast<int>(socket); }

// user_data: 8 bits operation, 24 bits slot (Limits::connections), 32 bits generation.
std::uint64_t pack(Operation operation, ConnectionId id) {
  assert(id.slot < 1u << 24);
  return std::uint64_t{id.generation} << 32 | std::uint64_t{id.slot} << 8 |
         static_cast<std::uint8_t>(operation);
}
Operation operation_of(std::uint64_t user_data) { return static_cast<Operation>(user_data & 0xff); }
ConnectionId connection_of(std::uint64_t user_data) {
  return {static_cast<std::uint32_t>(user_data >> 8 & 0xffffff),
          static_cast<std::uint32_t>(user_data >> 32)};
}

std::size_t whole_pages(std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

UringTier next_lower(UringTier tier) {
  return static_cast<UringTier>(static_cast<std::uint8_t>(tier) + 1);
}

std::optional<int> read_io_uring_disabled() {
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  int value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

}  // namespace

std::string_view name(UringTier tier) {
  constexpr std::array<std::string_view, 3> names = {"deferred", "cooperative", "single-shot"};
  return names[static_cast<std::size_t>(tier)];
}

std::string explain_setup_failure(int error, std::optional<int> io_uring_disabled) {
  std::string text = "io_uring cannot be used (" + std::generic_category().message(error) + "): ";
  if (error == EPERM && io_uring_disabled.value_or(0) == 2) {
    return text + "it is switched off on this machine; run `sysctl -w kernel.io_uring_disabled=0`";
  }
  if (error == EPERM && io_uring_disabled.value_or(0) == 1) {
    return text +
           "only privileged processes may use it on this machine; run `sysctl -w "
           "kernel.io_uring_disabled=0`, or put this user's group into kernel.io_uring_group";
  }
  switch (error) {
    case EPERM:
    case EACCES:
      return text +
             "a seccomp filter forbids it, as container runtimes do by default; allow "
             "io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile";
    case ENOSYS:
      return text +
             "this kernel has no io_uring, or a seccomp filter hides it; use Linux 6.1 or newer "
             "and allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp "
             "profile";
    case ENOMEM:
      return text +
             "not enough memory may be locked; raise the memlock limit (systemd: "
             "LimitMEMLOCK=infinity, shell: `ulimit -l unlimited`)";
    case EMFILE:
    case ENFILE:
      return text + "no file descriptor is left; raise the nofile limit (systemd: LimitNOFILE=)";
    case EINVAL:
      return text + "this kernel is too old; use Linux 6.1 or newer";
    default:
      return text + "unexpected; Linux 6.1 or newer is needed";
  }
}

std::expected<std::unique_ptr<UringRing>, UringFailure> UringRing::set_up(const Limits& limits,
                                                                          UringOptions options) {
  std::unique_ptr<UringRing> ring(new UringRing(limits));
  if (const int error = ring->set_up_best(options.best_tier); error != 0) {
    return std::unexpected(
        UringFailure{error, explain_setup_failure(error, read_io_uring_disabled())});
  }
  return ring;
}

std::expected<std::unique_ptr<UringRing>, std::string> UringRing::open(const Limits& limits,
                                                                       UringOptions options) {
  auto ring = set_up(limits, options);
  if (!ring) return std::unexpected(std::move(ring.error().message));
  if (auto begun = (*ring)->begin(); !begun) {
    return std::unexpected(std::move(begun.error().message));
  }
  return std::move(*ring);
}

std::expected<void, UringFailure> UringRing::begin() {
  int error = enable();
  while (error == EINVAL && tier_ != UringTier::single_shot) {
    tear_down();
    error = set_up_best(next_lower(tier_));
    if (error == 0) error = enable();
  }
  if (error == 0) return {};
  return std::unexpected(
      UringFailure{error, explain_setup_failure(error, read_io_uring_disabled())});
}

/// The best tier from that one on; only "I do not know this" makes a lower one worth trying.
int UringRing::set_up_best(UringTier tier) {
  int error = set_up(tier);
  while (error == EINVAL && tier_ != UringTier::single_shot) {
    tear_down();
    error = set_up(next_lower(tier_));
  }
  return error;
}

/// The calling thread is the one that submits from now on.
int UringRing::enable() {
  // io_uring_enable_rings(3), which the liburing 2.3 of Debian 12 declares but does not export.
  if (::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
      0) {
    return errno;
  }
  return tier_ != UringTier::single_shot && !multishot_works() ? EINVAL : 0;
}

UringRing::~UringRing() { tear_down(); }

void UringRing::tear_down() {
  note_ring_closes();
  // Before the buffers go: closing the ring ends the operations that could still write into them.
  if (ring_open_) ::io_uring_queue_exit(&ring_);
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_size_);
  ring_open_ = false;
  mapping_ = nullptr;
  free_buffers_ = 0;
}

int UringRing::set_up(UringTier tier) {
  tier_ = tier;
  io_uring_params parameters{};
  // SUBMIT_ALL: a bad entry must not leave the ones behind it unsubmitted.
  // R_DISABLED: the submitter is who enables it (io_uring_register(2), ENABLE_RINGS).
  parameters.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED;
  parameters.cq_entries = limits_.completion_entries;
  if (tier == UringTier::deferred) {
    parameters.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  } else {
    parameters.flags |= IORING_SETUP_COOP_TASKRUN;
  }
  if (const int result =
          ::io_uring_queue_init_params(limits_.submission_entries, &ring_, &parameters);
      result < 0) {
    return -result;
  }
  note_rings_closed_before();
  ring_open_ = true;
  // NODROP: completions beyond the queue wait in the kernel. EXT_ARG: a timeout without an entry.
  constexpr std::uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  if ((parameters.features & needed) != needed) return EINVAL;
  return map_buffers();
}

/// Maps and registers the provided buffers. Pages are touched, and so resident, as buffers are
/// first used.
int UringRing::map_buffers() {
  buffer_count_ = limits_.receive_buffers;
  buffer_size_ = limits_.receive_buffer_size;
  const std::size_t ring_size = whole_pages(buffer_count_ * sizeof(io_uring_buf));
  mapping_size_ = ring_size + std::size_t{buffer_count_} * buffer_size_;
  void* mapping =
      ::mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return ENOMEM;
  mapping_ = static_cast<std::byte*>(mapping);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(mapping);
  buffers_ = mapping_ + ring_size;

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = buffer_count_;
  registration.bgid = buffer_group;
  if (const int result = ::io_uring_register_buf_ring(&ring_, &registration, 0); result < 0) {
    return -result;
  }
  ::io_uring_buf_ring_init(buffer_ring_);
  for (std::uint32_t i = 0; i < buffer_count_; ++i) {
    recycle(static_cast<BufferId>(i));
  }
  return 0;
}

/// Multishot receive came with 6.0, after multishot accept (5.19): tried once, on a socket pair.
bool UringRing::multishot_works() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  const char byte = 'x';
  bool works = ::write(pair[1], &byte, 1) == 1 && receive({}, static_cast<Socket>(pair[0]));
  ::close(pair[1]);
  // One completion with the byte that promises more, then the end of the stream.
  Counters ignored;
  bool saw_more = false;
  for (bool ended = !works; !ended;) {
    submit_and_wait(1, wait_forever, ignored);
    for (Completion completion; next(completion);) {
      saw_more = saw_more || (completion.more && completion.result == 1);
      ended = ended || !completion.more;
      if (completion.has_buffer) recycle(completion.buffer);
    }
  }
  ::close(pair[0]);
  return works && saw_more;
}

std::string UringRing::describe() const {
  utsname system{};
  ::uname(&system);
  const bool deferred = tier_ == UringTier::deferred;
  const bool multishot = tier_ != UringTier::single_shot;
  return std::string("io_uring, tier ") + std::string(name(tier_)) + " (" +
         (deferred ? "single issuer, deferred task run" : "cooperative task run") + ", " +
         (multishot ? "multishot" : "single-shot") + " accept and receive, " +
         std::to_string(buffer_count_) + " buffers of " + std::to_string(buffer_size_) +
         " bytes), Linux " + system.release;
}

// --- Starting operations ---

/// `prepare` is one of liburing's prep functions applied to the entry. user_data comes after it:
/// versions of liburing differ in which of them clear it.
template <class Prepare>
bool UringRing::start(Operation operation, ConnectionId id, Prepare&& prepare) {
  if (!ring_open_) return false;
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    ::io_uring_submit(&ring_);
    entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) return false;
  }
  prepare(entry);
  entry->user_data = pack(operation, id);
  return true;
}

bool UringRing::accept(Socket listener, std::uint32_t index) {
  return start(Operation::accept, {index, 0}, [&](io_uring_sqe* entry) {
    if (tier_ == UringTier::single_shot) {
      ::io_uring_prep_accept(entry, descriptor(listener), nullptr, nullptr, SOCK_CLOEXEC);
    } else {
      ::io_uring_prep_multishot_accept(entry, descriptor(listener), nullptr, nullptr, SOCK_CLOEXEC);
    }
  });
}

bool UringRing::receive(ConnectionId id, Socket socket) {
  return start(Operation::receive, id, [&](io_uring_sqe* entry) {
    if (tier_ == UringTier::single_shot) {
      ::io_uring_prep_recv(entry, descriptor(socket), nullptr, buffer_size_, 0);
    } else {
      ::io_uring_prep_recv_multishot(entry, descriptor(socket), nullptr, 0, 0);
    }
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = buffer_group;
  });
}

bool UringRing::send(ConnectionId id, Socket socket, std::span<const std::byte> bytes) {
  // Not MSG_WAITALL: a short send reports that the peer takes something, which is how a slow
  // reader is told from a dead one.
  return start(Operation::send, id, [&](io_uring_sqe* entry) {
    ::io_uring_prep_send(entry, descriptor(socket), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  });
}

bool UringRing::watch_hangup(ConnectionId id, Socket socket) {
  return start(Operation::hangup, id, [&](io_uring_sqe* entry) {
    ::io_uring_prep_poll_add(entry, descriptor(socket), POLLRDHUP);
  });
}

bool UringRing::wake_on(int fd) {
  return start(Operation::wake, {}, [&](io_uring_sqe* entry) {
    ::io_uring_prep_read(entry, fd, &wake_value_, sizeof wake_value_, 0);
  });
}

bool UringRing::start_cancel(Operation operation, Operation target, ConnectionId id) {
  return start(operation, id,
               [&](io_uring_sqe* entry) { ::io_uring_prep_cancel64(entry, pack(target, id), 0); });
}

bool UringRing::cancel_receive(ConnectionId id) {
  return start_cancel(Operation::cancel_receive, Operation::receive, id);
}

bool UringRing::cancel_send(ConnectionId id) {
  return start_cancel(Operation::cancel_send, Operation::send, id);
}

bool UringRing::cancel_hangup(ConnectionId id) {
  return start_cancel(Operation::cancel_hangup, Operation::hangup, id);
}

bool UringRing::cancel_accept(std::uint32_t index) {
  return start_cancel(Operation::cancel_accept, Operation::accept, {index, 0});
}

bool UringRing::cancel_wake() { return start_cancel(Operation::cancel_wake, Operation::wake, {}); }

bool UringRing::close(ConnectionId id, Socket socket) {
  return start(Operation::close, id,
               [&](io_uring_sqe* entry) { ::io_uring_prep_close(entry, descriptor(socket)); });
}

// --- Direct calls: cheap, and as ring operations they would go to a kernel worker thread ---

void UringRing::shutdown_write(Socket socket) { ::shutdown(descriptor(socket), SHUT_WR); }

void UringRing::reset_on_close(Socket socket) {
  const linger reset{1, 0};
  ::setsockopt(descriptor(socket), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void UringRing::close_now(Socket socket) { ::close(descriptor(socket)); }

std::string UringRing::peer_address(Socket socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(descriptor(socket), address, &size) != 0) return "gone";
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(address)->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    const in6_addr& ip6 = reinterpret_cast<sockaddr_in6*>(address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&ip6)) {
      ::inet_ntop(AF_INET, ip6.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &ip6, text, sizeof text);
    }
  } else {
    return "unix";
  }
  return text;
}

// --- Completions ---

void UringRing::submit_and_wait(std::uint32_t wait_count, WaitTime wait, Counters& counters) {
  if (!ring_open_) return try_to_restart();
  int result = 0;
  if (wait_count == 0) {
    result = ::io_uring_submit_and_get_events(&ring_);
  } else {
    __kernel_timespec timeout{};
    if (wait != wait_forever) {
      timeout.tv_sec = wait / std::chrono::seconds{1};
      timeout.tv_nsec = (wait % std::chrono::seconds{1}).count();
    }
    io_uring_cqe* first = nullptr;
    result = ::io_uring_submit_and_wait_timeout(&ring_, &first, wait_count,
                                                wait == wait_forever ? nullptr : &timeout, nullptr);
  }
  if (::io_uring_cq_has_overflow(&ring_)) counters.add(Count::completion_overflows);
  const std::uint32_t lost = __atomic_load_n(ring_.cq.koverflow, __ATOMIC_RELAXED);
  if ((lost > 0 || result == -EBADR) && !lost_completions_) {
    counters.add(Count::completions_lost, std::max(lost, 1u));
    lost_completions_ = true;
  }
  switch (-result) {
    case ETIME:
    case EINTR:
    case EBADR:   // completions were lost: the loop asks for it
    case EBUSY:   // completions wait beyond the queue: take some first
    case EAGAIN:  // no memory for a request at this moment: its entry stays queued
      return;
    default:
      if (result >= 0) return;
      log::critical("io_uring_enter failed", "io_uring_enter: {}",
                    log::field("reason", std::generic_category().message(-result)));
      std::abort();
  }
}

void UringRing::restart() {
  // What was prepared is handed over, for the sake of the sockets that are to be closed; then all
  // ends that can be cancelled, so that nothing touches its memory any more.
  ::io_uring_submit(&ring_);
  io_uring_sync_cancel_reg everything{};
  everything.flags = IORING_ASYNC_CANCEL_ANY;
  everything.timeout = {.tv_sec = 1, .tv_nsec = 0};
  ::io_uring_register_sync_cancel(&ring_, &everything);
  for (Completion completion; next(completion);) {
    if (completion.operation == Operation::accept && completion.result >= 0) {
      ::close(completion.result);
    }
  }
  tear_down();
  lost_completions_ = false;
  int error = set_up(tier_);
  if (error == 0) error = enable();
  if (error != 0) {
    log::critical("io_uring cannot be set up", "{}; trying again",
                  log::field("reason", explain_setup_failure(error, read_io_uring_disabled())));
    tear_down();
  }
}

/// The thread has nothing else to do meanwhile: without a ring it has no connections.
void UringRing::try_to_restart() {
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  if (set_up(tier_) == 0 && enable() == 0) {
    log::info("io_uring works again");
  } else {
    tear_down();
  }
}

bool UringRing::next(Completion& completion) {
  if (!ring_open_) return false;
  const unsigned head = *ring_.cq.khead;
  if (head == io_uring_smp_load_acquire(ring_.cq.ktail)) return false;
  const io_uring_cqe& entry = ring_.cq.cqes[head & *ring_.cq.kring_mask];
  completion.operation = operation_of(entry.user_data);
  completion.connection = connection_of(entry.user_data);
  completion.result = entry.res;
  completion.more = (entry.flags & IORING_CQE_F_MORE) != 0;
  completion.has_buffer = (entry.flags & IORING_CQE_F_BUFFER) != 0;
  if (completion.has_buffer) {
    completion.buffer = static_cast<BufferId>(entry.flags >> IORING_CQE_BUFFER_SHIFT);
    completion.bytes =
        buffer_bytes(completion.buffer, static_cast<std::size_t>(entry.res > 0 ? entry.res : 0));
    assert(free_buffers_ > 0);
    --free_buffers_;
  } else {
    completion.bytes = {};
  }
  ::io_uring_cq_advance(&ring_, 1);
  return true;
}

std::span<std::byte> UringRing::buffer_bytes(BufferId buffer, std::size_t size) {
  const auto index = static_cast<std::size_t>(buffer);
  assert(index < buffer_count_ && size <= buffer_size_);
  return {buffers_ + index * buffer_size_, size};
}

void UringRing::recycle(BufferId buffer) {
  const auto mask = static_cast<int>(buffer_count_ - 1);
  ::io_uring_buf_ring_add(buffer_ring_, buffer_bytes(buffer, 0).data(), buffer_size_,
                          static_cast<std::uint16_t>(buffer), mask, 0);
  ::io_uring_buf_ring_advance(buffer_ring_, 1);
  ++free_buffers_;
  assert(free_buffers_ <= buffer_count_);
}

}  // namespace parsec::engine
