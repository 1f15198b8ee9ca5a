#include "bench/analysis/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using Step = std::expected<ScalingStep, std::string>;

double ok_per_second(const Measurement& measurement) {
  double ok = 0;
  for (const CommandResult& command : measurement.commands) {
    const auto found = command.replies.find("ok");
    if (found == command.replies.end()) continue;
    // Which of the replies that came in time were so is not counted: as many as of all.
    const double share =
        static_cast<double>(found->second) / static_cast<double>(command.answered());
    ok += share * static_cast<double>(command.completed);
  }
  return ok / measurement.seconds;
}

Step measure_ceiling(Driver& driver, Load load, const ScalingOptions& options, double count) {
  ScalingStep step{.count = count, .repeats = {}};
  const std::uint64_t seed = load.seed;
  for (std::uint32_t i = 0; i < std::max(1U, options.repeats); ++i) {
    load.kind = Load::Kind::closed;
    load.seed = seed + i;
    auto measured = driver.measure(load);
    if (!measured) return Error{std::move(measured.error())};
    step.repeats.push_back(std::move(*measured));
  }
  return step;
}

Step measure_promise(Driver& driver, const Load& load, const ScalingOptions& options,
                     double count) {
  SaturationOptions search = *options.promise;
  search.load = load;
  search.repeats = options.repeats;
  auto found = find_saturation(driver, search, [](const Rung&) {});
  if (!found) return Error{std::move(found.error())};
  ScalingStep step{.count = count, .repeats = {}};
  for (Rung& rung : found->rungs) {
    if (rung.rate == found->rate) step.repeats = std::move(rung.repeats);
  }
  return step;
}

}  // namespace

Repeats ScalingStep::capacity() const {
  std::vector<double> rates;
  for (const Measurement& measurement : repeats) rates.push_back(ok_per_second(measurement));
  return summarize(rates);
}

bool ScalingStep::generator_was_the_limit() const {
  return std::ranges::any_of(repeats, [](const Measurement& measurement) {
    return measurement.bottleneck == Bottleneck::generator;
  });
}

std::expected<ScalabilityLaw, std::string> ScalingSeries::law() const {
  std::vector<ScalePoint> points;
  for (const ScalingStep& step : steps) points.push_back({step.count, step.capacity().median});
  return fit_scalability(points);
}

std::expected<ScalingSeries, std::string> measure_scaling(const ScalingOptions& options,
                                                          const SetUp& set_up,
                                                          const OnStep& on_step) {
  ScalingSeries series{.parameter = options.parameter, .steps = {}};
  for (const double count : options.counts) {
    auto setup = set_up(count);
    if (!setup) return Error{std::move(setup.error())};
    auto step = options.promise ? measure_promise(*setup->driver, setup->load, options, count)
                                : measure_ceiling(*setup->driver, setup->load, options, count);
    if (!step) return Error{std::move(step.error())};
    if (step->repeats.empty() || step->capacity().median <= 0) {
      return Error{fmt::format("With {} {} the server carries nothing", count, options.parameter)};
    }
    on_step(*step);
    series.steps.push_back(std::move(*step));
  }
  return series;
}

}  // namespace parsec::bench
