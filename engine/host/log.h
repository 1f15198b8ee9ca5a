// One log for the whole process: a thin front over spdlog's default logger, whose headers (and
// fmt's) only log.cpp needs.
//
// `log::info("Request", "{}: {}", log::field("cmd", cmd), log::field("status", status));` An event
// is a name for what happened, the same each time; its fields are what differs. People read the
// sentence, into which the fields are put in their order (it may leave out the last ones); programs
// read the event and its fields by their names (log_record.h).
//
// A sentence has `{}` for a field, or `{:.6f}` for one with six decimals.
//
// Any thread. Never pass a token, a key, a password or a URL with a password. Sentence and names
// are checked at compile time; nothing becomes text, and nothing is allocated, when the level is
// off.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

#include "engine/handler.h"

namespace parsec::log {

enum class Level : std::uint8_t { debug, info, warning, error, critical };

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

/// A connection as logs name it: unique in the process, and never used again.
struct ConnectionName {
  std::uint32_t shard;
  engine::ConnectionId id;
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
auto field(Name name, Integer value) {
  if constexpr (std::same_as<Integer, bool>)
    return Field<bool>{name, value};
  else if constexpr (std::signed_integral<Integer>)
    return Field<std::int64_t>{name, value};
  else
    return Field<std::uint64_t>{name, value};
}

inline Field<ConnectionName> connection(std::uint32_t shard, engine::ConnectionId id) {
  return {"conn_id", {shard, id}};
}

/// With a place for each of the fields, or for the first ones.
template <typename... Values>
struct Sentence {
  consteval Sentence(const char* literal) : text(literal) {
    constexpr std::array<bool, sizeof...(Values)> are_numbers{std::same_as<Values, double>...};
    std::size_t places = 0;
    for (auto at = text.find('{'); at != text.npos; at = text.find('{', at + 1)) {
      if (places == are_numbers.size()) throw "more places than fields";
      const std::string_view rest = text.substr(at);
      const bool is_number = rest.starts_with("{:.") && rest.substr(4).starts_with("f}");
      if (!is_number && !rest.starts_with("{}")) throw "neither {} nor as {:.6f}";
      if (is_number && !are_numbers[places]) throw "decimals of something that is no number";
      ++places;
    }
  }
  std::string_view text;
};

/// A field whose type is known when the program runs.
struct Member {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, ConnectionName> value;
};

bool is_on(Level level);
/// Whether or not the level is on.
void write(Level level, std::string_view event, std::string_view sentence,
           std::span<const Member> members);

template <Level level>
struct Writer {
  bool enabled() const { return is_on(level); }

  template <typename... Values>
  void operator()(Event event, Sentence<std::type_identity_t<Values>...> sentence,
                  const Field<Values>&... fields) const {
    if (!enabled()) return;
    const std::array<Member, sizeof...(Values)> members{Member{fields.name.text, fields.value}...};
    write(level, event.text, sentence.text, members);
  }
  /// The event's name says it all.
  void operator()(Event event) const {
    if (enabled()) write(level, event.text, event.text, {});
  }
};

inline constexpr Writer<Level::debug> debug;
inline constexpr Writer<Level::info> info;
inline constexpr Writer<Level::warning> warn;
inline constexpr Writer<Level::error> error;
inline constexpr Writer<Level::critical> critical;

}  // namespace parsec::log
