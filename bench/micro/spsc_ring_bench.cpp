// What a hop between a shard and a database worker costs: alone (no contention, the floor), and
// between two threads (cache lines travel). Compare runs on the same machine only.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "engine/queues/spsc_ring.h"
#include "engine/queues/waker.h"

namespace parsec::engine {
namespace {

void SpscRing_push_pop_one_thread(benchmark::State& state) {
  SpscRing<std::uint64_t> ring(1024);
  const auto batch = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < batch; ++i) ring.try_push(i);
    std::uint64_t value = 0;
    while (ring.try_pop(value)) sum += value;
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(SpscRing_push_pop_one_thread)->Arg(1)->Arg(64);

/// Throughput when the consumer never sleeps.
void SpscRing_two_threads(benchmark::State& state) {
  SpscRing<std::uint64_t> ring(static_cast<std::size_t>(state.range(0)));
  std::atomic<bool> stop{false};
  std::thread consumer([&] {
    std::uint64_t value = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      if (!ring.try_pop(value)) std::this_thread::yield();
    }
  });
  std::uint64_t value = 0;
  for (auto _ : state) {
    while (!ring.try_push(value)) std::this_thread::yield();
    ++value;
  }
  stop.store(true, std::memory_order_relaxed);
  consumer.join();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SpscRing_two_threads)->Arg(64)->Arg(1024)->UseRealTime();

/// There and back, the one request in flight: the latency floor of a database call.
void SpscRing_round_trip(benchmark::State& state) {
  SpscRing<std::uint64_t> there(64);
  SpscRing<std::uint64_t> back(64);
  std::atomic<bool> stop{false};
  std::thread echo([&] {
    std::uint64_t value = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      if (there.try_pop(value)) {
        back.try_push(value);
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t value = 0;
  for (auto _ : state) {
    there.try_push(value);
    while (!back.try_pop(value)) std::this_thread::yield();
  }
  stop.store(true, std::memory_order_relaxed);
  echo.join();
}
BENCHMARK(SpscRing_round_trip)->UseRealTime();

/// What notify() costs while the owner is awake: paid once per batch.
void Waker_notify_awake(benchmark::State& state) {
  Waker waker;
  for (auto _ : state) waker.notify();
}
BENCHMARK(Waker_notify_awake);

/// With the signal: one write to the eventfd and one read, no thread switch.
void Waker_notify_parked(benchmark::State& state) {
  Waker waker;
  for (auto _ : state) {
    waker.park();
    waker.notify();
    waker.drain();
  }
}
BENCHMARK(Waker_notify_parked);

}  // namespace
}  // namespace parsec::engine
