// JSON as text, piece by piece: results and plans. Numbers come back exactly as they were.
//
// The caller keeps the order: key() before each value in an object. Lists that were begun with
// begin_row() stay on one line. One thread.
#pragma once

#include <cassert>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parsec::bench {

class JsonWriter {
 public:
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_list() { begin('['); }
  void begin_row() { begin('[', true); }
  void end_list() { end(']'); }

  void key(std::string_view name);
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view{text}); }
  void value(double number);  // finite
  void value(bool truth);
  template <std::unsigned_integral Number>
  requires(!std::same_as<Number, bool>) void value(Number number) { whole(number); }

  template <class Value>
  void member(std::string_view name, const Value& content) {
    key(name);
    value(content);
  }

  /// After the outermost end.
  std::string take() {
    assert(open_.empty());
    return std::move(text_) + "\n";
  }

 private:
  struct Open {
    bool one_line = false;
    bool empty = true;
  };

  void begin(char bracket, bool one_line = false);
  void end(char bracket);
  void whole(std::uint64_t number);
  void quoted(std::string_view text);
  void before_item();
  void before_value();
  void new_line();

  std::string text_;
  std::vector<Open> open_;
  bool after_key_ = false;
};

}  // namespace parsec::bench
