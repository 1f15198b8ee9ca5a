#include "bench/analysis/failures.h"

#include <fmt/format.h>

namespace parsec::bench {

double Failures::share(std::string_view status) const {
  const auto found = by_status.find(std::string{status});
  if (found == by_status.end()) return 0;
  return static_cast<double>(found->second) / static_cast<double>(requests);
}

double Failures::share() const {
  double sum = 0;
  for (const auto& [status, count] : by_status) sum += share(status);
  return sum;
}

Failures failures_of(std::span<const Measurement> repeats, std::string_view command) {
  Failures all;
  for (const Measurement& measurement : repeats) {
    if (measurement.answered() == 0) ++all.silent_repeats;
    for (const CommandResult& one : measurement.commands) {
      if (!command.empty() && one.command != command) continue;
      for (const auto& [status, count] : one.replies) {
        if (count == 0) continue;
        all.requests += count;
        if (status != "ok") all.by_status[status] += count;
      }
    }
  }
  return all;
}

std::optional<std::string> describe(const Failures& failures) {
  if (failures.by_status.empty()) {
    if (failures.silent_repeats == 0) return std::nullopt;
    return fmt::format("of {} of the repeats nothing was answered", failures.silent_repeats);
  }
  std::string text =
      fmt::format("{:.3g} % of the requests were not answered ok (", 100 * failures.share());
  const char* separator = "";
  for (const auto& [status, count] : failures.by_status) {
    text += fmt::format("{}{}: {}", separator, status, count);
    separator = ", ";
  }
  return text + ")";
}

}  // namespace parsec::bench
