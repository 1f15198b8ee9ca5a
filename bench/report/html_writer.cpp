#include "bench/report/html_writer.h"

#include <cassert>

namespace parsec::bench {

void HtmlWriter::open(std::string_view tag, Attributes attributes) {
  start(tag, attributes);
  out_ += '>';
  open_.emplace_back(tag);
}

void HtmlWriter::close() {
  assert(!open_.empty());
  out_ += "</" + open_.back() + ">\n";
  open_.pop_back();
}

void HtmlWriter::text(std::string_view content) { escaped(content); }

void HtmlWriter::element(std::string_view tag, std::string_view content, Attributes attributes) {
  open(tag, attributes);
  text(content);
  close();
}

void HtmlWriter::empty(std::string_view tag, Attributes attributes) {
  start(tag, attributes);
  out_ += "/>\n";
}

void HtmlWriter::style(std::string_view css) {
  assert(!css.contains('<') && !css.contains('&'));
  open("style");
  out_ += css;
  close();
}

std::string HtmlWriter::take() {
  assert(open_.empty());
  return std::move(out_);
}

void HtmlWriter::start(std::string_view tag, Attributes attributes) {
  out_ += '<';
  out_ += tag;
  for (const auto& [name, value] : attributes) {
    out_ += ' ';
    out_ += name;
    out_ += "=\"";
    escaped(value);
    out_ += '"';
  }
}

void HtmlWriter::escaped(std::string_view content) {
  for (const char each : content) {
    switch (each) {
      case '&':
        out_ += "&amp;";
        break;
      case '<':
        out_ += "&lt;";
        break;
      case '>':
        out_ += "&gt;";
        break;
      case '"':
        out_ += "&quot;";
        break;
      case '\'':
        out_ += "&#39;";
        break;
      case '\n':
      case '\t':
        out_ += each;
        break;
      default:
        // Other control characters are no text in XML, and nothing to read.
        out_ += static_cast<unsigned char>(each) < 0x20 ? ' ' : each;
    }
  }
}

}  // namespace parsec::bench
