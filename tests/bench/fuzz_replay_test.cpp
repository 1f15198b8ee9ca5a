// The fuzz target of what the benchmark reads, replayed: tests/support/fuzz_replay.h.
#include "tests/support/fuzz_replay.h"

#include <gtest/gtest.h>

extern "C" int fuzz_bench_json(const std::uint8_t* data, std::size_t size);

namespace parsec {
namespace {

TEST(Fuzz, BenchJson) { testing::replay(fuzz_bench_json, "bench_json", 10'000); }

}  // namespace
}  // namespace parsec
