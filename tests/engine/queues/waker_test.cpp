// No wake-up may be lost, and a thread that is awake must not be signalled.
#include "engine/queues/waker.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <thread>
#include <vector>

#include "engine/queues/spsc_ring.h"

namespace parsec::engine {
namespace {

bool readable(const Waker& waker, int timeout_ms) {
  pollfd entry{waker.fd(), POLLIN, 0};
  return ::poll(&entry, 1, timeout_ms) == 1;
}

TEST(Waker, DoesNotSignalAnOwnerThatIsAwake) {
  Waker waker;
  waker.notify();
  EXPECT_FALSE(readable(waker, 0));
  waker.park();
  waker.unpark();
  waker.notify();
  EXPECT_FALSE(readable(waker, 0));
  EXPECT_FALSE(waker.drain());
}

TEST(Waker, SignalsASleepingOwnerOnce) {
  Waker waker;
  waker.park();
  waker.notify();
  waker.notify();
  EXPECT_TRUE(readable(waker, 0));
  EXPECT_TRUE(waker.drain());
  EXPECT_FALSE(readable(waker, 0));
  // Only parking again makes it signal again.
  waker.notify();
  EXPECT_FALSE(readable(waker, 0));
  waker.park();
  waker.notify();
  EXPECT_TRUE(waker.drain());
}

/// On a machine that is busy with other things every handover costs a time slice: the tests below
/// do as much as fits into this.
constexpr std::chrono::milliseconds time_budget{700};
using SteadyClock = std::chrono::steady_clock;

/// Producers push into one ring each and notify; the owner sleeps whenever all are empty. A lost
/// wake-up shows as a sleep that nobody ends: the poll then times out.
void run(std::size_t producers, int most_each) {
  constexpr int lost_after_ms = 20'000;
  constexpr int end = -1;
  Waker waker;
  std::vector<std::unique_ptr<SpscRing<int>>> rings;
  for (std::size_t i = 0; i < producers; ++i) rings.push_back(std::make_unique<SpscRing<int>>(64));
  std::vector<std::thread> threads;
  for (auto& ring : rings) {
    threads.emplace_back([&waker, &ring, most_each] {
      const auto push = [&](int value) {
        while (!ring->try_push(value)) std::this_thread::yield();
        waker.notify();
      };
      const auto stop = SteadyClock::now() + time_budget;
      for (int i = 0; i < most_each && SteadyClock::now() < stop; ++i) push(i);
      push(end);
    });
  }
  std::vector<int> expected(producers, 0);
  std::size_t ended = 0;
  int sleeps = 0;
  bool lost = false;
  while (ended < producers) {
    for (std::size_t i = 0; i < producers; ++i) {
      for (int value = 0; rings[i]->try_pop(value);) {
        if (value == end) {
          ++ended;
        } else {
          ASSERT_EQ(value, expected[i]++);
        }
      }
    }
    if (ended == producers) break;
    waker.park();
    bool work = false;
    for (auto& ring : rings) work = work || !ring->empty();
    if (!work) {
      ++sleeps;
      if (!readable(waker, lost_after_ms)) {
        lost = true;
        break;
      }
    }
    waker.unpark();
    waker.drain();
  }
  EXPECT_FALSE(lost) << "slept although something was on its way";
  for (auto& thread : threads) thread.join();
  EXPECT_GT(sleeps, 0);
}

TEST(Waker, LosesNoWakeUpOfOneProducer) { run(1, 300'000); }
TEST(Waker, LosesNoWakeUpOfSeveralProducers) { run(3, 100'000); }

/// The race itself, again and again: one thread pushes and notifies at the moment the other parks
/// and looks. Afterwards the owner has seen the item or has a signal; without the fences in
/// waker.cpp a processor with a store buffer (every one) soon shows neither.
TEST(Waker, ParkingAndNotifyingAtTheSameMomentNeverMissEachOther) {
  constexpr int most = 100'000;
  constexpr int stop = -1;
  Waker waker;
  SpscRing<int> ring(2);
  std::atomic<int> start{0};
  std::atomic<int> done{0};
  // Spins, so that both leave together; gives way now and then, for machines with one core.
  const auto await = [](const auto& condition) {
    for (int spins = 1; !condition(); ++spins) {
      if (spins % 200 == 0) std::this_thread::yield();
    }
  };
  std::thread producer([&] {
    for (int last = 0;;) {
      await([&] { return start.load(std::memory_order_acquire) != last; });
      last = start.load(std::memory_order_acquire);
      if (last == stop) return;
      ring.try_push(last);
      waker.notify();
      done.store(last, std::memory_order_release);
    }
  });
  int missed = 0;
  const auto deadline = SteadyClock::now() + time_budget;
  for (int round = 1; round <= most && SteadyClock::now() < deadline; ++round) {
    start.store(round, std::memory_order_release);
    waker.park();
    const bool seen = !ring.empty();
    await([&] { return done.load(std::memory_order_acquire) == round; });
    waker.unpark();
    const bool signalled = waker.drain();
    missed += !seen && !signalled;
    int value = 0;
    EXPECT_TRUE(ring.try_pop(value));
  }
  start.store(stop, std::memory_order_release);
  producer.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace parsec::engine
