// A result of everything that parsec-bench can measure, of a queue of the textbook instead of a
// server: the same on every machine.
#pragma once

#include "bench/result.h"

namespace parsec::testing {

/// faster: by so much does it serve more.
bench::Result sample_result(double faster = 1);

}  // namespace parsec::testing
