// Two results side by side. Whether two figures differ at all is decided by how far the repeats of
// each are apart: a difference within that is noise, and without repeats nothing can be said.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/repeats.h"
#include "bench/result.h"

namespace parsec::bench {

enum class Verdict : std::uint8_t { not_known, same, better, worse };
std::string_view name(Verdict verdict);

enum class Unit : std::uint8_t { per_second, nanoseconds, bytes, share, plain };

struct Difference {
  std::string what;  // "vlob_read, 99th percentile"
  Unit unit = Unit::plain;
  Repeats before, after;
  Verdict verdict = Verdict::not_known;

  /// Of the medians, after to before; and the least and the most that any two repeats make it.
  double ratio() const { return after.median / before.median; }
  double least_ratio() const { return after.lowest / before.highest; }
  double most_ratio() const { return after.highest / before.lowest; }
};

/// `same` unless the medians are further apart than either's repeats.
Verdict judge(const Repeats& before, const Repeats& after, bool more_is_better);

struct Comparison {
  std::vector<Difference> differences;
  /// What makes the two hard to compare: other loads, scenarios or machines.
  std::vector<std::string> warnings;
};

Comparison compare(const Result& before, const Result& after);

}  // namespace parsec::bench
