// The ring alone, against the kernel, in every tier: one kernel behaviour the loop relies on per
// test.
#include "engine/ring/uring_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/queues/waker.h"
#include "tests/support/text.h"

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;
using testing::text_of;

class UringRingTest : public ::testing::TestWithParam<UringTier> {
 protected:
  UringRingTest() {
    limits.submission_entries = 16;
    limits.completion_entries = 64;
    limits.receive_buffers = 4;
    limits.receive_buffer_size = 64;
    auto opened = UringRing::open(limits, {.best_tier = GetParam()});
    if (!opened) throw std::runtime_error(opened.error());
    ring = std::move(*opened);
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ours = static_cast<Socket>(pair[0]);
  }
  ~UringRingTest() override {
    ::close(pair[0]);
    ::close(pair[1]);
  }

  /// The next completion, waiting for it; nothing if none comes within `patience`.
  std::optional<Completion> next(std::chrono::milliseconds patience = 5000ms) {
    Completion completion;
    if (ring->next(completion)) return completion;
    ring->submit_and_wait(1, patience, counters);
    if (ring->next(completion)) return completion;
    return std::nullopt;
  }
  void peer_sends(std::string_view bytes) {
    EXPECT_EQ(::send(pair[1], bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  bool multishot() const { return GetParam() != UringTier::single_shot; }

  Limits limits;
  Counters counters;
  std::unique_ptr<UringRing> ring;
  int pair[2] = {-1, -1};
  Socket ours{};
  const ConnectionId id{0xabcdef, 0xfedcba98};
};

INSTANTIATE_TEST_SUITE_P(, UringRingTest,
                         ::testing::Values(UringTier::deferred, UringTier::cooperative,
                                           UringTier::single_shot),
                         [](const auto& tier) {
                           std::string text(name(tier.param));
                           std::ranges::replace(text, '-', '_');
                           return text;
                         });

TEST_P(UringRingTest, ReceivesIntoProvidedBuffersAndTakesThemBack) {
  EXPECT_EQ(ring->tier(), GetParam());
  EXPECT_NE(ring->describe().find(name(GetParam())), std::string::npos);
  EXPECT_EQ(ring->free_buffers(), 4u);
  for (int round = 0; round < 20; ++round) {
    if (round == 0 || !multishot()) {
      ASSERT_TRUE(ring->receive(id, ours));
    }
    peer_sends("hello");
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->operation, Operation::receive);
    EXPECT_EQ(completion->connection, id);
    EXPECT_EQ(completion->result, 5);
    EXPECT_EQ(completion->more, multishot());
    ASSERT_TRUE(completion->has_buffer);
    EXPECT_EQ(text_of(completion->bytes), "hello");
    EXPECT_EQ(ring->free_buffers(), 3u);
    ring->recycle(completion->buffer);
  }
}

TEST_P(UringRingTest, TellsTheEndOfTheStream) {
  ASSERT_TRUE(ring->receive(id, ours));
  ::shutdown(pair[1], SHUT_WR);
  const auto completion = next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->result, 0);
  EXPECT_FALSE(completion->more);
  if (completion->has_buffer) ring->recycle(completion->buffer);
  EXPECT_EQ(ring->free_buffers(), 4u);
}

TEST_P(UringRingTest, WithoutABufferAReceiveEndsWithENOBUFS) {
  std::vector<BufferId> kept;
  ASSERT_TRUE(ring->receive(id, ours));
  peer_sends(std::string(1000, 'x'));
  for (;;) {
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    if (completion->result == -ENOBUFS) {
      EXPECT_FALSE(completion->more);
      EXPECT_FALSE(completion->has_buffer);
      break;
    }
    EXPECT_EQ(completion->result, 64);
    kept.push_back(completion->buffer);
    if (!completion->more) {
      ASSERT_TRUE(ring->receive(id, ours));
    }
  }
  EXPECT_EQ(kept.size(), 4u);
  EXPECT_EQ(ring->free_buffers(), 0u);
  ring->recycle(kept[2]);
  ASSERT_TRUE(ring->receive(id, ours));
  const auto completion = next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->result, 64);
  EXPECT_EQ(completion->buffer, kept[2]);
}

TEST_P(UringRingTest, SendsAndReportsHowMuch) {
  const std::string text = "to the peer";
  ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{text})));
  const auto completion = next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->operation, Operation::send);
  EXPECT_EQ(completion->result, static_cast<int>(text.size()));
  char buffer[64];
  EXPECT_EQ(::recv(pair[1], buffer, sizeof buffer, 0), completion->result);

  // More than fits: a short send, or one that waits; to a peer that is gone: an error, no signal.
  const std::string much(4'000'000, 'm');
  ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{much})));
  const auto partly = next();
  ASSERT_TRUE(partly.has_value());
  EXPECT_GT(partly->result, 0);
  EXPECT_LT(partly->result, 4'000'000);
  ::close(std::exchange(pair[1], -1));
  ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{much})));
  const auto broken = next();
  ASSERT_TRUE(broken.has_value());
  EXPECT_EQ(broken->result, -EPIPE);
}

TEST_P(UringRingTest, EveryCancelledOperationReportsItsEnd) {
  const std::string much(4'000'000, 'm');
  ASSERT_TRUE(ring->receive(id, ours));
  ASSERT_TRUE(ring->watch_hangup(id, ours));
  ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{much})));
  auto sent = next();
  ASSERT_TRUE(sent.has_value());
  ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{much})));  // waits for room
  ring->submit_and_wait(0, WaitTime::zero(), counters);
  const auto cancel_all = [this] {
    ASSERT_TRUE(ring->cancel_receive(id));
    ASSERT_TRUE(ring->cancel_send(id));
    ASSERT_TRUE(ring->cancel_hangup(id));
  };
  const std::vector cancelling{Operation::cancel_receive, Operation::cancel_send,
                               Operation::cancel_hangup};
  cancel_all();
  std::vector<Operation> ended;
  for (int i = 0; i < 6; ++i) {
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    ended.push_back(completion->operation);
    EXPECT_FALSE(completion->more);
    if (std::ranges::count(cancelling, completion->operation) == 0) {
      EXPECT_EQ(completion->result, -ECANCELED);
    }
  }
  std::ranges::sort(ended);
  EXPECT_EQ(ended, (std::vector{Operation::receive, Operation::send, Operation::hangup,
                                Operation::cancel_receive, Operation::cancel_send,
                                Operation::cancel_hangup}));
  cancel_all();
  for (int i = 0; i < 3; ++i) {
    const auto nothing = next();
    ASSERT_TRUE(nothing.has_value());
    EXPECT_EQ(std::ranges::count(cancelling, nothing->operation), 1);
  }
}

TEST_P(UringRingTest, CancellingTheReceiveLeavesTheRest) {
  ASSERT_TRUE(ring->receive(id, ours));
  ASSERT_TRUE(ring->watch_hangup(id, ours));
  ASSERT_TRUE(ring->cancel_receive(id));
  std::vector<Operation> ended;
  for (int i = 0; i < 2; ++i) {
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    ended.push_back(completion->operation);
  }
  std::ranges::sort(ended);
  EXPECT_EQ(ended, (std::vector{Operation::receive, Operation::cancel_receive}));
  ::shutdown(pair[1], SHUT_WR);
  const auto hangup = next();
  ASSERT_TRUE(hangup.has_value());
  EXPECT_EQ(hangup->operation, Operation::hangup);
  EXPECT_TRUE(hangup->result & POLLRDHUP);
}

TEST_P(UringRingTest, AcceptsUntilCancelled) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::listen(listener, 8), -1) << "not bound";
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  // Only the family: the kernel picks an abstract name (unix(7), autobind).
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  for (int i = 0; i < 3; ++i) {
    if (i == 0 || !multishot()) {
      ASSERT_TRUE(ring->accept(static_cast<Socket>(listener), 5));
    }
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->operation, Operation::accept);
    EXPECT_EQ(completion->connection.slot, 5u);
    EXPECT_EQ(completion->more, multishot());
    ASSERT_GE(completion->result, 0);
    EXPECT_TRUE(::fcntl(completion->result, F_GETFD) & FD_CLOEXEC);
    EXPECT_EQ(ring->peer_address(static_cast<Socket>(completion->result)), "unix");
    ring->close_now(static_cast<Socket>(completion->result));
    ::close(client);
  }
  if (!multishot()) {
    ASSERT_TRUE(ring->accept(static_cast<Socket>(listener), 5));
  }
  ASSERT_TRUE(ring->cancel_accept(5));
  bool accept_ended = false;
  for (int i = 0; i < 2; ++i) {
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    if (completion->operation == Operation::accept) accept_ended = completion->result == -ECANCELED;
  }
  EXPECT_TRUE(accept_ended);
  ::close(listener);
}

TEST_P(UringRingTest, IsWokenThroughTheWaker) {
  Waker waker;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(ring->wake_on(waker.fd()));
    waker.park();
    EXPECT_FALSE(next(1ms).has_value());
    waker.notify();
    const auto completion = next();
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->operation, Operation::wake);
    EXPECT_EQ(completion->result, 8);
    EXPECT_FALSE(waker.drain()) << "the read took the signal";
    waker.unpark();
  }
  ASSERT_TRUE(ring->wake_on(waker.fd()));
  ASSERT_TRUE(ring->cancel_wake());
  std::vector<Operation> ended;
  for (int i = 0; i < 2; ++i) ended.push_back(next().value().operation);
  std::ranges::sort(ended);
  EXPECT_EQ(ended, (std::vector{Operation::wake, Operation::cancel_wake}));
}

TEST_P(UringRingTest, ClosesAndReports) {
  const int extra = ::dup(pair[0]);
  ASSERT_TRUE(ring->close(id, static_cast<Socket>(extra)));
  const auto completion = next();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->operation, Operation::close);
  EXPECT_EQ(completion->result, 0);
  EXPECT_EQ(::fcntl(extra, F_GETFD), -1);
}

TEST_P(UringRingTest, AFullSubmissionQueueIsHandedOverByItself) {
  const std::string text = "x";
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{text})));
  int completed = 0;
  while (completed < 40 && next()) ++completed;
  EXPECT_EQ(completed, 40);
}

TEST_P(UringRingTest, CompletionsBeyondTheQueueAreCountedAndNotLost) {
  const std::string text = "x";
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(ring->send(id, ours, std::as_bytes(std::span{text})));
  }
  int completed = 0;
  while (completed < 200 && next()) ++completed;
  EXPECT_EQ(completed, 200);
  EXPECT_GT(counters.get(Count::completion_overflows), 0u);
  EXPECT_EQ(counters.get(Count::completions_lost), 0u);
}

TEST_P(UringRingTest, WaitsNoLongerThanAsked) {
  const auto before = ring->now();
  EXPECT_FALSE(next(20ms).has_value());
  EXPECT_GE(ring->now() - before, 20ms);
  ring->submit_and_wait(10, WaitTime::zero(), counters);
  ring->submit_and_wait(0, WaitTime::zero(), counters);
  EXPECT_LT(ring->now() - before, 5s);
}

// --- Lost completions ---

/// On this thread waiting for so many completions fails as if the kernel had lost some.
constexpr std::uint32_t fatal_count = 13;
bool fail_waits_for_fatal_count() {
  sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_io_uring_enter},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args[2])},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, fatal_count},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EBADR},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  sock_fprog program{6, filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_P(UringRingTest, AfterLostCompletionsItStartsOver) {
  bool filtered = false;
  std::thread thread{[&] {
    filtered = fail_waits_for_fatal_count();
    if (!filtered) return;
    ring = std::move(*UringRing::open(limits, {.best_tier = GetParam()}));  // belongs to a thread
    ASSERT_TRUE(ring->receive(id, ours));
    peer_sends("lost");
    ring->submit_and_wait(0, WaitTime::zero(), counters);
    EXPECT_FALSE(ring->lost_completions());
    ring->submit_and_wait(fatal_count, 5000ms, counters);
    EXPECT_TRUE(ring->lost_completions());
    EXPECT_EQ(counters.get(Count::completions_lost), 1u);

    ring->restart();
    EXPECT_FALSE(ring->lost_completions());
    EXPECT_EQ(ring->tier(), GetParam());
    EXPECT_EQ(ring->free_buffers(), limits.receive_buffers);
    EXPECT_FALSE(next(0ms)) << "nothing of before comes";
    ASSERT_TRUE(ring->receive(id, ours));
    peer_sends("found");
    const auto received = next();
    ASSERT_TRUE(received);
    // What was not lost after all is found as well, where the first receive had not taken it.
    EXPECT_TRUE(text_of(received->bytes).ends_with("found"));
    ring.reset();
  }};
  thread.join();
  if (!filtered) GTEST_SKIP() << "no seccomp here";
}

// --- Machines where it does not work ---

TEST(UringRing, SaysWhatToChange) {
  struct Case {
    int error;
    std::optional<int> sysctl;
    const char* advice;
  };
  const Case cases[] = {
      {EPERM, 2, "kernel.io_uring_disabled=0"},
      {EPERM, 1, "kernel.io_uring_group"},
      {EPERM, 0, "seccomp"},
      {EPERM, std::nullopt, "seccomp"},
      {EACCES, 0, "seccomp"},
      {ENOSYS, std::nullopt, "Linux 6.1"},
      {ENOMEM, 0, "memlock"},
      {EMFILE, 0, "nofile"},
      {EINVAL, 0, "Linux 6.1"},
      {EIO, 0, "Linux 6.1"},
  };
  for (const Case& c : cases) {
    const std::string text = explain_setup_failure(c.error, c.sysctl);
    EXPECT_NE(text.find(c.advice), std::string::npos) << text;
    EXPECT_NE(text.find("io_uring"), std::string::npos) << text;
  }
}

/// In a child process: forbids io_uring_setup, as container runtimes do.
[[noreturn]] void open_without_permission() {
  sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_io_uring_setup},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  sock_fprog program{4, filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::_Exit(2);
  }
  const auto ring = UringRing::open({}, {});
  std::_Exit(!ring && ring.error().find("seccomp") != std::string::npos ? 0 : 1);
}

TEST(UringRing, ASeccompFilterIsExplained) {
  const pid_t child = ::fork();
  if (child == 0) open_without_permission();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace parsec::engine
