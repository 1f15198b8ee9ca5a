#include "bench/report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <vector>

#include "bench/repeats.h"
#include "bench/report/units.h"

namespace parsec::bench {

namespace {

double milliseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-6; }

template <class Value>
Repeats over(std::span<const Measurement> repeats, Value value) {
  std::vector<double> values;
  for (const Measurement& measurement : repeats) values.push_back(value(measurement));
  return summarize(values);
}

bool not_all_ok(const std::map<std::string, std::uint64_t>& replies) {
  return std::ranges::any_of(replies, [](const auto& entry) { return entry.first != "ok"; });
}

std::string command_line(std::span<const Measurement> repeats, std::size_t index) {
  const CommandResult& first = repeats.front().commands[index];
  engine::Histogram latency, service;
  std::map<std::string, std::uint64_t> replies;
  for (const Measurement& measurement : repeats) {
    const CommandResult& command = measurement.commands[index];
    latency.merge(command.latency);
    service.merge(command.service);
    for (const auto& [status, count] : command.replies) replies[status] += count;
  }
  const Repeats rate = over(repeats, [index](const Measurement& m) {
    return static_cast<double>(m.commands[index].completed) / m.seconds;
  });
  std::string line = fmt::format(
      "{:<18} {:>9.0f}/s ±{:>3.0f}%  {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}   {:>8.3f}", first.command,
      rate.median, 50 * rate.spread(), milliseconds(latency.value_at(0.5)),
      milliseconds(latency.value_at(0.9)), milliseconds(latency.value_at(0.99)),
      milliseconds(latency.highest()), milliseconds(service.value_at(0.5)));
  if (not_all_ok(replies)) {
    for (const auto& [status, count] : replies) line += fmt::format("  {}: {}", status, count);
  }
  return line + "\n";
}

/// What a hog did meanwhile: one that was refused puts no load on anybody.
std::string hog_line(const std::vector<Measurement>& repeats) {
  double answered = 0, seconds = 0;
  std::map<std::string, std::uint64_t> replies;
  for (const Measurement& measurement : repeats) {
    answered += static_cast<double>(measurement.completed());
    seconds += measurement.seconds;
    for (const CommandResult& command : measurement.commands) {
      for (const auto& [status, count] : command.replies) replies[status] += count;
    }
  }
  std::string line = fmt::format("the hog: {:.0f}/s", seconds == 0 ? 0 : answered / seconds);
  for (const auto& [status, count] : replies) line += fmt::format("  {}: {}", status, count);
  return line + "\n";
}

std::string usage_line(std::string_view who, const ProcessUsage& usage, double seconds,
                       double answered) {
  return fmt::format(
      "{:<11} {:>5.2f} cores, {:>6.1f} µs of CPU per request, busiest thread {:>3.0f} %, {:.1f} "
      "MiB\n",
      who, usage.cpu_seconds / seconds, answered == 0 ? 0 : 1e6 * usage.cpu_seconds / answered,
      100 * usage.busiest_thread, static_cast<double>(usage.resident_bytes) / (1 << 20));
}

}  // namespace

std::string describe(std::span<const Measurement> repeats) {
  assert(!repeats.empty());
  const Measurement& last = repeats.back();
  std::string text =
      fmt::format("{:<18} {:>11} {:>5}  {:>8} {:>8} {:>8} {:>8}   {:>8}\n", "command", "answered",
                  "", "p50 ms", "p90", "p99", "max", "service");
  for (std::size_t i = 0; i < last.commands.size(); ++i) text += command_line(repeats, i);
  engine::Histogram delay;
  for (const Measurement& measurement : repeats) delay.merge(measurement.generator_delay);
  text += fmt::format("connections {}; the generator was late by {:.3f} ms at p99\n",
                      last.connections, milliseconds(delay.value_at(0.99)));
  const auto answered = static_cast<double>(last.completed());
  text += usage_line("generator", last.generator, last.seconds, answered);
  if (last.server) text += usage_line("server", *last.server, last.seconds, answered);
  if (last.postgresql) text += usage_line("postgresql", *last.postgresql, last.seconds, answered);
  if (last.database) {
    const auto per_request = [answered](std::uint64_t count) {
      return answered == 0 ? 0 : static_cast<double>(count) / answered;
    };
    text += fmt::format(
        "database    per request: {:.3f} commits, {:.0f} bytes of WAL, {:.3f} syncs, {:.2f} "
        "statements\n",
        per_request(last.database->commits), per_request(last.database->wal_bytes),
        per_request(last.database->wal_syncs), per_request(last.database->statements));
  }
  text += fmt::format("host        {:.0f} % busy; limited by: {}\n", 100 * last.host_busy,
                      name(last.bottleneck));
  return text;
}

std::string describe(const Rung& rung, std::chrono::nanoseconds p99_bound) {
  std::uint64_t not_ok = 0;
  engine::Histogram latency;
  for (const Measurement& measurement : rung.repeats) {
    not_ok += measurement.not_ok();
    latency.merge(measurement.latency());
  }
  const Repeats p99 = rung.p99();
  std::string line = fmt::format(
      "{:>9.0f}/s  answered {:>9.0f}/s  p50 {:>8.3f} ms  p99 {:>8.3f} ms ({:.3f} to {:.3f})  {}",
      rung.rate, rung.completed().median, milliseconds(latency.value_at(0.5)), p99.median * 1e-6,
      p99.lowest * 1e-6, p99.highest * 1e-6, rung.keeps(p99_bound) ? "kept" : "broken");
  if (not_ok > 0) line += fmt::format(", {} not ok", not_ok);
  for (const Bottleneck who :
       {Bottleneck::generator, Bottleneck::host, Bottleneck::server, Bottleneck::database}) {
    if (rung.limited_by(who)) line += fmt::format(", {} at its limit", name(who));
  }
  return line + "\n";
}

std::string describe(const Saturation& found, std::chrono::nanoseconds p99_bound) {
  const double bound = static_cast<double>(p99_bound.count()) * 1e-6;
  if (found.rate == 0) {
    return fmt::format("No rate keeps 99 % of the answers within {:g} ms.\n", bound);
  }
  std::string text = fmt::format(
      "{:.0f} requests per second keep 99 % of the answers within {:g} ms.\n", found.rate, bound);
  if (found.generator_was_the_limit) {
    text +=
        "At more the generator was at its limit, not the server: give it more --threads, or a "
        "machine of its own.\n";
  }
  return text;
}

std::string describe(const ScalingStep& step) {
  const Repeats capacity = step.capacity();
  return fmt::format("{:>9}  {:>9.0f}/s ±{:>3.0f}%{}\n", step.count, capacity.median,
                     50 * capacity.spread(),
                     step.generator_was_the_limit() ? ", generator at its limit" : "");
}

std::string describe(const ScalingSeries& series) {
  const auto law = series.law();
  if (!law) return "No law: " + law.error() + "\n";
  std::string text = fmt::format(
      "Universal Scalability Law over {}: {:.0f}/s alone, sigma {:.4f}, kappa {:.6f}, R2 {:.3f}\n",
      series.parameter, law->lambda, law->sigma, law->kappa, law->r_squared);
  const double twice = 2 * law->highest_measured;
  if (const auto expected = law->predict(twice)) {
    text +=
        fmt::format("with {:.0f} it expects {:.0f}/s; beyond it says nothing\n", twice, *expected);
  }
  return text;
}

std::string describe(const std::vector<NeighbourRow>& rows) {
  std::string text =
      fmt::format("{:<24} {:<10} {:>9} {:>9}  {:>9} {:>9} {:>7} {:>8}\n", "hog", "victim",
                  "alone p50", "p99 ms", "beside", "p99 ms", "ratio", "failed");
  for (const NeighbourRow& row : rows) {
    for (const NeighbourVictim& victim : row.victims) {
      if (victim.beside.empty()) continue;  // broken off
      const NeighbourEffect effect = effect_of(victim);
      text +=
          fmt::format("{:<24} {:<10} {:>9.3f} {:>9.3f}  {:>9.3f} {:>9.3f} {:>5.1f} × {:>8}  {}\n",
                      row.hog, victim.name, effect.alone_p50 * 1e-6, effect.alone_p99 * 1e-6,
                      effect.beside_p50 * 1e-6, effect.beside_p99 * 1e-6, effect.ratio(),
                      effect.beside_failures, effect.holds() ? "kept" : "broken");
      if (effect.alone_failures > 0) {
        text += fmt::format("  {}, alone: {} failed\n", victim.name, effect.alone_failures);
      }
    }
    if (!row.hog_load.empty()) text += "  " + hog_line(row.hog_load);
  }
  return text;
}

std::string describe(const Comparison& comparison) {
  std::string text;
  for (const std::string& warning : comparison.warnings) text += "Careful: " + warning + "\n";
  text += fmt::format("{:<40} {:>14} {:>14} {:>8}  {:<17}\n", "figure", "before", "after", "ratio",
                      "from to");
  for (const Difference& difference : comparison.differences) {
    const bool compared = difference.before.lowest > 0;
    text += fmt::format("{:<40} {:>14} {:>14} {:>8}  {:<17} {}\n", difference.what,
                        written(difference.before.median, difference.unit),
                        written(difference.after.median, difference.unit),
                        compared ? fmt::format("{:.2f}", difference.ratio()) : "-",
                        compared ? fmt::format("{:.2f} to {:.2f}", difference.least_ratio(),
                                               difference.most_ratio())
                                 : "-",
                        name(difference.verdict));
  }
  return text;
}

}  // namespace parsec::bench
