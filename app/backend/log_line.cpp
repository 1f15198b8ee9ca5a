#include "app/backend/log_line.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <optional>

#include "engine/host/log_record.h"
#include "engine/types.h"
#include "protocol/bytes/utf8.h"

namespace parsec::app {
namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

/// RFC 8259 §7; in a console line the same escapes, but for the quotation mark and the backslash.
void append_escaped(std::string& out, std::string_view text, bool json) {
  while (!text.empty()) {
    const std::string_view rest = text;
    const std::optional<char32_t> character = protocol::take_character(text);
    if (!character) {
      out += replacement_character;
      text = rest.substr(1);
    } else if (*character < 0x20 || *character == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(*character));
    } else {
      if (json && (*character == '"' || *character == '\\')) out += '\\';
      out += rest.substr(0, rest.size() - text.size());
    }
  }
}

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto since = time.time_since_epoch();
  return DateTime{std::chrono::duration_cast<std::chrono::microseconds>(since).count()}.text();
}

/// RFC 8259 §7.
void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  append_string(out += ',', name);
  append_string(out += ':', text);
}

bool is_for_people(std::string_view level) { return level != "debug" && level != "info"; }

void append_object(std::string& out, const LogEntry& entry) {
  fmt::format_to(std::back_inserter(out), R"({{"timestamp":"{}","level":"{}")",
                 timestamp(entry.time), entry.level);
  auto record = log::RecordReader::open(entry.payload);
  append_member(out, "event", record ? record->event() : entry.payload);
  while (const auto member = record ? record->next() : std::nullopt) {
    if (member->is_text) {
      append_member(out, member->name, member->value);
    } else {
      append_string(out += ',', member->name);
      out.append(":").append(member->value);
    }
  }
  if (record && is_for_people(entry.level) && record->sentence() != record->event()) {
    append_member(out, "message", record->sentence());
  }
  out += '}';
}

}  // namespace

std::string_view sentence_of(std::string_view payload) {
  const auto record = log::RecordReader::open(payload);
  return record ? record->sentence() : payload;
}

void append_log_line(std::string& out, LogConfiguration::Format format, const LogEntry& entry) {
  switch (format) {
    case LogConfiguration::Format::console:
      fmt::format_to(std::back_inserter(out), "{} [{:8}] ", timestamp(entry.time), entry.level);
      append_escaped(out, sentence_of(entry.payload), false);
      break;
    case LogConfiguration::Format::json:
      append_object(out, entry);
      break;
  }
  out += '\n';
}

}  // namespace parsec::app
