#include "bench/arrivals.h"

#include <cassert>
#include <cmath>

namespace parsec::bench {

namespace {

/// Uniform in [0, 1), of 53 bits. std::exponential_distribution is another one in each library.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

std::chrono::nanoseconds to_nanoseconds(double seconds) {
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

}  // namespace

Arrivals::Arrivals(const ArrivalOptions& options)
    // Neighbouring seeds of mt19937_64 give unrelated streams (its seeding mixes).
    : options_(options), random_(options.seed * options.shards + options.shard) {
  assert(options.rate_per_second > 0 && options.shard < options.shards);
}

std::chrono::nanoseconds Arrivals::next() {
  if (options_.pattern == ArrivalPattern::constant) {
    // From the number, not by adding gaps up: no error grows over a long run.
    const std::uint64_t number = made_++ * options_.shards + options_.shard;
    return to_nanoseconds(static_cast<double>(number) / options_.rate_per_second);
  }
  const double own_rate = options_.rate_per_second / options_.shards;
  seconds_ += -std::log1p(-uniform(random_)) / own_rate;
  return to_nanoseconds(seconds_);
}

}  // namespace parsec::bench
