// Line charts as SVG inside a page: axes linear or logarithmic, lines with ranges, levels. Colours
// are the style sheet's (classes c0 to c5), so that they follow dark and light.
//
// Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/report/html_writer.h"

namespace parsec::bench {

inline constexpr std::size_t chart_colours = 6;

struct ChartAxis {
  std::string title;
  bool logarithmic = false;
  double low = 0;
  double high = 1;
  /// Where something is written, and what.
  std::vector<std::pair<double, std::string>> ticks;

  /// From 0 to at least `most`, with about five round ticks.
  template <class Format>
  static ChartAxis linear(std::string title, double most, Format format);
  /// From at most `least` to at least `most`, both above 0, with ticks at 1, (2, 5) and their tens.
  template <class Format>
  static ChartAxis log(std::string title, double least, double most, Format format);
};

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::optional<std::pair<double, double>> range;
  std::string tip;  // shown where one points; empty: no dot
};

struct ChartLine {
  std::string name;  // empty: not in the legend
  std::size_t colour = 0;
  bool dashed = false;
  bool connected = true;
  std::vector<ChartPoint> points;
};

struct LineChart {
  std::string title;  // what it shows, for those who cannot see it
  ChartAxis x, y;
  std::vector<ChartLine> lines;
  /// Across the whole chart, with its name.
  std::optional<std::pair<double, std::string>> level;
};

/// The legend, and the drawing.
void draw(HtmlWriter& html, const LineChart& chart);

/// A row of a bar chart: a part of `whole`.
struct Bar {
  std::string name;
  double share = 0;  // 0..1
  std::string label;
  std::size_t colour = 0;
};
void draw(HtmlWriter& html, const std::vector<Bar>& bars);

/// Round numbers, rising: about `wanted` from 0 to at least `most`; the last is the end of the
/// axis.
std::vector<double> linear_ticks(double most, std::size_t wanted = 5);
/// The first is at most `least`, the last at least `most`.
std::vector<double> log_ticks(double least, double most);

template <class Format>
ChartAxis ChartAxis::linear(std::string title, double most, Format format) {
  ChartAxis axis{.title = std::move(title), .ticks = {}};
  for (const double tick : linear_ticks(most)) axis.ticks.emplace_back(tick, format(tick));
  axis.high = axis.ticks.back().first;
  return axis;
}

template <class Format>
ChartAxis ChartAxis::log(std::string title, double least, double most, Format format) {
  ChartAxis axis{.title = std::move(title), .logarithmic = true, .ticks = {}};
  for (const double tick : log_ticks(least, most)) axis.ticks.emplace_back(tick, format(tick));
  axis.low = axis.ticks.front().first;
  axis.high = axis.ticks.back().first;
  return axis;
}

}  // namespace parsec::bench
