// A request's way through the protocol, from the frame's bytes to the reply's, with a database that
// answers at once; and one event on its way to many connections.
#include <benchmark/benchmark.h>

#include "bench/instructions/request_path.h"

namespace parsec::bench {
namespace {

template <void (RequestPath::*step)()>
void Request(benchmark::State& state) {
  RequestPath path;
  for (auto _ : state) (path.*step)();
}
BENCHMARK(Request<&RequestPath::ping>);
BENCHMARK(Request<&RequestPath::told_ping>);
BENCHMARK(Request<&RequestPath::vlob_read>);
BENCHMARK(Request<&RequestPath::vlob_update>);
BENCHMARK(Request<&RequestPath::handshake>);

void FanOut(benchmark::State& state) {
  RequestPath path;
  path.subscribe(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) path.fan_out();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(FanOut)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace parsec::bench
