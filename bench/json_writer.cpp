#include "bench/json_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace parsec::bench {

void JsonWriter::key(std::string_view name) {
  assert(!after_key_ && !open_.empty());
  before_item();
  quoted(name);
  text_ += ": ";
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) {
  before_value();
  quoted(text);
}

void JsonWriter::value(double number) {
  assert(std::isfinite(number));
  before_value();
  fmt::format_to(std::back_inserter(text_), "{}", number);  // the shortest that reads back the same
}

void JsonWriter::value(bool truth) {
  before_value();
  text_ += truth ? "true" : "false";
}

void JsonWriter::whole(std::uint64_t number) {
  before_value();
  text_ += std::to_string(number);
}

void JsonWriter::begin(char bracket, bool one_line) {
  before_value();
  text_ += bracket;
  open_.push_back({.one_line = one_line || (!open_.empty() && open_.back().one_line)});
}

void JsonWriter::end(char bracket) {
  assert(!open_.empty() && !after_key_);
  const Open ended = open_.back();
  open_.pop_back();
  if (!ended.empty && !ended.one_line) new_line();
  text_ += bracket;
}

void JsonWriter::quoted(std::string_view text) {
  text_ += '"';
  for (const char each : text) {
    if (each == '"' || each == '\\') {
      text_ += '\\';
      text_ += each;
    } else if (static_cast<unsigned char>(each) < 0x20) {
      fmt::format_to(std::back_inserter(text_), "\\u{:04x}", static_cast<unsigned>(each));
    } else {
      text_ += each;
    }
  }
  text_ += '"';
}

void JsonWriter::before_item() {
  if (open_.empty()) return;
  if (!open_.back().empty) text_ += open_.back().one_line ? ", " : ",";
  if (!open_.back().one_line) new_line();
  open_.back().empty = false;
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
  } else {
    before_item();
  }
}

void JsonWriter::new_line() {
  text_ += '\n';
  text_.append(2 * open_.size(), ' ');
}

}  // namespace parsec::bench
