#include "bench/report/html_page.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "bench/report/html_style.h"
#include "bench/report/units.h"

namespace parsec::bench {

namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

Facts facts_of(const Environment& environment) {
  Facts facts{{"measured", environment.date},
              {"command", environment.command_line},
              {"processor", environment.cores == 0
                                ? environment.cpu_model
                                : fmt::format("{} × {}", environment.cores, environment.cpu_model)},
              {"memory", environment.memory_bytes == 0
                             ? std::string{}
                             : bytes(static_cast<double>(environment.memory_bytes))},
              {"kernel", environment.kernel},
              {"distribution", environment.distribution},
              {"frequency governor", environment.governor},
              {"virtualisation", environment.virtualisation}};
  for (const auto& [name, version] : environment.versions) facts.emplace_back(name, version);
  for (const auto& [name, value] : environment.postgresql_settings) {
    facts.emplace_back("PostgreSQL: " + name, value);
  }
  return facts;
}

}  // namespace

std::string html_page(std::string_view title, std::string_view subtitle,
                      const std::function<void(HtmlWriter&)>& body) {
  HtmlWriter html;
  html.open("html", {{"lang", "en"}});
  html.open("head");
  html.empty("meta", {{"charset", "utf-8"}});
  html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html.element("title", title);
  html.style(html_style);
  html.close();
  html.open("body");
  html.open("header");
  html.element("h1", title);
  html.element("p", subtitle, {{"class", "soft"}});
  html.close();
  html.open("main");
  body(html);
  html.close();
  html.element("footer",
               "Latencies count from when a request was meant to go. Percentiles come from the "
               "histograms of all repeats added up. Figures are of this machine and this load.");
  html.close();
  html.close();
  return html.take();
}

void draw_table(HtmlWriter& html, const std::vector<std::string>& titles,
                const std::vector<std::vector<Cell>>& rows) {
  open(html, "div", "card wide");
  html.open("table");
  html.open("thead");
  html.open("tr");
  for (const std::string& title : titles) html.element("th", title);
  html.close();
  html.close();
  html.open("tbody");
  for (const auto& row : rows) {
    html.open("tr");
    for (const Cell& cell : row) {
      if (cell.css_class.empty()) {
        html.element("td", cell.text);
      } else {
        html.element("td", cell.text, {{"class", std::string{cell.css_class}}});
      }
    }
    html.close();
  }
  html.close();
  html.close();
  html.close();
}

void draw_heading(HtmlWriter& html, std::string_view title, std::string_view note) {
  html.element("h2", title);
  if (!note.empty()) html.element("p", note, {{"class", "note"}});
}

void draw_tile(HtmlWriter& html, std::string_view figure, std::string_view what) {
  open(html, "div", "card tile");
  html.element("b", figure);
  html.element("span", what);
  html.close();
}

void draw_environment(HtmlWriter& html, const std::vector<const Environment*>& environments) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> values;
  for (std::size_t i = 0; i < environments.size(); ++i) {
    for (const auto& [name, value] : facts_of(*environments[i])) {
      if (value.empty()) continue;
      auto& row = values[name];
      if (row.empty()) order.push_back(name);
      row.resize(environments.size());
      row[i] = value;
    }
  }
  open(html, "div", "card wide");
  html.open("table", {{"class", "facts"}});
  html.open("tbody");
  for (const std::string& name : order) {
    html.open("tr");
    html.element("td", name);
    for (const std::string& value : values[name]) html.element("td", value);
    html.close();
  }
  html.close();
  html.close();
  html.close();
}

}  // namespace parsec::bench
