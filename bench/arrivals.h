// When requests are meant to be sent, in an open loop: the clock decides, not the server's answers.
// Latency counts from these times, so that a server that stalls cannot hide it by slowing the
// generator down ("coordinated omission").
//
// Each generator shard has its own, which together make the wanted rate: constant arrivals take
// turns, Poisson streams of a part of the rate each add up to one of the whole rate.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace parsec::bench {

enum class ArrivalPattern : std::uint8_t { constant, poisson };

struct ArrivalOptions {
  ArrivalPattern pattern = ArrivalPattern::constant;
  /// Of all shards together, above 0.
  double rate_per_second = 1;
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;
  /// The same seed gives the same times, with any standard library.
  std::uint64_t seed = 0;
};

class Arrivals {
 public:
  explicit Arrivals(const ArrivalOptions& options);

  /// The next one, since the start of the run; never before the one before it.
  std::chrono::nanoseconds next();

 private:
  ArrivalOptions options_;
  std::mt19937_64 random_;
  std::uint64_t made_ = 0;
  double seconds_ = 0;  // Poisson: the last arrival
};

}  // namespace parsec::bench
