// WebSocket framing: finding and unmasking a client's frame, and unmasking alone.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "protocol/websocket/websocket.h"

namespace parsec::websocket {
namespace {

constexpr std::array<std::byte, 4> mask{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21},
                                        std::byte{0x3D}};

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void Unmask(benchmark::State& state) {
  std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    unmask(std::as_writable_bytes(std::span{bytes}), mask, 1);
    benchmark::ClobberMemory();
  }
  set_bytes(state, bytes.size());
}
BENCHMARK(Unmask)->Arg(16)->Arg(128)->Arg(1024)->Arg(16 * 1024)->Arg(1024 * 1024);

/// One frame that lies whole in the receive buffer. It is unmasked in place, so that its content
/// changes with every round, its head does not.
void ReadFrame(benchmark::State& state) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
  engine::OutputBuffer stream;
  write_masked_frame(stream, Opcode::binary, as_bytes(payload), mask);
  FrameReader reader;
  for (auto _ : state) {
    std::span<std::byte> input{stream.data(), stream.size()};
    auto part = reader.next(input);
    benchmark::DoNotOptimize(part);
    benchmark::ClobberMemory();
  }
  set_bytes(state, stream.size());
}
BENCHMARK(ReadFrame)->Arg(16)->Arg(128)->Arg(1024)->Arg(16 * 1024)->Arg(1024 * 1024);

/// size_hint right (1) or left out (0): what the guess of a long reply's head is worth.
void WriteMessage(benchmark::State& state) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
  engine::OutputBuffer out;
  for (auto _ : state) {
    out.clear();
    const MessageWriter message{out, state.range(1) != 0 ? payload.size() : 0};
    out.append(payload);
    benchmark::ClobberMemory();
  }
  set_bytes(state, payload.size());
}
BENCHMARK(WriteMessage)->ArgsProduct({{16, 1024, 1024 * 1024}, {0, 1}});

void AcceptKey(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(accept_key("dGhlIHNhbXBsZSBub25jZQ=="));
}
BENCHMARK(AcceptKey);

}  // namespace
}  // namespace parsec::websocket
