#include "bench/repeats.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace parsec::bench {

double Repeats::spread() const { return median == 0 ? 0 : (highest - lowest) / median; }

Repeats summarize(std::span<const double> runs) {
  assert(!runs.empty());
  std::vector<double> sorted(runs.begin(), runs.end());
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  const double median =
      sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {.median = median, .lowest = sorted.front(), .highest = sorted.back()};
}

}  // namespace parsec::bench
