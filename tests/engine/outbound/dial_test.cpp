// Connections that a shard opens itself, over the real kernel.
#include "engine/outbound/dial.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <optional>
#include <string>

#include "engine/ring/uring_ring.h"
#include "engine/shard/shard.h"
#include "engine/shard/shard_thread.h"

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

/// Sends back what comes.
class Echo : public Handler {
 public:
  explicit Echo(Transport& transport) : transport_(transport) {}
  void on_open(ConnectionId, std::string_view) override {}
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    transport_.output(id).append(bytes);
  }
  void on_drained(ConnectionId) override {}
  void on_deadline(ConnectionId) override {}
  void on_closed(ConnectionId, CloseReason) override {}
  bool on_turn() override { return false; }
  bool has_work() const override { return false; }
  void on_shutdown() override {}

 private:
  Transport& transport_;
};

/// Notes what becomes of the connections that it dialled; gives up after a while.
class Caller : public Handler {
 public:
  explicit Caller(ShardControl& control) : control_(control) {}

  int opened = 0;
  std::string received;
  std::size_t wanted = SIZE_MAX;  // then it stops
  std::optional<CloseReason> closed;
  TimePoint gives_up = Clock::now() + 20s;

  void on_open(ConnectionId, std::string_view) override { ++opened; }
  void on_data(ConnectionId, std::span<std::byte> bytes) override {
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (received.size() >= wanted) control_.request_stop();
  }
  void on_drained(ConnectionId) override {}
  void on_deadline(ConnectionId) override {}
  void on_closed(ConnectionId, CloseReason reason) override {
    closed = reason;
    control_.request_stop();
  }
  bool on_turn() override {
    if (Clock::now() >= gives_up) control_.request_stop();
    return false;
  }
  bool has_work() const override { return Clock::now() >= gives_up; }
  TimePoint next_work() const override { return gives_up; }
  void on_shutdown() override {}

 private:
  ShardControl& control_;
};

class Dial : public ::testing::Test {
 protected:
  Limits limits = [] {
    Limits small;
    small.connections = 4;
    small.receive_buffers = 16;
    small.shutdown_grace = Duration{0};
    return small;
  }();
  ShardControl control;
  std::unique_ptr<UringRing> ring = UringRing::open(limits, {}).value();
  Shard<UringRing> shard{*ring, limits, control, {}};
  Caller caller{control};

  static DialTarget loopback(std::uint16_t port) {
    return DialTarget::resolve("127.0.0.1", port).value();
  }
};

TEST_F(Dial, WhatIsSentBeforeTheConnectionIsThereArrives) {
  const auto server = ShardThreads::start(
      {.limits = limits},
      [](ShardIndex, Transport& transport, Waker&) { return std::make_unique<Echo>(transport); });
  ASSERT_TRUE(server) << server.error();
  const DialTarget target = loopback((*server)->port());
  for (const auto source : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{200}}) {
    const auto id = shard.adopt(target.dial(source).value());
    ASSERT_TRUE(id);
    shard.output(*id).append("hello");
  }
  caller.wanted = 15;
  shard.run(caller);
  EXPECT_EQ(caller.received, "hellohellohello");
  EXPECT_EQ(caller.opened, 0);
  EXPECT_EQ(control.counters.get(Count::dialled), 3u);
}

TEST_F(Dial, NobodyListensThere) {
  // Bound and not listening: nobody else gets the port meanwhile.
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&name), &size), 0);
  const auto socket = loopback(ntohs(name.sin_port)).dial();
  ASSERT_TRUE(socket);
  const auto id = shard.adopt(*socket);
  ASSERT_TRUE(id);
  shard.output(*id).append("hello");
  shard.run(caller);
  EXPECT_EQ(caller.closed, CloseReason::peer_reset);
  ::close(taken);
}

TEST_F(Dial, AHandlerIsWokenWhenItSaidSo) {
  caller.gives_up = Clock::now() + 5ms;
  shard.run(caller);
  EXPECT_GE(Clock::now(), caller.gives_up);
  EXPECT_GE(control.counters.get(Count::sleeps), 1u);
}

/// `localhost` is ::1 too on many machines, where nobody listens.
TEST_F(Dial, OfANameTheAddressThatAnswers) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listener, 2), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
  const auto target = DialTarget::resolve("localhost", ntohs(name.sin_port));
  ASSERT_TRUE(target) << target.error();
  while (::close(::accept(listener, nullptr, nullptr)) == 0) {
  }  // those that were only tried
  const auto socket = target->dial();
  ASSERT_TRUE(socket);
  ASSERT_TRUE(shard.adopt(*socket));
  pollfd arrives{.fd = listener, .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&arrives, 1, 20'000), 1);
  ::close(listener);
}

TEST_F(Dial, NamesAreResolved) {
  EXPECT_TRUE(DialTarget::resolve("localhost", 1)->is_loopback());
  EXPECT_FALSE(DialTarget::resolve("192.0.2.1", 1)->is_loopback());
  const auto unknown = DialTarget::resolve("no such name", 1);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().find("cannot resolve `no such name`"), std::string::npos);
}

}  // namespace
}  // namespace parsec::engine
