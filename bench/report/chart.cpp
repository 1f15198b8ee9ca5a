#include "bench/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace parsec::bench {

namespace {

// In units of the drawing, which is scaled to the width of its place; small enough that its text
// can be read on a phone.
constexpr double width = 480, height = 300;
constexpr double left = 84, right = 28, top = 14, bottom = 50;
constexpr double line_height = 16;

std::string number(double value) { return fmt::format("{:.1f}", value); }

double position(const ChartAxis& axis, double value) {
  const auto scale = [&axis](double at) { return axis.logarithmic ? std::log(at) : at; };
  const double share = (scale(value) - scale(axis.low)) / (scale(axis.high) - scale(axis.low));
  return std::clamp(share, 0.0, 1.0);
}

double across(const LineChart& chart, double x) {
  return left + position(chart.x, x) * (width - left - right);
}
double down(const LineChart& chart, double y) {
  return height - bottom - position(chart.y, y) * (height - top - bottom);
}

std::string colour_class(const char* kind, std::size_t colour) {
  return fmt::format("{} c{}", kind, colour % chart_colours);
}

void draw_line(HtmlWriter& html, double x1, double y1, double x2, double y2, std::string kind) {
  html.empty("line", {{"x1", number(x1)},
                      {"y1", number(y1)},
                      {"x2", number(x2)},
                      {"y2", number(y2)},
                      {"class", std::move(kind)}});
}

void draw_text(HtmlWriter& html, double x, double y, const char* anchor, std::string_view text) {
  html.element("text", text,
               {{"x", number(x)}, {"y", number(y)}, {"text-anchor", std::string{anchor}}});
}

void draw_axes(HtmlWriter& html, const LineChart& chart) {
  for (const auto& [value, text] : chart.y.ticks) {
    const double y = down(chart, value);
    draw_line(html, left, y, width - right, y, "grid");
    draw_text(html, left - 6, y + 4, "end", text);
  }
  for (const auto& [value, text] : chart.x.ticks) {
    const double x = across(chart, value);
    draw_line(html, x, height - bottom, x, height - bottom + 4, "axis");
    draw_text(html, x, height - bottom + line_height + 2, "middle", text);
  }
  draw_line(html, left, height - bottom, width - right, height - bottom, "axis");
  draw_text(html, (left + width - right) / 2, height - 8, "middle", chart.x.title);
  html.element("text", chart.y.title,
               {{"x", "0"},
                {"y", "0"},
                {"text-anchor", "middle"},
                {"transform",
                 fmt::format("translate(13 {:.1f}) rotate(-90)", (top + height - bottom) / 2)}});
}

void draw_series(HtmlWriter& html, const LineChart& chart, const ChartLine& line) {
  std::string path;
  for (const ChartPoint& point : line.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", across(chart, point.x),
                        down(chart, point.y));
  }
  if (line.connected && line.points.size() > 1) {
    html.empty(
        "path",
        {{"d", path}, {"class", colour_class(line.dashed ? "line dashed" : "line", line.colour)}});
  }
  for (const ChartPoint& point : line.points) {
    const double x = across(chart, point.x);
    if (point.range) {
      draw_line(html, x, down(chart, point.range->first), x, down(chart, point.range->second),
                colour_class("range", line.colour));
    }
    if (point.tip.empty()) continue;
    html.open("circle", {{"cx", number(x)},
                         {"cy", number(down(chart, point.y))},
                         {"r", "3.5"},
                         {"class", colour_class("dot", line.colour)}});
    html.element("title", point.tip);
    html.close();
  }
}

void draw_legend(HtmlWriter& html, const LineChart& chart) {
  open(html, "div", "legend");
  for (const ChartLine& line : chart.lines) {
    if (line.name.empty()) continue;
    html.open("span");
    html.element("i", "",
                 {{"class", colour_class(line.dashed ? "key dashed" : "key", line.colour)}});
    html.text(line.name);
    html.close();
  }
  html.close();
}

}  // namespace

void draw(HtmlWriter& html, const LineChart& chart) {
  draw_legend(html, chart);
  html.open("svg", {{"viewBox", fmt::format("0 0 {} {}", width, height)},
                    {"role", "img"},
                    {"aria-label", chart.title}});
  draw_axes(html, chart);
  if (chart.level) {
    const double y = down(chart, chart.level->first);
    draw_line(html, left, y, width - right, y, "level");
    draw_text(html, left + 6, y - 5, "start", chart.level->second);
  }
  for (const ChartLine& line : chart.lines) draw_series(html, chart, line);
  html.close();
}

void draw(HtmlWriter& html, const std::vector<Bar>& bars) {
  open(html, "div", "bars");
  for (const Bar& bar : bars) {
    html.element("span", bar.name, {{"class", "name"}});
    open(html, "span", "track");
    html.element("i", "",
                 {{"class", colour_class("bar", bar.colour)},
                  {"style", fmt::format("width:{:.1f}%", 100 * std::clamp(bar.share, 0.0, 1.0))}});
    html.close();
    html.element("span", bar.label, {{"class", "label"}});
  }
  html.close();
}

std::vector<double> linear_ticks(double most, std::size_t wanted) {
  if (!(most > 0)) return {0, 1};
  const double rough = most / static_cast<double>(wanted);
  const double ten = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * ten;
  for (const double round : {1.0, 2.0, 2.5, 5.0}) {
    if (round * ten >= rough * (1 - 1e-9)) {
      step = round * ten;
      break;
    }
  }
  std::vector<double> ticks{0};
  while (ticks.back() < most * (1 - 1e-9)) {
    ticks.push_back(step * static_cast<double>(ticks.size()));
  }
  return ticks;
}

std::vector<double> log_ticks(double least, double most) {
  const auto power = [](double value, bool up) {
    const double exponent = std::log10(value);
    return static_cast<int>(up ? std::ceil(exponent - 1e-9) : std::floor(exponent + 1e-9));
  };
  const int first = power(least, false), last = std::max(first + 1, power(most, true));
  const bool between = last - first <= 3;
  std::vector<double> ticks;
  for (int exponent = first; exponent <= last; ++exponent) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (digit == 1 || (between && exponent < last)) {
        ticks.push_back(digit * std::pow(10.0, exponent));
      }
    }
  }
  // No more than is needed at both ends.
  while (ticks.size() > 2 && ticks[1] <= least) ticks.erase(ticks.begin());
  while (ticks.size() > 2 && ticks[ticks.size() - 2] >= most) ticks.pop_back();
  return ticks;
}

}  // namespace parsec::bench
