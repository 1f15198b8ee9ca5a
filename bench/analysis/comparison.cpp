#include "bench/analysis/comparison.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "bench/analysis/failures.h"

namespace parsec::bench {

namespace {

using Measurements = std::span<const Measurement>;
/// nullopt: this measurement does not tell it.
using Figure = std::function<std::optional<double>(const Measurement&)>;

/// Of every repeat; empty if one of them does not tell it.
std::vector<double> figures(Measurements repeats, const Figure& figure) {
  std::vector<double> values;
  for (const Measurement& measurement : repeats) {
    const auto value = figure(measurement);
    if (!value) return {};
    values.push_back(*value);
  }
  return values;
}

class Comparer {
 public:
  Comparer(Measurements before, Measurements after, Comparison& into)
      : before_(before), after_(after), into_(into) {}

  void add(std::string what, Unit unit, bool more_is_better, const Figure& figure) {
    const auto before = figures(before_, figure), after = figures(after_, figure);
    if (before.empty() || after.empty()) return;
    Difference difference{.what = std::move(what),
                          .unit = unit,
                          .before = summarize(before),
                          .after = summarize(after),
                          .verdict = Verdict::not_known};
    if (before.size() > 1 && after.size() > 1) {
      difference.verdict = judge(difference.before, difference.after, more_is_better);
      if (replies_missing_ && difference.verdict == Verdict::same) {
        difference.verdict = Verdict::not_known;
      }
    }
    // A ratio to nothing says nothing.
    if (difference.before.lowest > 0 && difference.after.lowest > 0) {
      into_.differences.push_back(std::move(difference));
    }
  }

  /// A row for each status but `ok` of that command (empty: of all), as a share of the requests.
  /// They are counted, so that any difference is one. Where replies are missing, what was answered
  /// says nothing of the rest: no figure of this comparer is then the same.
  void add_failures(const std::string& what, const std::string& command) {
    const Failures before = failures_of(before_, command), after = failures_of(after_, command);
    std::set<std::string> statuses;
    for (const Failures* failures : {&before, &after}) {
      for (const auto& [status, count] : failures->by_status) statuses.insert(status);
    }
    for (const std::string& status : statuses) {
      const double was = before.share(status), is = after.share(status);
      into_.differences.push_back({.what = std::string{what}.append(", ").append(status),
                                   .unit = Unit::share,
                                   .before = {.median = was, .lowest = was, .highest = was},
                                   .after = {.median = is, .lowest = is, .highest = is},
                                   .verdict = is > was   ? Verdict::worse
                                              : is < was ? Verdict::better
                                                         : Verdict::same});
    }
    judge_by(command);
  }
  /// Of whose requests the figures are that follow.
  void judge_by(const std::string& command) {
    replies_missing_ = failures_of(before_, command).lost() || failures_of(after_, command).lost();
  }

 private:
  bool replies_missing_ = false;
  Measurements before_, after_;
  Comparison& into_;
};

const CommandResult* find(const Measurement& measurement, const std::string& command) {
  const auto found = std::ranges::find(measurement.commands, command, &CommandResult::command);
  return found == measurement.commands.end() ? nullptr : &*found;
}

/// A command's figure of each measurement that has it.
template <class Of>
Figure of_command(const std::string& command, Of of) {
  return [command, of](const Measurement& measurement) -> std::optional<double> {
    const CommandResult* found = find(measurement, command);
    if (found == nullptr || found->completed == 0) return std::nullopt;
    return of(measurement, *found);
  };
}

void add_command(Comparer& comparer, const std::string& command) {
  comparer.add_failures(command, command);
  comparer.add(command + ", answered", Unit::per_second, true,
               of_command(command, [](const Measurement& all, const CommandResult& one) {
                 return static_cast<double>(one.completed) / all.seconds;
               }));
  const std::pair<const char*, double> quantiles[] = {
      {", median", 0.5}, {", 90th percentile", 0.9}, {", 99th percentile", 0.99}};
  for (const auto& [title, quantile] : quantiles) {
    comparer.add(command + title, Unit::nanoseconds, false,
                 of_command(command, [quantile](const Measurement&, const CommandResult& one) {
                   return static_cast<double>(one.latency.value_at(quantile));
                 }));
  }
}

/// Of one answered request.
template <class Sum>
Figure per_request(Sum sum) {
  return [sum](const Measurement& measurement) -> std::optional<double> {
    const std::optional<double> all = sum(measurement);
    if (!all || measurement.completed() == 0) return std::nullopt;
    return *all / static_cast<double>(measurement.completed());
  };
}

void add_costs(Comparer& comparer) {
  comparer.judge_by({});
  using Process = std::optional<ProcessUsage> Measurement::*;
  const std::pair<const char*, Process> processes[] = {{"server", &Measurement::server},
                                                       {"PostgreSQL", &Measurement::postgresql}};
  for (const auto& [who, part] : processes) {
    comparer.add(std::string{who} + ", CPU for a request", Unit::nanoseconds, false,
                 per_request([part](const Measurement& measurement) -> std::optional<double> {
                   const auto& usage = measurement.*part;
                   return usage ? std::optional{1e9 * usage->cpu_seconds} : std::nullopt;
                 }));
    comparer.add(std::string{who} + ", memory", Unit::bytes, false,
                 [part](const Measurement& measurement) -> std::optional<double> {
                   const auto& usage = measurement.*part;
                   if (!usage) return std::nullopt;
                   return static_cast<double>(usage->resident_bytes);
                 });
  }
  const std::pair<const char*, std::uint64_t DatabaseUsage::*> counters[] = {
      {"commits for a request", &DatabaseUsage::commits},
      {"WAL for a request", &DatabaseUsage::wal_bytes},
      {"syncs for a request", &DatabaseUsage::wal_syncs},
      {"statements for a request", &DatabaseUsage::statements}};
  for (const auto& [title, counter] : counters) {
    comparer.add(title, counter == &DatabaseUsage::wal_bytes ? Unit::bytes : Unit::plain, false,
                 per_request([counter](const Measurement& measurement) -> std::optional<double> {
                   if (!measurement.database) return std::nullopt;
                   return static_cast<double>((*measurement.database).*counter);
                 }));
  }
}

const NeighbourVictim* find(const Result& result, const std::string& hog, const std::string& name) {
  const auto row = std::ranges::find(result.neighbours, hog, &NeighbourRow::hog);
  if (row == result.neighbours.end()) return nullptr;
  const auto victim = std::ranges::find(row->victims, name, &NeighbourVictim::name);
  return victim == row->victims.end() ? nullptr : &*victim;
}

void add_neighbours(const Result& before, const Result& after, Comparison& into) {
  for (const NeighbourRow& row : before.neighbours) {
    for (const NeighbourVictim& was : row.victims) {
      const NeighbourVictim* const is = find(after, row.hog, was.name);
      if (is == nullptr) continue;
      Comparer comparer{was.beside, is->beside, into};
      comparer.add_failures(was.name + " beside " + row.hog, {});
      const std::pair<const char*, double> quantiles[] = {{", median", 0.5},
                                                          {", 99th percentile", 0.99}};
      for (const auto& [title, quantile] : quantiles) {
        comparer.add(was.name + " beside " + row.hog + title, Unit::nanoseconds, false,
                     [quantile](const Measurement& measurement) -> std::optional<double> {
                       if (measurement.answered() == 0) return std::nullopt;
                       return static_cast<double>(measurement.latency().value_at(quantile));
                     });
      }
    }
  }
}

/// The search found a rate to within its precision: that is its spread.
void add_search(const Search& before, const Search& after, Comparison& into) {
  if (before.found.rate == 0 || after.found.rate == 0) return;
  const auto range = [](const Search& search) {
    return Repeats{.median = search.found.rate,
                   .lowest = search.found.rate,
                   .highest = search.found.rate * (1 + search.precision)};
  };
  const Repeats was = range(before), is = range(after);
  into.differences.insert(into.differences.begin(), {.what = "highest rate that keeps the promise",
                                                     .unit = Unit::per_second,
                                                     .before = was,
                                                     .after = is,
                                                     .verdict = judge(was, is, true)});
}

void add_warnings(const Result& before, const Result& after, Comparison& into) {
  const auto warn = [&into](bool differ, const char* text) {
    if (differ) into.warnings.emplace_back(text);
  };
  warn(before.scenario.name != after.scenario.name, "The scenarios differ.");
  warn(before.environment.cpu_model != after.environment.cpu_model ||
           before.environment.cores != after.environment.cores,
       "The processors differ.");
  warn(before.environment.postgresql_settings != after.environment.postgresql_settings,
       "PostgreSQL's settings differ.");
  warn(before.search && after.search && before.search->p99_bound != after.search->p99_bound,
       "The promises of the two searches differ.");
  const Measurements was = before.typical(), is = after.typical();
  if (was.empty() || is.empty()) return;
  const std::pair<const char*, Measurements> sides[] = {{"before", was}, {"after", is}};
  for (const auto& [side, repeats] : sides) {
    const Failures failures = failures_of(repeats);
    if (!failures.lost()) continue;
    into.warnings.push_back(std::string{"In the result "} + side + " " + *describe(failures) +
                            ": its latencies are those of the rest.");
  }
  const Load &load = was.front().load, &other = is.front().load;
  warn(load.kind != other.kind || load.rate != other.rate ||
           (load.kind == Load::Kind::closed && load.in_flight != other.in_flight),
       "The loads differ: compare costs and the highest rates, not latencies.");
  warn(was.front().connections != is.front().connections, "The numbers of connections differ.");
  warn(was.size() < 2 || is.size() < 2,
       "One of them was measured once: whether they differ cannot be said.");
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::not_known:
      return "not known";
    case Verdict::same:
      return "no difference";
    case Verdict::better:
      return "better";
    case Verdict::worse:
      return "worse";
  }
  return "not known";
}

Verdict judge(const Repeats& before, const Repeats& after, bool more_is_better) {
  const double noise = std::max(before.highest - before.lowest, after.highest - after.lowest);
  if (std::abs(after.median - before.median) <= noise) return Verdict::same;
  return (after.median > before.median) == more_is_better ? Verdict::better : Verdict::worse;
}

Comparison compare(const Result& before, const Result& after) {
  Comparison comparison;
  add_warnings(before, after, comparison);
  const Measurements was = before.typical(), is = after.typical();
  if (!was.empty() && !is.empty()) {
    Comparer comparer{was, is, comparison};
    for (const CommandResult& command : was.front().commands) {
      add_command(comparer, command.command);
    }
    add_costs(comparer);
  }
  add_neighbours(before, after, comparison);
  if (before.search && after.search) add_search(*before.search, *after.search, comparison);
  return comparison;
}

}  // namespace parsec::bench
