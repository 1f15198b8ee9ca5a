// Shards on real threads, sockets and io_uring, in every tier the kernel offers.
#include "engine/shard/shard_thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/host/heartbeats.h"
#include "engine/queues/spsc_ring.h"
#include "tests/support/loopback.h"

namespace parsec::engine {
namespace {

using parsec::testing::Loopback;
using namespace std::chrono_literals;

/// Echoes; a line that starts with '!' is a command. Every command is one byte after the '!'.
class TestHandler : public Handler {
 public:
  explicit TestHandler(Transport& transport) : transport_(transport) {}

  void on_open(ConnectionId id, std::string_view peer_address) override {
    EXPECT_EQ(peer_address, "127.0.0.1");
    open_.push_back(id);
  }
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    if (bytes.size() == 2 && bytes[0] == std::byte{'!'}) {
      return command(id, static_cast<char>(bytes[1]));
    }
    transport_.output(id).append(bytes);
    if (transport_.pending_output(id) > Limits{}.output_high_water) transport_.pause_reading(id);
  }
  void on_drained(ConnectionId id) override { transport_.resume_reading(id); }
  void on_deadline(ConnectionId id) override {
    if (flooded_ == id) {
      transport_.output(id).append(std::string(100'000, 'f'));
      transport_.set_deadline(id, 1ms);
    } else {
      transport_.resume_reading(id);
    }
  }
  void on_closed(ConnectionId id, CloseReason) override { std::erase(open_, id); }
  bool on_turn() override { return false; }
  bool has_work() const override { return false; }
  void on_shutdown() override {
    for (const ConnectionId id : open_) transport_.close(id, CloseMode::after_flush);
  }

 private:
  void command(ConnectionId id, char what) {
    switch (what) {
      case 'c':  // a large reply, then close
        transport_.output(id).append(std::string(3'000'000, 'r'));
        return transport_.close(id, CloseMode::after_flush);
      case 'a':
        return transport_.close(id, CloseMode::abort);
      case 'p':  // pause for a while
        transport_.output(id).append("paused");
        transport_.pause_reading(id);
        return transport_.set_deadline(id, 200ms);
      case 'P':  // pause for ever
        transport_.output(id).append("paused");
        return transport_.pause_reading(id);
      case 'f':
        flooded_ = id;
        return transport_.set_deadline(id, 1ms);
      default:
        ADD_FAILURE() << "unknown command";
    }
  }

  Transport& transport_;
  std::vector<ConnectionId> open_;
  ConnectionId flooded_;
};

HandlerFactory test_handlers() {
  return [](ShardIndex, Transport& transport, Waker&) {
    return std::make_unique<TestHandler>(transport);
  };
}

/// Awaits a condition on counters of another thread; there is nothing to be notified by.
bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

class ShardThreadsTest : public ::testing::TestWithParam<UringTier> {
 protected:
  ShardThreadsTest() {
    options.uring.best_tier = GetParam();
    options.limits.connections = 5000;
  }
  void start(HandlerFactory factory = test_handlers()) {
    auto started = ShardThreads::start(options, std::move(factory));
    ASSERT_TRUE(started.has_value()) << started.error();
    threads = std::move(*started);
    EXPECT_NE(
        threads->ring_description().find(std::string("tier ") + std::string(name(GetParam()))),
        std::string::npos)
        << "the kernel offers less than this test expects: " << threads->ring_description();
  }
  std::uint64_t count(Count what) const {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < threads->size(); ++i) {
      sum += threads->counters(ShardIndex{i}).get(what);
    }
    return sum;
  }

  ShardThreadsOptions options;
  std::unique_ptr<ShardThreads> threads;
};

INSTANTIATE_TEST_SUITE_P(, ShardThreadsTest,
                         ::testing::Values(UringTier::deferred, UringTier::cooperative,
                                           UringTier::single_shot),
                         [](const auto& tier) {
                           std::string text(name(tier.param));
                           std::ranges::replace(text, '-', '_');
                           return text;
                         });

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 131 >> 3);
  return bytes;
}

TEST_P(ShardThreadsTest, EchoesMegabytes) {
  start();
  Loopback client(threads->port());
  const std::string sent = pattern(4'000'000);
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  const auto received = client.receive(sent.size());
  sender.join();
  EXPECT_TRUE(received.bytes == sent);
}

TEST_P(ShardThreadsTest, ServesThousandsOfConnectionsAtOnce) {
  options.limits.receive_buffers = 64;
  start();
  constexpr std::size_t connections = 2000;
  std::vector<Loopback> clients;
  for (std::size_t i = 0; i < connections; ++i) clients.emplace_back(threads->port());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < connections; ++i) clients[i].send("message " + std::to_string(i));
    for (std::size_t i = 0; i < connections; ++i) {
      const std::string expected = "message " + std::to_string(i);
      ASSERT_EQ(clients[i].receive(expected.size()).bytes, expected);
    }
  }
  EXPECT_EQ(count(Count::accepted), connections);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return count(Count::closed_peer_closed) == connections; }));
  EXPECT_EQ(count(Count::stale_completions), 0u);
}

TEST_P(ShardThreadsTest, NoticesAReset) {
  start();
  Loopback client(threads->port());
  client.send("x");
  EXPECT_EQ(client.receive(1).bytes, "x");
  client.reset();
  EXPECT_TRUE(eventually([&] { return count(Count::closed_peer_reset) == 1; }));
}

TEST_P(ShardThreadsTest, ClosesAfterALargeReplyWasRead) {
  start();
  Loopback client(threads->port());
  client.send("!c");
  const auto received = client.receive_all();
  EXPECT_EQ(received.bytes.size(), 3'000'000u);
  EXPECT_TRUE(received.ended);
  EXPECT_EQ(received.error, 0);
  client.close();
  EXPECT_TRUE(eventually([&] { return count(Count::closed_by_handler) == 1; }));
}

TEST_P(ShardThreadsTest, AbortsWithAReset) {
  start();
  Loopback client(threads->port());
  client.send("!a");
  EXPECT_EQ(client.receive_all().error, ECONNRESET);
  EXPECT_TRUE(eventually([&] { return count(Count::closed_aborted) == 1; }));
}

TEST_P(ShardThreadsTest, HoldsThePeerBackWhilePausedAndLosesNothing) {
  start();
  Loopback client(threads->port());
  client.send("!p");
  EXPECT_EQ(client.receive(6).bytes, "paused");
  const std::string sent = pattern(2'000'000);
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  const auto received = client.receive(sent.size());
  sender.join();
  EXPECT_TRUE(received.bytes == sent);
}

TEST_P(ShardThreadsTest, NoticesThePeersEndWhilePaused) {
  start();
  for (const bool with_bytes : {false, true}) {
    Loopback ending(threads->port());
    ending.send("!P");
    EXPECT_EQ(ending.receive(6).bytes, "paused");
    if (with_bytes) ending.send("unread bytes");
    ending.close();
    EXPECT_TRUE(
        eventually([&] { return count(Count::closed_peer_closed) == (with_bytes ? 2u : 1u); }));
    Loopback resetting(threads->port());
    resetting.send("!P");
    EXPECT_EQ(resetting.receive(6).bytes, "paused");
    if (with_bytes) resetting.send("unread bytes");
    resetting.reset();
    EXPECT_TRUE(
        eventually([&] { return count(Count::closed_peer_reset) == (with_bytes ? 2u : 1u); }));
  }
}

TEST_P(ShardThreadsTest, EndsAPeerThatDoesNotRead) {
  options.limits.output_high_water = 100'000;
  options.limits.output_limit = 1'000'000;
  start();
  Loopback client;
  client.set_receive_buffer(4096);
  ASSERT_EQ(client.connect(threads->port()), 0);
  client.send("!f");
  EXPECT_TRUE(eventually([&] { return count(Count::closed_output_limit) == 1; }));
}

TEST_P(ShardThreadsTest, SurvivesTinyQueuesAndBuffers) {
  options.limits.submission_entries = 8;
  options.limits.completion_entries = 16;
  options.limits.wait_batch = 16;
  options.limits.receive_buffers = 4;
  options.limits.receive_buffer_size = 64;
  start();
  constexpr std::size_t connections = 300;
  std::vector<Loopback> clients;
  for (std::size_t i = 0; i < connections; ++i) clients.emplace_back(threads->port());
  const std::string sent = pattern(2000);
  for (Loopback& client : clients) client.send(sent);
  for (Loopback& client : clients) ASSERT_TRUE(client.receive(sent.size()).bytes == sent);
  for (Loopback& client : clients) client.reset();
  EXPECT_TRUE(eventually([&] { return count(Count::closed_peer_reset) == connections; }));
  if (GetParam() == UringTier::cooperative) {
    EXPECT_GT(count(Count::receive_starved), 0u);
  }
  EXPECT_EQ(count(Count::completions_lost), 0u);
  EXPECT_EQ(count(Count::stale_completions), 0u);
}

TEST_P(ShardThreadsTest, RestsWhenDescriptorsRunOutAndGoesOn) {
  std::vector<Loopback> clients(20);
  rlimit before{};
  // Lowered before the shard arms its accept: io_uring takes the limit of that moment.
  start([&](ShardIndex, Transport& transport, Waker&) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    // The limit is on the number a new descriptor would get: room for three more.
    const int next = ::dup(0);
    ::close(next);
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(next) + 3;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    return std::make_unique<TestHandler>(transport);
  });
  for (Loopback& client : clients) EXPECT_EQ(client.connect(threads->port()), 0);
  EXPECT_TRUE(eventually([&] { return count(Count::accept_pauses) >= 2; }));
  EXPECT_EQ(count(Count::accepted), 3u);
  EXPECT_LT(count(Count::turns), 1000u) << "spins";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  for (Loopback& client : clients) {
    client.send("x");
    EXPECT_EQ(client.receive(1).bytes, "x");
  }
}

TEST_P(ShardThreadsTest, StopsPolitely) {
  start();
  std::vector<Loopback> clients;
  for (int i = 0; i < 50; ++i) clients.emplace_back(threads->port());
  ASSERT_TRUE(eventually([&] { return count(Count::accepted) == 50; }));
  threads->stop();
  for (Loopback& client : clients) {
    const auto received = client.receive_all();
    EXPECT_TRUE(received.ended);
    client.close();
  }
  threads->join();
  EXPECT_EQ(count(Count::closed_by_handler), 50u);
  Loopback late;
  EXPECT_EQ(late.connect(threads->port()), ECONNREFUSED);
  threads->stop();
  threads->waker(ShardIndex{0}).notify();
}

TEST_P(ShardThreadsTest, SpreadsConnectionsOverShards) {
  options.shards = 2;
  options.pin = true;
  start();
  std::vector<Loopback> clients;
  for (int i = 0; i < 64; ++i) clients.emplace_back(threads->port());
  for (Loopback& client : clients) {
    client.send("x");
    EXPECT_EQ(client.receive(1).bytes, "x");
  }
  EXPECT_EQ(count(Count::accepted), 64u);
  EXPECT_GT(threads->counters(ShardIndex{0}).get(Count::accepted), 0u);
  EXPECT_GT(threads->counters(ShardIndex{1}).get(Count::accepted), 0u);
}

/// As database workers do: requests go to another thread through a ring, replies come back.
class RemoteEcho : public Handler {
 public:
  struct Job {
    ConnectionId connection;
    char byte;
  };
  RemoteEcho(Transport& transport, Waker& waker)
      : transport_(transport), waker_(waker), worker_([this] { work(); }) {}
  ~RemoteEcho() override {
    stop_.store(true);
    worker_waker_.notify();
    worker_.join();
  }
  void on_open(ConnectionId, std::string_view) override {}
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    for (const std::byte byte : bytes) {
      while (!there_.try_push({id, static_cast<char>(byte)})) std::this_thread::yield();
    }
    worker_waker_.notify();
  }
  void on_drained(ConnectionId) override {}
  void on_deadline(ConnectionId) override {}
  void on_closed(ConnectionId, CloseReason) override {}
  bool on_turn() override {
    for (Job job{}; back_.try_pop(job);) {
      transport_.output(job.connection).push(static_cast<std::uint8_t>(job.byte));
    }
    return false;
  }
  bool has_work() const override { return !back_.empty(); }
  void on_shutdown() override {}

 private:
  void work() {
    while (!stop_.load()) {
      bool any = false;
      for (Job job{}; there_.try_pop(job); any = true) {
        while (!back_.try_push(job)) std::this_thread::yield();
      }
      if (any) waker_.notify();
      worker_waker_.park();
      if (there_.empty() && !stop_.load()) {
        pollfd entry{worker_waker_.fd(), POLLIN, 0};
        ::poll(&entry, 1, -1);
      }
      worker_waker_.unpark();
      worker_waker_.drain();
    }
  }

  Transport& transport_;
  Waker& waker_;
  SpscRing<Job> there_{1024};
  SpscRing<Job> back_{8192};
  Waker worker_waker_;
  std::atomic<bool> stop_{false};
  std::thread worker_;
};

TEST_P(ShardThreadsTest, IsWokenByOtherThreads) {
  options.limits.shutdown_grace = 100ms;
  start([](ShardIndex, Transport& transport, Waker& waker) {
    return std::make_unique<RemoteEcho>(transport, waker);
  });
  std::vector<Loopback> clients;
  for (int i = 0; i < 8; ++i) clients.emplace_back(threads->port());
  for (int round = 0; round < 200; ++round) {
    for (Loopback& client : clients) client.send("ping");
    for (Loopback& client : clients) ASSERT_EQ(client.receive(4).bytes, "ping");
  }
  EXPECT_GT(count(Count::wake_ups), 0u);
}

// --- Whether they turn over ---

TEST(ShardThreads, OneThatHangsIsNamedAndOnesThatSleepAreNot) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  class Hanging final : public TestHandler {
   public:
    Hanging(Transport& transport, std::shared_future<void> until)
        : TestHandler(transport), until_(std::move(until)) {}
    void on_data(ConnectionId, std::span<std::byte>) override { until_.wait(); }

   private:
    std::shared_future<void> until_;
  };
  const auto threads =
      ShardThreads::start({.shards = 2}, [&](ShardIndex, Transport& transport, Waker&) {
        return std::make_unique<Hanging>(transport, released);
      });
  ASSERT_TRUE(threads.has_value()) << threads.error();
  Loopback client((*threads)->port());
  client.send("hang");
  constexpr auto limit = 2 * heartbeat_interval;
  EXPECT_TRUE(eventually([&] { return !stalled_threads(limit, Clock::now()).empty(); }));
  // The other one has slept for as long.
  const auto stalls = stalled_threads(limit, Clock::now());
  release.set_value();
  ASSERT_EQ(stalls.size(), 1u);
  EXPECT_TRUE(stalls[0].thread.starts_with("shard ")) << stalls[0].thread;
  EXPECT_TRUE(eventually([&] { return stalled_threads(limit, Clock::now()).empty(); }));
}

// --- Starting ---

TEST(ShardThreads, SaysThatThePortIsInUse) {
  auto first = ShardThreads::start({}, test_handlers());
  ASSERT_TRUE(first.has_value()) << first.error();
  ShardThreadsOptions same;
  same.address.port = (*first)->port();
  const auto second = ShardThreads::start(same, test_handlers());
  ASSERT_FALSE(second.has_value()) << "joined a listener that shares its port";
  EXPECT_NE(second.error().find("port " + std::to_string(same.address.port)), std::string::npos);
  EXPECT_NE(second.error().find("another process"), std::string::npos) << second.error();
  first->reset();
  EXPECT_TRUE(ShardThreads::start(same, test_handlers()).has_value()) << "free again";
}

TEST(ShardThreads, SaysWhatIsWrongWithItsOptions) {
  ShardThreadsOptions options;
  options.limits.receive_buffers = 1000;
  const auto limits = ShardThreads::start(options, test_handlers());
  ASSERT_FALSE(limits.has_value());
  EXPECT_NE(limits.error().find("receive_buffers"), std::string::npos);

  const auto none = ShardThreads::start({.shards = 0}, test_handlers());
  EXPECT_FALSE(none.has_value());

  const auto nowhere = ShardThreads::start({.address = {.host = "host.invalid"}}, test_handlers());
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_NE(nowhere.error().find("host.invalid"), std::string::npos) << nowhere.error();
}

TEST(ShardThreads, AFactoryThatThrowsMakesStartFail) {
  std::atomic<int> calls{0};
  const auto started =
      ShardThreads::start({.shards = 3}, [&](ShardIndex index, Transport& transport, Waker&) {
        ++calls;
        if (index == ShardIndex{1}) throw std::runtime_error("no database");
        return std::make_unique<TestHandler>(transport);
      });
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error(), "no database");
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace parsec::engine
