#include "bench/load/process_usage.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tests/support/loopback.h"

namespace parsec::bench {
namespace {

TEST(ProcessUsage, OfThisProcessWhileItComputes) {
  const pid_t own = ::getpid();
  const CpuTimes before = cpu_times({&own, 1});
  const HostTimes host_before = host_times();
  // Until the kernel has noticed some ticks of it.
  const auto gives_up = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  CpuTimes after = before;
  while (after.ended < before.ended + 0.1 && std::chrono::steady_clock::now() < gives_up) {
    after = cpu_times({&own, 1});
  }
  const ProcessUsage usage = usage_between(before, after, 1, {&own, 1});
  // Less than waited for: differences of whole ticks are not exact in binary.
  EXPECT_GT(usage.cpu_seconds, 0.09);
  EXPECT_GT(usage.busiest_thread, 0.05);
  EXPECT_GE(usage.threads, 1u);
  EXPECT_GT(usage.resident_bytes, 100'000u);
  const HostTimes host_after = host_times();
  EXPECT_GT(host_after.busy, host_before.busy);
  EXPECT_GE(host_after.all - host_before.all, host_after.busy - host_before.busy);
}

TEST(ProcessUsage, FamiliesOfProcesses) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_EQ(parent_of(child), ::getpid());
  EXPECT_EQ(std::ranges::count(descendants_of(::getpid()), child), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(parent_of(child), std::nullopt);
}

TEST(ProcessUsage, WhoListensOnAPort) {
  const testing::Loopback listener;
  ASSERT_EQ(::listen(listener.fd(), 1), 0);
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&name), &size);
  EXPECT_EQ(listener_of(ntohs(name.sin_port)), ::getpid());
  EXPECT_EQ(listener_of(0), std::nullopt);
}

}  // namespace
}  // namespace parsec::bench
