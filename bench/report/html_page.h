// What all pages share: the frame, tables, the machine. See html_report.h. Pure functions.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/report/html_writer.h"
#include "bench/result.h"

namespace parsec::bench {

/// The whole document around what `body` writes.
std::string html_page(std::string_view title, std::string_view subtitle,
                      const std::function<void(HtmlWriter&)>& body);

/// A cell: its text, and a class of the style sheet (empty: none).
struct Cell {
  Cell(std::string content) : text(std::move(content)) {}
  Cell(const char* content) : text(content) {}
  Cell(std::string content, std::string_view kind) : text(std::move(content)), css_class(kind) {}

  std::string text;
  std::string_view css_class;
};
void draw_table(HtmlWriter& html, const std::vector<std::string>& titles,
                const std::vector<std::vector<Cell>>& rows);
void draw_heading(HtmlWriter& html, std::string_view title, std::string_view note = {});
void draw_tile(HtmlWriter& html, std::string_view figure, std::string_view what);
/// Of one result, or of several side by side.
void draw_environment(HtmlWriter& html, const std::vector<const Environment*>& environments);

}  // namespace parsec::bench
