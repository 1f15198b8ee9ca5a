// A thread of one shard, as far as an OutboundChannel can tell.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/outbound/outbound.h"
#include "engine/queues/waker.h"

namespace parsec::testing {

inline std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::unique_ptr<engine::OutboundRequest> outbound_request(
    std::string url, std::uint64_t tag = 0,
    std::chrono::milliseconds time = std::chrono::seconds{20}) {
  auto made = std::make_unique<engine::OutboundRequest>();
  made->tag = tag;
  made->url = std::move(url);
  made->deadline = engine::Clock::now() + time;
  return made;
}

class OutboundShard {
 public:
  OutboundShard(engine::Outbound& outbound, std::uint32_t index,
                engine::OutboundDestination& destination)
      : channel_(destination.channel(index)), counts_(destination.counts()) {
    outbound.set_waker(index, &waker_);
  }

  void submit(std::unique_ptr<engine::OutboundRequest> made) {
    ASSERT_TRUE(channel_.submit(made));
    channel_.flush();
  }
  bool try_submit(std::unique_ptr<engine::OutboundRequest> made) { return channel_.submit(made); }

  /// Sleeps until there is one.
  std::unique_ptr<engine::OutboundRequest> reply() {
    const auto end = engine::Clock::now() + std::chrono::seconds{20};
    while (engine::Clock::now() < end) {
      if (auto answered = channel_.next_reply()) return answered;
      waker_.park();
      if (!channel_.has_replies()) {
        pollfd entry{waker_.fd(), POLLIN, 0};
        EXPECT_EQ(::poll(&entry, 1, 20'000), 1) << "nobody woke the shard";
      }
      waker_.unpark();
      waker_.drain();
    }
    ADD_FAILURE() << "no reply";
    return std::make_unique<engine::OutboundRequest>();
  }
  std::unique_ptr<engine::OutboundRequest> call(std::unique_ptr<engine::OutboundRequest> made) {
    submit(std::move(made));
    return reply();
  }
  bool has_replies() const { return channel_.has_replies(); }
  const engine::OutboundCounts& counts() const { return counts_; }

 private:
  engine::OutboundChannel& channel_;
  const engine::OutboundCounts& counts_;
  engine::Waker waker_;
};

/// Asks again until it is so; for what can be seen only by asking.
inline bool eventually(const std::function<bool()>& probe) {
  const auto end = engine::Clock::now() + std::chrono::seconds{20};
  while (!probe()) {
    if (engine::Clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace parsec::testing
