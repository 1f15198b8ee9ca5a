// What repeated runs of the same measurement say together: their median, and how far apart they
// are. No mean: one disturbed run would move it, and a mean of percentiles means nothing.
#pragma once

#include <span>

namespace parsec::bench {

struct Repeats {
  double median = 0;
  double lowest = 0;
  double highest = 0;

  /// (highest - lowest) / median: what two results must differ by to differ at all. 0 if the median
  /// is 0.
  double spread() const;
};

/// Of at least one run. The median of an even number is between the two in the middle.
Repeats summarize(std::span<const double> runs);

}  // namespace parsec::bench
