// Results as files: JSON of a versioned format, which comes back exactly as it was, histograms
// included (sparse: [value, count] for each bucket that is not empty).
//
//   {"format": "parsec-bench-result", "version": 2, "environment": {…}, "scenario": {…}, "run":
//   […],
//    "search": {…}, "ladder": […], "scaling": {…}, "neighbours": […]}
//
// Times are in nanoseconds, sizes in bytes. A reader takes versions up to its own, and refuses what
// it does not know.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "bench/result.h"

namespace parsec::bench {

inline constexpr std::uint32_t result_version = 2;

std::string write_result(const Result& result);

/// The error names the place: `run[0].commands[1].latency: …`.
std::expected<Result, std::string> read_result(std::string_view json);

/// From a file; the error names it.
std::expected<Result, std::string> load_result(const std::string& file);
/// Into a file, which is replaced; the error is a sentence for the user.
std::expected<void, std::string> save(const std::string& file, std::string_view text);

}  // namespace parsec::bench
