#include "bench/result.h"

#include <algorithm>
#include <cmath>

namespace parsec::bench {

namespace {

/// The ladder ends at 1.1 of the saturation.
constexpr double half_of_highest_rung = 0.5 / 1.1;

}  // namespace

std::span<const Measurement> Result::typical() const {
  if (!run.empty()) return run;
  if (!ladder.empty()) {
    const double wanted = half_of_highest_rung * ladder.back().rate;
    return std::ranges::min_element(
               ladder, {}, [wanted](const Rung& rung) { return std::abs(rung.rate - wanted); })
        ->repeats;
  }
  if (search && !search->found.rungs.empty()) {
    const std::vector<Rung>& rungs = search->found.rungs;
    const auto found = std::ranges::find(rungs, search->found.rate, &Rung::rate);
    return found == rungs.end() ? rungs.back().repeats : found->repeats;
  }
  if (scaling && !scaling->steps.empty()) return scaling->steps.back().repeats;
  return {};
}

}  // namespace parsec::bench
