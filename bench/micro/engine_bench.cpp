// What the engine does for each message or connection: deadlines, connection records, output.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <vector>

#include "engine/host/histogram.h"
#include "engine/output_buffer.h"
#include "engine/shard/connection_table.h"
#include "engine/shard/timer_wheel.h"

namespace parsec::engine {
namespace {

constexpr std::uint32_t connections = 100'000;

void OutputOfOneReply(benchmark::State& state) {
  const std::vector<std::byte> reply(static_cast<std::size_t>(state.range(0)));
  OutputBuffer output;
  for (auto _ : state) {
    output.append(reply);
    benchmark::DoNotOptimize(output.data());
    output.clear();
  }
}
BENCHMARK(OutputOfOneReply)->Arg(64)->Arg(1024)->Arg(64 * 1024);

void ConnectionsComeAndGo(benchmark::State& state) {
  ConnectionTable table{connections};
  for (std::uint32_t i = 0; i < connections / 2; ++i) table.acquire(Socket{1});
  for (auto _ : state) {
    const auto slot = table.acquire(Socket{1});
    benchmark::DoNotOptimize(table.find(table.id_of(slot)));
    table.at(slot).state = ConnectionState::ending;
    table.release(slot);
  }
}
BENCHMARK(ConnectionsComeAndGo);

void DeadlineMovesAway(benchmark::State& state) {
  TimePoint now{};
  TimerWheel wheel{now};
  for (std::uint32_t slot = 0; slot < connections; ++slot) wheel.set(slot, now, Duration{30'000});
  std::uint32_t slot = 0;
  for (auto _ : state) {
    now += std::chrono::microseconds{1};
    wheel.set(slot, now, Duration{30'000});
    slot = slot + 1 == connections ? 0 : slot + 1;
  }
}
BENCHMARK(DeadlineMovesAway);

void HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  std::uint64_t value = 1;
  for (auto _ : state) {
    histogram.record(value >> 40);
    value = value * 6364136223846793005U + 1442695040888963407U;
  }
}
BENCHMARK(HistogramRecord);

}  // namespace
}  // namespace parsec::engine
