// HTML and SVG as text, which cannot come out broken: what is opened is closed in order, and every
// text and attribute is escaped. XHTML's way of writing, so that XML parsers can check it too.
//
// One thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parsec::bench {

class HtmlWriter {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  void open(std::string_view tag, Attributes attributes = {});
  void close();
  void text(std::string_view content);
  /// An element that holds a text.
  void element(std::string_view tag, std::string_view content, Attributes attributes = {});
  /// One that holds nothing, as <br/>.
  void empty(std::string_view tag, Attributes attributes = {});
  /// The style sheet: the program's own, as it is. It must not hold `<`.
  void style(std::string_view css);

  /// A whole document: with everything closed.
  std::string take();

 private:
  void start(std::string_view tag, Attributes attributes);
  void escaped(std::string_view content);

  std::string out_ = "<!DOCTYPE html>\n";
  std::vector<std::string> open_;
};

/// Opens with a class.
inline void open(HtmlWriter& html, std::string_view tag, std::string css_class) {
  html.open(tag, {{"class", std::move(css_class)}});
}

}  // namespace parsec::bench
