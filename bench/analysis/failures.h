// Requests that were not answered `ok`: what latencies, which are of answers alone, do not show.
// Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bench/driver.h"

namespace parsec::bench {

struct Failures {
  std::uint64_t requests = 0;                      // whose fate is known: with and without a reply
  std::map<std::string, std::uint64_t> by_status;  // but `ok`; `no_reply` among them

  /// Repeats of which nothing was answered: their connections were lost before they sent.
  std::uint32_t silent_repeats = 0;

  double share(std::string_view status) const;
  double share() const;  // of all of them
  bool lost() const { return silent_repeats > 0 || by_status.contains("no_reply"); }
};

/// Of all repeats together, of that command; empty: of all commands.
Failures failures_of(std::span<const Measurement> repeats, std::string_view command = {});

/// `32 % of the requests were not answered ok (no_reply: 1234)`; nullopt: all were.
std::optional<std::string> describe(const Failures& failures);

}  // namespace parsec::bench
