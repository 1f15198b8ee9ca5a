// What a neighbour's load does to others on the same server: each victim's latency alone and beside
// it. Over any Driver.
//
// effect_of() is a pure function; measure_neighbours() blocks, and lets each driver measure on a
// thread of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "bench/driver.h"

namespace parsec::bench {

struct NeighbourVictim {
  std::string name;
  std::vector<Measurement> alone;   // repeats
  std::vector<Measurement> beside;  // the hog; as many
};

/// One hog, and everybody beside it.
struct NeighbourRow {
  std::string hog;
  std::vector<Measurement> hog_load;  // what it did meanwhile
  std::vector<NeighbourVictim> victims;
};

/// Of all repeats together; times in nanoseconds.
struct NeighbourEffect {
  double alone_p50 = 0, alone_p99 = 0;
  double beside_p50 = 0, beside_p99 = 0;
  std::uint64_t alone_failures = 0, beside_failures = 0;  // no reply, or another status than `ok`

  /// Of the 99th percentiles; 0: nothing was answered.
  double ratio() const { return alone_p99 == 0 ? 0 : beside_p99 / alone_p99; }
  /// What is promised between organizations: see most_ratio and always_allowed.
  bool holds() const;
};
NeighbourEffect effect_of(const NeighbourVictim& victim);

/// A neighbour may make the 99th percentile so many times as long, or as long as this if that is
/// more, and no request may fail.
inline constexpr double most_neighbour_ratio = 10;
inline constexpr double always_allowed_nanoseconds = 10e6;

struct NeighbourParty {
  std::string name;
  Driver& driver;
  std::uint32_t in_flight = 1;
};

/// Each repeat: the victims alone, then with the hog. load: warm-up, duration and patience. What
/// was complete before a failure is in `row`; the error is the driver's.
std::expected<void, std::string> measure_neighbours(const NeighbourParty& hog,
                                                    std::span<const NeighbourParty> victims,
                                                    const Load& load, std::uint32_t repeats,
                                                    NeighbourRow& row);

}  // namespace parsec::bench
