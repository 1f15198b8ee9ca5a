#include "bench/report/html_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "bench/report/chart.h"
#include "bench/report/units.h"

namespace parsec::bench {

namespace {

constexpr double most_of_latency = 0.999;

void begin_card(HtmlWriter& html, std::string_view title, std::string_view note) {
  open(html, "div", "card");
  html.element("h3", title);
  html.element("p", note, {{"class", "note"}});
}

engine::Histogram latency_of(std::span<const Measurement> repeats) {
  engine::Histogram all;
  for (const Measurement& measurement : repeats) all.merge(measurement.latency());
  return all;
}

double quantile(const engine::Histogram& latency, double share) {
  return std::max(1.0, static_cast<double>(latency.value_at(share)));
}

}  // namespace

void draw_latency_over_rate(HtmlWriter& html, std::vector<const Rung*> rungs,
                            std::optional<std::chrono::nanoseconds> p99_bound) {
  std::erase_if(rungs, [](const Rung* rung) { return latency_of(rung->repeats).count() == 0; });
  if (rungs.size() < 2) return;
  std::ranges::sort(rungs, {}, &Rung::rate);
  constexpr std::array<std::pair<double, const char*>, 3> shares{
      {{0.5, "median"}, {0.9, "90 %"}, {0.99, "99 %"}}};
  LineChart chart{.title = "Latency over the rate", .x = {}, .y = {}, .lines = {}, .level = {}};
  double least = 1e18, most = 1;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    ChartLine line{.name = shares[i].second, .colour = i, .points = {}};
    for (const Rung* rung : rungs) {
      const double latency = quantile(latency_of(rung->repeats), shares[i].first);
      least = std::min(least, latency);
      most = std::max(most, latency);
      line.points.push_back({.x = rung->rate,
                             .y = latency,
                             .range = {},
                             .tip = fmt::format("{}/s: {} within {}", quantity(rung->rate),
                                                shares[i].second, duration(latency))});
    }
    chart.lines.push_back(std::move(line));
  }
  if (p99_bound) {
    const double bound = static_cast<double>(p99_bound->count());
    most = std::max(most, bound);
    chart.level = {bound, "the promise: " + duration(bound)};
  }
  chart.x = ChartAxis::linear("requests per second", rungs.back()->rate, quantity);
  chart.y = ChartAxis::log("latency", least, most, duration);
  begin_card(html, "Latency over the rate",
             "How long answers take as more is asked for. Where the lines turn up, the system is "
             "full.");
  draw(html, chart);
  html.close();
}

void draw_distribution(HtmlWriter& html, std::span<const Measurement> repeats) {
  constexpr std::array<double, 11> shares{0,    0.1,  0.25, 0.5,   0.75,           0.9,
                                          0.95, 0.98, 0.99, 0.995, most_of_latency};
  // 1 / (1 - share): as far from 90 % to 99 % as from there to 99.9 %.
  const auto rarity = [](double share) { return 1 / (1 - share); };
  LineChart chart{
      .title = "Latency by share of the requests", .x = {}, .y = {}, .lines = {}, .level = {}};
  double least = 1e18, most = 1;
  for (std::size_t i = 0; i < repeats.front().commands.size(); ++i) {
    engine::Histogram latency;
    for (const Measurement& measurement : repeats) latency.merge(measurement.commands[i].latency);
    if (latency.count() == 0 || chart.lines.size() == chart_colours) continue;
    ChartLine line{
        .name = repeats.front().commands[i].command, .colour = chart.lines.size(), .points = {}};
    for (const double share : shares) {
      const double value = quantile(latency, share);
      least = std::min(least, value);
      most = std::max(most, value);
      line.points.push_back(
          {.x = rarity(share),
           .y = value,
           .range = {},
           .tip = fmt::format("{}: {:.4g} % within {}", line.name, 100 * share, duration(value))});
    }
    chart.lines.push_back(std::move(line));
  }
  if (chart.lines.empty()) return;
  chart.x = {
      .title = "share of the requests (rarer to the right)",
      .logarithmic = true,
      .low = 1,
      .high = rarity(most_of_latency),
      .ticks = {
          {1, "0"}, {2, "50 %"}, {10, "90 %"}, {100, "99 %"}, {rarity(most_of_latency), "99.9 %"}}};
  chart.y = ChartAxis::log("latency", least, most, duration);
  begin_card(html, "Latency by share of the requests",
             "At 99 %: of a hundred requests all but one were answered within this.");
  draw(html, chart);
  html.close();
}

void draw_scaling(HtmlWriter& html, const ScalingSeries& series) {
  if (series.steps.empty()) return;
  LineChart chart{
      .title = "Capacity over " + series.parameter, .x = {}, .y = {}, .lines = {}, .level = {}};
  ChartLine measured{.name = "measured", .connected = false, .points = {}};
  double most = 0, widest = 0;
  for (const ScalingStep& step : series.steps) {
    const Repeats capacity = step.capacity();
    most = std::max(most, capacity.highest);
    widest = std::max(widest, step.count);
    measured.points.push_back({.x = step.count,
                               .y = capacity.median,
                               .range = std::pair{capacity.lowest, capacity.highest},
                               .tip = fmt::format("{} {}: {}/s", step.count, series.parameter,
                                                  quantity(capacity.median))});
  }
  std::string note = "Too few counts for a law.";
  if (const auto law = series.law()) {
    note = fmt::format(
        "Universal Scalability Law: {}/s alone, {:.3g} % of the work one after the other (σ), "
        "{:.3g} % to agree for each pair (κ); R² {:.3f}. Dashed: beyond what was measured, up to "
        "twice.",
        quantity(law->lambda), 100 * law->sigma, 100 * law->kappa, law->r_squared);
    ChartLine fitted{.name = "the law", .colour = 1, .points = {}};
    ChartLine beyond{.name = "beyond", .colour = 1, .dashed = true, .points = {}};
    constexpr int pieces = 40;
    for (int i = 0; i <= pieces; ++i) {
      const double part = static_cast<double>(i) / pieces;
      const double within = 1 + part * (law->highest_measured - 1);
      const double outside = law->highest_measured * (1 + part);
      fitted.points.push_back({.x = within, .y = law->capacity_at(within), .range = {}, .tip = {}});
      beyond.points.push_back(
          {.x = outside, .y = law->capacity_at(outside), .range = {}, .tip = {}});
      most = std::max({most, fitted.points.back().y, beyond.points.back().y});
    }
    widest = 2 * law->highest_measured;
    chart.lines.push_back(std::move(fitted));
    chart.lines.push_back(std::move(beyond));
  }
  chart.lines.push_back(std::move(measured));
  chart.x = ChartAxis::linear(series.parameter, widest, quantity);
  chart.y = ChartAxis::linear("answers per second", most, quantity);
  begin_card(html, "Capacity over " + series.parameter, note);
  draw(html, chart);
  html.close();
}

void draw_usage(HtmlWriter& html, std::span<const Measurement> repeats, std::uint32_t cores) {
  double seconds = 0, host = 0, generator = 0, server = 0, postgresql = 0;
  for (const Measurement& measurement : repeats) {
    seconds += measurement.seconds;
    host += measurement.host_busy * measurement.seconds;
    generator += measurement.generator.cpu_seconds;
    if (measurement.server) server += measurement.server->cpu_seconds;
    if (measurement.postgresql) postgresql += measurement.postgresql->cpu_seconds;
  }
  const double all = std::max(1.0, static_cast<double>(cores));
  std::vector<Bar> bars;
  const auto add = [&](const char* who, double cpu_seconds) {
    const double busy = cpu_seconds / seconds;
    bars.push_back({.name = who,
                    .share = busy / all,
                    .label = fmt::format("{:.2f} cores", busy),
                    .colour = bars.size()});
  };
  add("load generator", generator);
  if (repeats.front().server) add("server", server);
  if (repeats.front().postgresql) add("PostgreSQL", postgresql);
  bars.push_back({.name = "the whole machine",
                  .share = host / seconds,
                  .label = percent(host / seconds),
                  .colour = 5});
  begin_card(html, "Who was how busy",
             cores == 0 ? std::string{"While it was measured."}
                        : fmt::format("While it was measured, of {} cores.", cores));
  draw(html, bars);
  html.close();
}

}  // namespace parsec::bench
