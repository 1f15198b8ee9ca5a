// What a log call hands to spdlog: the sentence alone; or, where programs read the log, a record of
// the event, the sentence and its fields, which the log's own thread makes a line of (with all the
// escaping that asks for).
//
// A writer lives for one call, on any thread. Whether records are wanted is said once for the
// process, before its threads start.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/host/log.h"

namespace parsec::log {

bool records_wanted();
void want_records(bool wanted);

class RecordWriter {
 public:
  explicit RecordWriter(std::string_view event);

  /// Where the sentence is written to, before the members.
  fmt::appender sentence() { return fmt::appender{buffer_}; }
  void end_sentence();

  /// Text that is empty is left out: the peer has no such thing.
  void member(std::string_view name, std::string_view text);
  void member(std::string_view name, bool value);
  void member(std::string_view name, double value);  // seconds, for instance
  void member(std::string_view name, ConnectionName value);
  template <std::integral Integer>
  void member(std::string_view name, Integer value) {
    if (is_record_) append_member(name, Kind::literal, fmt::format_int{value}.c_str());
  }

  std::string_view payload() const { return {buffer_.data(), buffer_.size()}; }

 private:
  friend class RecordReader;
  enum class Kind : char { text, literal };

  void append(std::string_view text);
  void append_size(std::size_t size);
  void append_member(std::string_view name, Kind kind, std::string_view text);

  const bool is_record_ = records_wanted();
  std::size_t sentence_at_ = 0;
  fmt::memory_buffer buffer_;  // usual lines stay on the stack
};

/// Views into the payload.
class RecordReader {
 public:
  struct Member {
    std::string_view name;
    std::string_view value;
    bool is_text;  // else a number or a boolean, as JSON writes it
  };

  /// Nullopt: it is no record, but a sentence alone.
  static std::optional<RecordReader> open(std::string_view payload);

  std::string_view event() const { return event_; }
  std::string_view sentence() const { return sentence_; }
  std::optional<Member> next();

 private:
  bool take(std::string_view& text);

  std::string_view event_;
  std::string_view sentence_;
  std::string_view rest_;
};

}  // namespace parsec::log

template <>
struct fmt::formatter<parsec::log::ConnectionName> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const parsec::log::ConnectionName& name, format_context& context) const {
    return fmt::format_to(context.out(), "{:x}-{:x}", name.shard, name.id.packed());
  }
};
