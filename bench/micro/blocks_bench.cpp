// Blocks in a RAID5 set, and base64 as notifications and events have it.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "db/blocks/raid_layout.h"
#include "protocol/bytes/base64.h"

namespace parsec {
namespace {

constexpr std::size_t nodes = 3;

void Raid5Split(benchmark::State& state) {
  const std::vector<std::byte> block(static_cast<std::size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) benchmark::DoNotOptimize(db::raid5_chunks(block, nodes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Raid5Split)->Arg(64 * 1024)->Arg(512 * 1024);

void Raid5JoinWithoutOneNode(benchmark::State& state) {
  const std::vector<std::byte> block(static_cast<std::size_t>(state.range(0)), std::byte{7});
  const auto whole = db::raid5_chunks(block, nodes);
  std::vector<std::optional<std::vector<std::byte>>> chunks(whole.begin(), whole.end());
  chunks[0].reset();
  for (auto _ : state) benchmark::DoNotOptimize(db::raid5_block(chunks));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Raid5JoinWithoutOneNode)->Arg(64 * 1024)->Arg(512 * 1024);

void Base64(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) {
    benchmark::DoNotOptimize(protocol::base64_decode(protocol::base64_encode(bytes)));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Base64)->Arg(16)->Arg(4096);

}  // namespace
}  // namespace parsec
