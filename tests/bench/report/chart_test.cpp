#include "bench/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report/units.h"

namespace parsec::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Chart, TicksAreRound) {
  EXPECT_THAT(linear_ticks(0), ElementsAre(0, 1));
  EXPECT_THAT(linear_ticks(10), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(linear_ticks(11), ElementsAre(0, 2.5, 5, 7.5, 10, 12.5));
  EXPECT_THAT(linear_ticks(940), ElementsAre(0, 200, 400, 600, 800, 1000));
}

TEST(Chart, TicksOfALogarithmicAxisReachBothEnds) {
  struct Row {
    double least, most;
  };
  for (const Row& row : {Row{1, 1}, Row{1, 10}, Row{0.9, 1.1}, Row{3, 4e9}, Row{2e5, 9e5}}) {
    const auto ticks = log_ticks(row.least, row.most);
    SCOPED_TRACE(::testing::PrintToString(ticks));
    EXPECT_LE(ticks.front(), row.least * 1.0000001);
    EXPECT_GE(ticks.back(), row.most * 0.9999999);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 12u);
  }
}

TEST(Chart, IsDrawnWithinItsPlace) {
  LineChart chart{.title = "t", .x = {}, .y = {}, .lines = {}, .level = {}};
  chart.x = ChartAxis::linear("x", 10, quantity);
  chart.y = ChartAxis::log("y", 1, 100, quantity);
  chart.level = {1000, "beyond"};
  chart.lines.push_back({.name = "line",
                         .points = {{.x = 0, .y = 1, .range = {}, .tip = "here"},
                                    {.x = 10, .y = 100, .range = {}, .tip = {}}}});
  HtmlWriter html;
  draw(html, chart);
  const std::string svg = html.take();
  EXPECT_THAT(svg, HasSubstr("d=\"M84.0 250.0 L452.0 14.0\""));
  EXPECT_THAT(svg, HasSubstr("<title>here</title>"));
  EXPECT_THAT(svg, HasSubstr("y1=\"14.0\""));  // what is beyond stays at the edge
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace parsec::bench
