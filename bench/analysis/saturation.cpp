#include "bench/analysis/saturation.h"

#include <algorithm>
#include <cmath>

namespace parsec::bench {

namespace {

/// Of the requests that were meant to go, so many must be answered in the time of the measurement.
constexpr double least_completed = 0.98;
/// Below this a rate is no rate: with it a server that answers nothing ends the search.
constexpr double lowest_rate = 1;

template <class Value>
Repeats over(const std::vector<Measurement>& repeats, Value value) {
  std::vector<double> values;
  for (const Measurement& measurement : repeats) values.push_back(value(measurement));
  return summarize(values);
}

std::expected<Rung, std::string> measure(Driver& driver, double rate,
                                         const SaturationOptions& options, const OnRung& on_rung) {
  Rung rung{.rate = rate, .repeats = {}};
  for (std::uint32_t i = 0; i < std::max(1U, options.repeats); ++i) {
    Load load = options.load;
    load.kind = Load::Kind::open;
    load.rate = rate;
    load.seed = options.load.seed + i;
    auto measured = driver.measure(load);
    if (!measured) return std::unexpected(std::move(measured.error()));
    rung.repeats.push_back(std::move(*measured));
  }
  on_rung(rung);
  return rung;
}

}  // namespace

Repeats Rung::p99() const {
  return over(repeats, [](const Measurement& measurement) {
    return static_cast<double>(measurement.latency().value_at(0.99));
  });
}

Repeats Rung::completed() const {
  return over(repeats, [](const Measurement& m) { return m.completed_per_second(); });
}

bool Rung::keeps(std::chrono::nanoseconds p99_bound) const {
  // Without an answer there is no latency, and nothing is kept.
  const bool all_well = std::ranges::all_of(repeats, [](const Measurement& measurement) {
    return measurement.not_ok() == 0 && measurement.answered() > 0;
  });
  return all_well && p99().median <= static_cast<double>(p99_bound.count()) &&
         completed().median >= least_completed * over(repeats, [](const Measurement& m) {
                                                   double sent = 0;
                                                   for (const auto& command : m.commands) {
                                                     sent += static_cast<double>(command.sent);
                                                   }
                                                   return sent / m.seconds;
                                                 }).median;
}

bool Rung::limited_by(Bottleneck bottleneck) const {
  return std::ranges::any_of(repeats, [bottleneck](const Measurement& measurement) {
    return measurement.bottleneck == bottleneck;
  });
}

std::expected<Saturation, std::string> find_saturation(Driver& driver,
                                                       const SaturationOptions& options,
                                                       const OnRung& on_rung) {
  Saturation found;
  double keeps = 0, breaks = 0;
  for (double rate = options.first_rate; rate >= lowest_rate;) {
    auto rung = measure(driver, rate, options, on_rung);
    if (!rung) return std::unexpected(std::move(rung.error()));
    if (rung->keeps(options.p99_bound)) {
      keeps = rate;
    } else {
      breaks = rate;
      found.generator_was_the_limit = rung->limited_by(Bottleneck::generator);
    }
    found.rungs.push_back(std::move(*rung));
    if (breaks == 0) {
      rate = keeps * 2;
    } else if (keeps == 0) {
      rate = breaks / 2;
    } else if (breaks / keeps <= 1 + options.precision) {
      break;
    } else {
      rate = std::sqrt(keeps * breaks);
    }
  }
  found.rate = keeps;
  return found;
}

std::expected<std::vector<Rung>, std::string> climb(Driver& driver, double saturation,
                                                    const SaturationOptions& options,
                                                    const OnRung& on_rung) {
  std::vector<Rung> rungs;
  for (int percent = 20; percent <= 110; percent += 10) {
    auto rung = measure(driver, saturation * percent / 100, options, on_rung);
    if (!rung) return std::unexpected(std::move(rung.error()));
    rungs.push_back(std::move(*rung));
  }
  return rungs;
}

double confirmed(double rate, const std::vector<Rung>& ladder, std::chrono::nanoseconds p99_bound) {
  double kept = 0;
  for (const Rung& rung : ladder) {
    if (rung.rate > rate) break;
    if (!rung.keeps(p99_bound)) return kept;
    kept = rung.rate;
  }
  return rate;
}

}  // namespace parsec::bench
