// The highest rate that a server carries, and how latency grows on the way there.
//
// Over any Driver; nothing is known of servers or sockets here. One thread; blocks as long as the
// measurements take.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/repeats.h"

namespace parsec::bench {

struct SaturationOptions {
  /// The promise that must hold: 99 % of the answers within this, from the intended send time.
  std::chrono::nanoseconds p99_bound{100'000'000};
  double first_rate = 100;  // per second
  /// Done when the lowest rate that breaks the promise is so near to the highest that keeps it.
  double precision = 0.05;
  /// Of each rate; the median decides.
  std::uint32_t repeats = 3;
  /// Warm-up, duration, pattern and seed of each measurement.
  Load load;
};

/// One rate, as often as it was measured.
struct Rung {
  double rate = 0;
  std::vector<Measurement> repeats;

  Repeats p99() const;        // nanoseconds
  Repeats completed() const;  // per second
  /// The promise is kept: the bound, and nothing lost, refused or left behind.
  bool keeps(std::chrono::nanoseconds p99_bound) const;
  bool limited_by(Bottleneck bottleneck) const;
};
using OnRung = std::function<void(const Rung&)>;

struct Saturation {
  /// Highest that kept the promise; 0: not even the lowest that was tried did.
  double rate = 0;
  /// The generator was what limited at the first rate that did not: the server carries more.
  bool generator_was_the_limit = false;
  std::vector<Rung> rungs;  // in the order of measuring
};

/// Doubles the rate until the promise breaks, then halves what is between. An error is the
/// driver's.
std::expected<Saturation, std::string> find_saturation(Driver& driver,
                                                       const SaturationOptions& options,
                                                       const OnRung& on_rung);

/// 20 % to 110 % of that rate, in steps of 10 %.
std::expected<std::vector<Rung>, std::string> climb(Driver& driver, double saturation,
                                                    const SaturationOptions& options,
                                                    const OnRung& on_rung);

/// What is left of a rate after a ladder was climbed: the highest below the first rung that broke
/// the promise; 0: the lowest did.
double confirmed(double rate, const std::vector<Rung>& ladder, std::chrono::nanoseconds p99_bound);

}  // namespace parsec::bench
