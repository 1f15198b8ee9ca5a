// One log for the whole process: a thin front over spdlog's default logger.
//
// `log::info("Request", "{}: {}", log::field("cmd", cmd), log::field("status", status));` An event
// is a name for what happened, the same each time; its fields are what differs. People read the
// sentence, into which the fields are put in their order (it may leave out the last ones); programs
// read the event and its fields by their names (log_record.h).
//
// Any thread. Never pass a token, a key, a password or a URL with a password. Sentence and names
// are checked at compile time; nothing becomes text, and nothing is allocated, when the level is
// off.
#pragma once

#include <spdlog/spdlog.h>

#include <concepts>
#include <cstdint>
#include <string_view>

#include "engine/handler.h"
#include "engine/host/log_record.h"

namespace parsec::log {

/// What happened. A literal: what differs from time to time is a field.
struct Event {
  consteval Event(const char* literal) : text(literal) {}
  std::string_view text;
};

/// Of a field: letters and underscores, and none of those that each line has.
struct Name {
  consteval Name(const char* literal) : text(literal) {
    if (text == "timestamp" || text == "level" || text == "event" || text == "message") {
      throw "each line has a member of this name";
    }
    for (const char c : text) {
      if ((c < 'a' || c > 'z') && c != '_') throw "a-z and _";
    }
  }
  std::string_view text;
};

/// Text is a view: fields live as long as the call.
template <typename Value>
struct Field {
  Name name;
  Value value;
};

inline Field<std::string_view> field(Name name, std::string_view value) { return {name, value}; }
inline Field<double> field(Name name, double value) { return {name, value}; }
template <std::integral Integer>
Field<Integer> field(Name name, Integer value) {
  return {name, value};
}

inline Field<ConnectionName> connection(std::uint32_t shard, engine::ConnectionId id) {
  return {"conn_id", {shard, id}};
}

template <spdlog::level::level_enum level>
struct Writer {
  bool enabled() const { return spdlog::should_log(level); }

  template <typename... Values>
  void operator()(Event event, fmt::format_string<const Values&...> sentence,
                  const Field<Values>&... fields) const {
    if (!enabled()) return;
    RecordWriter record{event.text};
    fmt::format_to(record.sentence(), sentence, fields.value...);
    record.end_sentence();
    (record.member(fields.name.text, fields.value), ...);
    spdlog::default_logger_raw()->log(level, record.payload());
  }
  /// The event's name says it all.
  void operator()(Event event) const {
    if (!enabled()) return;
    RecordWriter record{event.text};
    fmt::format_to(record.sentence(), "{}", event.text);
    record.end_sentence();
    spdlog::default_logger_raw()->log(level, record.payload());
  }
};

inline constexpr Writer<spdlog::level::debug> debug;
inline constexpr Writer<spdlog::level::info> info;
inline constexpr Writer<spdlog::level::warn> warn;
inline constexpr Writer<spdlog::level::err> error;
inline constexpr Writer<spdlog::level::critical> critical;

}  // namespace parsec::log
