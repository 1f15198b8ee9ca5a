// A plan for readers: as text for a terminal, as JSON for programs. Pure functions.
#pragma once

#include <string>

#include "bench/analysis/plan.h"

namespace parsec::bench {

std::string describe(const Plan& plan);

/// {"format": "parsec-bench-plan", "version": 1, …}; bytes, seconds and bits, not rounded.
std::string write_plan(const Plan& plan);

}  // namespace parsec::bench
