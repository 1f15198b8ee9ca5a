#include "bench/report/html_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/analysis/cost.h"
#include "bench/report/html_charts.h"
#include "bench/report/html_page.h"
#include "bench/report/units.h"

namespace parsec::bench {

namespace {

using Measurements = std::span<const Measurement>;

std::string plural(double number, const char* one, const char* many) {
  return count(number) + " " + (number == 1 ? one : many);
}

engine::Histogram latency_of(Measurements repeats) {
  engine::Histogram all;
  for (const Measurement& measurement : repeats) all.merge(measurement.latency());
  return all;
}

std::string at(const engine::Histogram& latency, double share) {
  return duration(static_cast<double>(latency.value_at(share)));
}

double completed_per_second(Measurements repeats) {
  std::vector<double> rates;
  for (const Measurement& measurement : repeats)
    rates.push_back(measurement.completed_per_second());
  return summarize(rates).median;
}

std::uint64_t not_ok(Measurements repeats) {
  std::uint64_t all = 0;
  for (const Measurement& measurement : repeats) all += measurement.not_ok();
  return all;
}

void say(HtmlWriter& html, std::string_view kind, std::string_view sentence) {
  html.element("li", sentence, {{"class", std::string{kind}}});
}

void say_search(HtmlWriter& html, const Search& search) {
  const std::string bound = duration(static_cast<double>(search.p99_bound.count()));
  if (search.found.rate == 0) {
    return say(
        html, "bad",
        "Not even the lowest rate that was tried kept 99 % of the answers within " + bound + ".");
  }
  say(html, "good",
      fmt::format("Carries {} requests per second with 99 % of the answers within {} (found to "
                  "within {}).",
                  quantity(search.found.rate), bound, percent(search.precision)));
  if (search.found.generator_was_the_limit) {
    say(html, "warn",
        "The load generator was what limited: the server carries more. Give it more threads, or "
        "another machine.");
  }
}

void say_scaling(HtmlWriter& html, const ScalingSeries& series) {
  const auto law = series.law();
  if (!law) return;
  const auto twice = law->predict(2 * law->highest_measured);
  const auto peak = law->peak();
  say(html, "good",
      fmt::format("With {} {} it carried {}/s; the law expects {}/s with twice as many.{}",
                  quantity(law->highest_measured), series.parameter,
                  quantity(law->capacity_at(law->highest_measured)), quantity(*twice),
                  peak && *peak < 2 * law->highest_measured
                      ? fmt::format(" More than {:.0f} make it less.", *peak)
                      : std::string{}));
}

void say_who_limits(HtmlWriter& html, Measurements repeats) {
  const auto limit = repeats.back().bottleneck;
  if (limit == Bottleneck::none) return say(html, "good", "Nobody was at a limit at this load.");
  if (limit == Bottleneck::generator) {
    return say(html, "warn", "The load generator was at its limit: its figures are no server's.");
  }
  say(html, "warn", fmt::format("At its limit: the {}.", name(limit)));
}

void draw_summary(HtmlWriter& html, const Result& result, Measurements typical) {
  open(html, "div", "card summary");
  html.open("ul");
  if (result.search) say_search(html, *result.search);
  if (result.scaling) say_scaling(html, *result.scaling);
  const auto latency = latency_of(typical);
  if (latency.count() > 0) {
    say(html, "good",
        fmt::format("At {} requests per second with {}: half of the answers within {}, 99 % within "
                    "{}.",
                    quantity(completed_per_second(typical)),
                    plural(typical.front().connections, "connection", "connections"),
                    at(latency, 0.5), at(latency, 0.99)));
  }
  if (const std::uint64_t failed = not_ok(typical); failed > 0) {
    say(html, "bad", fmt::format("{} requests were not answered `ok`.", count(double(failed))));
  }
  say_who_limits(html, typical);
  html.close();
  html.close();
}

void draw_tiles(HtmlWriter& html, const Result& result, Measurements typical) {
  const RequestCost cost = cost_of(typical);
  const auto latency = latency_of(typical);
  open(html, "div", "tiles");
  if (result.search && result.search->found.rate > 0) {
    draw_tile(html, quantity(result.search->found.rate) + "/s", "highest rate within the promise");
  }
  draw_tile(html, quantity(completed_per_second(typical)) + "/s", "answered");
  if (latency.count() > 0) {
    draw_tile(html, at(latency, 0.5), "half of the answers within");
    draw_tile(html, at(latency, 0.99), "99 % within");
  }
  if (cost.server_cpu_seconds) {
    draw_tile(html, duration(1e9 * *cost.server_cpu_seconds), "processor of the server, a request");
  }
  if (cost.postgresql_cpu_seconds) {
    draw_tile(html, duration(1e9 * *cost.postgresql_cpu_seconds),
              "processor of PostgreSQL, a request");
  }
  if (typical.back().server) {
    draw_tile(html, bytes(static_cast<double>(typical.back().server->resident_bytes)),
              "memory of the server");
  }
  html.close();
}

std::string statuses(const std::map<std::string, std::uint64_t>& replies) {
  std::string text;
  for (const auto& [status, times] : replies) {
    if (status == "ok") continue;
    text += (text.empty() ? "" : ", ") + status + ": " + count(static_cast<double>(times));
  }
  return text.empty() ? "all" : text;
}

void draw_commands(HtmlWriter& html, Measurements repeats) {
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < repeats.front().commands.size(); ++i) {
    engine::Histogram latency;
    std::map<std::string, std::uint64_t> replies;
    std::vector<double> rates;
    for (const Measurement& measurement : repeats) {
      const CommandResult& command = measurement.commands[i];
      latency.merge(command.latency);
      for (const auto& [status, times] : command.replies) replies[status] += times;
      rates.push_back(static_cast<double>(command.completed) / measurement.seconds);
    }
    const Repeats rate = summarize(rates);
    std::vector<Cell> row{repeats.front().commands[i].command,
                          fmt::format("{} ± {:.0f} %", quantity(rate.median), 50 * rate.spread())};
    for (const double share : {0.5, 0.9, 0.99, 0.999}) {
      row.emplace_back(latency.count() == 0 ? "–" : at(latency, share));
    }
    row.emplace_back(latency.count() == 0 ? "–" : duration(static_cast<double>(latency.highest())));
    const std::string ok = statuses(replies);
    row.emplace_back(ok, ok == "all" ? "text" : "bad");
    rows.push_back(std::move(row));
  }
  draw_heading(html, "Commands",
               "Answered per second: the median of the repeats, and how far "
               "apart they were.");
  draw_table(html, {"command", "per second", "50 %", "90 %", "99 %", "99.9 %", "longest", "ok"},
             rows);
}

void draw_costs(HtmlWriter& html, Measurements repeats) {
  const RequestCost cost = cost_of(repeats);
  std::vector<std::vector<Cell>> rows;
  const auto add = [&rows](const char* what, const std::optional<double>& value, auto format) {
    if (value) rows.push_back({what, format(*value)});
  };
  const auto cpu = [](double seconds) { return duration(1e9 * seconds); };
  add("processor, server", cost.server_cpu_seconds, cpu);
  add("processor, PostgreSQL", cost.postgresql_cpu_seconds, cpu);
  add("from clients", cost.sent_bytes, bytes);
  add("to clients", cost.received_bytes, bytes);
  if (cost.database) {
    add("commits", cost.database->commits, quantity);
    add("WAL", cost.database->wal_bytes, bytes);
    add("syncs of the WAL", cost.database->wal_syncs, quantity);
    if (cost.database->statements > 0) add("statements", cost.database->statements, quantity);
    add("growth of the database", cost.database->growth_bytes, bytes);
  }
  const auto& each = repeats.front().server_bytes_per_connection;
  if (each) rows.push_back({"memory of the server, for a connection", bytes(*each)});
  draw_heading(html, "What a request costs", "Mean of all that were answered.");
  draw_table(html, {"of a request", ""}, rows);
}

std::vector<const Rung*> rungs_of(const Result& result) {
  std::vector<const Rung*> rungs;
  if (result.search) {
    for (const Rung& rung : result.search->found.rungs) rungs.push_back(&rung);
  }
  for (const Rung& rung : result.ladder) rungs.push_back(&rung);
  std::ranges::stable_sort(rungs, {}, &Rung::rate);
  return rungs;
}

/// Each rate once: those of the ladder, and of the search what lies beyond.
std::vector<const Rung*> rungs_to_draw(const Result& result) {
  std::vector<const Rung*> rungs;
  for (const Rung& rung : result.ladder) rungs.push_back(&rung);
  if (!result.search) return rungs;
  const double highest = result.ladder.empty() ? 0 : result.ladder.back().rate;
  for (const Rung& rung : result.search->found.rungs) {
    if (rung.rate > highest) rungs.push_back(&rung);
  }
  return rungs;
}

void draw_rungs(HtmlWriter& html, const Result& result) {
  std::vector<std::vector<Cell>> rows;
  for (const Rung* rung : rungs_of(result)) {
    const auto latency = latency_of(rung->repeats);
    if (latency.count() == 0) continue;
    const bool kept = !result.search || rung->keeps(result.search->p99_bound);
    rows.push_back({quantity(rung->rate),
                    quantity(rung->completed().median),
                    at(latency, 0.5),
                    at(latency, 0.9),
                    at(latency, 0.99),
                    {std::string{name(rung->repeats.back().bottleneck)}, "text"},
                    kept ? Cell{"kept", "good"} : Cell{"broken", "bad"}});
  }
  if (rows.empty()) return;
  draw_heading(html, "Rates that were tried");
  draw_table(html,
             {"asked per second", "answered", "50 %", "90 %", "99 %", "limited by", "the promise"},
             rows);
}

void draw_scenario(HtmlWriter& html, const Scenario& scenario) {
  const PopulationSize& size = scenario.population;
  draw_heading(html, "The scenario", scenario.description);
  std::vector<std::vector<Cell>> rows{{"organizations", count(size.organizations)},
                                      {"users of each", count(size.users)},
                                      {"devices of each user", count(size.devices)},
                                      {"realms of each organization", count(size.realms)},
                                      {"vlobs of each realm", count(size.vlobs)},
                                      {"connections that send", count(scenario.connections)}};
  if (size.blocks > 0) rows.push_back({"blocks of each realm", count(size.blocks)});
  if (scenario.subscribers > 0) rows.push_back({"that listen", count(scenario.subscribers)});
  if (scenario.idle > 0) rows.push_back({"that only stay", count(scenario.idle)});
  draw_table(html, {"population", ""}, rows);
}

void draw_neighbours(HtmlWriter& html, const std::vector<NeighbourRow>& all) {
  std::vector<std::vector<Cell>> rows;
  for (const NeighbourRow& row : all) {
    for (const NeighbourVictim& victim : row.victims) {
      if (victim.beside.empty()) continue;
      const NeighbourEffect effect = effect_of(victim);
      rows.push_back({{row.hog, "text"},
                      {victim.name, "text"},
                      duration(effect.alone_p50),
                      duration(effect.alone_p99),
                      duration(effect.beside_p50),
                      duration(effect.beside_p99),
                      fmt::format("{:.1f} ×", effect.ratio()),
                      count(static_cast<double>(effect.beside_failures)),
                      effect.holds() ? Cell{"kept", "good"} : Cell{"broken", "bad"}});
    }
  }
  draw_heading(html, "Beside their neighbours",
               fmt::format("Kept: the 99th percentile is at most {:g} times that alone or {}, and "
                           "nothing failed.",
                           most_neighbour_ratio, duration(always_allowed_nanoseconds)));
  draw_table(html,
             {"hog", "victim", "alone 50 %", "99 %", "beside 50 %", "99 %", "ratio", "failed",
              "the promise"},
             rows);
}

}  // namespace

std::string html_report(const Result& result) {
  const Measurements typical = result.typical();
  const std::string subtitle = result.environment.date +
                               (result.environment.cpu_model.empty() ? "" : ", ") +
                               result.environment.cpu_model;
  return html_page("Capacity: " + result.scenario.name, subtitle, [&](HtmlWriter& html) {
    if (!result.neighbours.empty()) {
      draw_neighbours(html, result.neighbours);
      draw_heading(html, "The machine");
      return draw_environment(html, {&result.environment});
    }
    if (typical.empty()) {
      html.element("p", "Nothing was measured.", {{"class", "warning"}});
      return draw_environment(html, {&result.environment});
    }
    draw_summary(html, result, typical);
    draw_tiles(html, result, typical);
    draw_heading(html, "In pictures");
    open(html, "div", "charts");
    draw_latency_over_rate(html, rungs_to_draw(result),
                           result.search ? std::optional{result.search->p99_bound} : std::nullopt);
    draw_distribution(html, typical);
    if (result.scaling) draw_scaling(html, *result.scaling);
    draw_usage(html, typical, result.environment.cores);
    html.close();
    draw_commands(html, typical);
    draw_costs(html, typical);
    draw_rungs(html, result);
    draw_scenario(html, result.scenario);
    draw_heading(html, "The machine");
    draw_environment(html, {&result.environment});
  });
}

}  // namespace parsec::bench
