#include <fmt/format.h>

#include "bench/report/html_charts.h"
#include "bench/report/html_page.h"
#include "bench/report/html_report.h"
#include "bench/report/units.h"

namespace parsec::bench {

namespace {

Cell verdict_cell(Verdict verdict) {
  const std::string_view kind = verdict == Verdict::better  ? "good"
                                : verdict == Verdict::worse ? "bad"
                                                            : "text";
  return {std::string{name(verdict)}, kind};
}

void draw_differences(HtmlWriter& html, const Comparison& comparison, const std::string& before,
                      const std::string& after) {
  std::vector<std::vector<Cell>> rows;
  for (const Difference& difference : comparison.differences) {
    const bool compared = difference.before.median > 0;
    rows.push_back(
        {difference.what, written(difference.before.median, difference.unit),
         written(difference.after.median, difference.unit),
         compared ? fmt::format("{:.2f} ×", difference.ratio()) : "–",
         compared && difference.before.lowest > 0
             ? fmt::format("{:.2f} to {:.2f}", difference.least_ratio(), difference.most_ratio())
             : "–",
         verdict_cell(difference.verdict)});
  }
  draw_heading(html, "Figure by figure",
               "The ratio of the medians, and the least and the most that any two repeats make it. "
               "Nearer than the repeats are apart: no difference.");
  draw_table(html, {"figure", before, after, "ratio", "from to", "verdict"}, rows);
}

void draw_verdicts(HtmlWriter& html, const Comparison& comparison) {
  std::size_t better = 0, worse = 0;
  for (const Difference& difference : comparison.differences) {
    better += difference.verdict == Verdict::better ? 1U : 0U;
    worse += difference.verdict == Verdict::worse ? 1U : 0U;
  }
  open(html, "div", "tiles");
  draw_tile(html, std::to_string(better), "figures better");
  draw_tile(html, std::to_string(worse), "figures worse");
  draw_tile(html, std::to_string(comparison.differences.size() - better - worse),
            "no difference, or not known");
  html.close();
}

void draw_side(HtmlWriter& html, const Result& result, const std::string& title) {
  if (result.typical().empty()) return;
  draw_heading(html, title);
  open(html, "div", "charts");
  draw_distribution(html, result.typical());
  draw_usage(html, result.typical(), result.environment.cores);
  html.close();
}

}  // namespace

std::string html_comparison(const Comparison& comparison, const Result& before, const Result& after,
                            const std::string& name_before, const std::string& name_after) {
  const std::string title = "Comparison: " + after.scenario.name;
  const std::string subtitle = name_before + " (" + before.environment.date + ") and " +
                               name_after + " (" + after.environment.date + ")";
  return html_page(title, subtitle, [&](HtmlWriter& html) {
    for (const std::string& warning : comparison.warnings) {
      html.element("p", warning, {{"class", "warning"}});
    }
    draw_verdicts(html, comparison);
    draw_differences(html, comparison, name_before, name_after);
    draw_side(html, before, name_before);
    draw_side(html, after, name_after);
    draw_heading(html, "The machines");
    draw_environment(html, {&before.environment, &after.environment});
  });
}

}  // namespace parsec::bench
