#include "bench/analysis/neighbours.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace parsec::bench {

namespace {

using namespace std::chrono_literals;
using Measured = std::expected<Measurement, std::string>;
using Error = std::unexpected<std::string>;

/// What a hog still waits for at the end is of no interest.
constexpr std::chrono::milliseconds hog_patience = 1s;

std::future<Measured> start(const NeighbourParty& party, Load load) {
  load.kind = Load::Kind::closed;
  load.in_flight = party.in_flight;
  return std::async(std::launch::async, [&party, load] { return party.driver.measure(load); });
}

/// All of them at once, in their order.
std::expected<std::vector<Measurement>, std::string> measure_all(
    std::span<const NeighbourParty> victims, const NeighbourParty* hog, const Load& load) {
  std::vector<std::future<Measured>> running;
  for (const NeighbourParty& victim : victims) running.push_back(start(victim, load));
  if (hog != nullptr) {
    Load meanwhile = load;  // with the victims' warm-up, so that it is there when they count
    meanwhile.warm_up = 0ms;
    meanwhile.duration = load.warm_up + load.duration;
    meanwhile.patience = std::min(load.patience, hog_patience);
    running.push_back(start(*hog, meanwhile));
  }
  std::vector<Measurement> all;
  std::string failure;
  for (auto& future : running) {
    Measured measured = future.get();
    if (measured) {
      all.push_back(std::move(*measured));
    } else if (failure.empty()) {
      failure = std::move(measured.error());
    }
  }
  if (!failure.empty()) return Error{std::move(failure)};
  return all;
}

engine::Histogram latency_of(const std::vector<Measurement>& repeats) {
  engine::Histogram all;
  for (const Measurement& measurement : repeats) all.merge(measurement.latency());
  return all;
}

std::uint64_t failures_of(const std::vector<Measurement>& repeats) {
  std::uint64_t all = 0;
  for (const Measurement& measurement : repeats) all += measurement.not_ok();
  return all;
}

}  // namespace

bool NeighbourEffect::holds() const {
  const double allowed = std::max(most_neighbour_ratio * alone_p99, always_allowed_nanoseconds);
  return beside_failures == 0 && beside_p99 > 0 && beside_p99 <= allowed;
}

NeighbourEffect effect_of(const NeighbourVictim& victim) {
  const engine::Histogram alone = latency_of(victim.alone), beside = latency_of(victim.beside);
  const auto at = [](const engine::Histogram& histogram, double quantile) {
    return static_cast<double>(histogram.value_at(quantile));
  };
  return {.alone_p50 = at(alone, 0.5),
          .alone_p99 = at(alone, 0.99),
          .beside_p50 = at(beside, 0.5),
          .beside_p99 = at(beside, 0.99),
          .alone_failures = failures_of(victim.alone),
          .beside_failures = failures_of(victim.beside)};
}

std::expected<void, std::string> measure_neighbours(const NeighbourParty& hog,
                                                    std::span<const NeighbourParty> victims,
                                                    const Load& load, std::uint32_t repeats,
                                                    NeighbourRow& row) {
  row.hog = hog.name;
  for (const NeighbourParty& victim : victims) {
    row.victims.push_back({.name = victim.name, .alone = {}, .beside = {}});
  }
  for (std::uint32_t repeat = 0; repeat < repeats; ++repeat) {
    Load now = load;
    now.seed = repeat + 1;
    auto alone = measure_all(victims, nullptr, now);
    if (!alone) return Error{std::move(alone.error())};
    auto beside = measure_all(victims, &hog, now);
    if (!beside) return Error{std::move(beside.error())};
    for (std::size_t i = 0; i < victims.size(); ++i) {
      row.victims[i].alone.push_back(std::move((*alone)[i]));
      row.victims[i].beside.push_back(std::move((*beside)[i]));
    }
    row.hog_load.push_back(std::move(beside->back()));
  }
  return {};
}

}  // namespace parsec::bench
