// Results as a page that explains itself: one file, nothing loaded from anywhere, to be read by
// whoever decides on machines. Percentiles come from the histograms of all repeats added up.
//
// Pure functions.
#pragma once

#include <string>

#include "bench/analysis/comparison.h"
#include "bench/result.h"

namespace parsec::bench {

std::string html_report(const Result& result);

/// names: of the two, as the reader knows them (file names).
std::string html_comparison(const Comparison& comparison, const Result& before, const Result& after,
                            const std::string& name_before, const std::string& name_after);

}  // namespace parsec::bench
