#include "app/log_line.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <optional>

#include "db/types.h"
#include "protocol/utf8.h"

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

}  // namespace

void append_log_line(std::string& out, LogConfiguration::Format format, const LogEntry& entry) {
  switch (format) {
    case LogConfiguration::Format::console:
      fmt::format_to(std::back_inserter(out), "{} [{:8}] ", timestamp(entry.time), entry.level);
      append_escaped(out, entry.message, false);
      break;
    case LogConfiguration::Format::json:
      fmt::format_to(std::back_inserter(out), R"({{"timestamp":"{}","level":"{}","event":")",
                     timestamp(entry.time), entry.level);
      append_escaped(out, entry.message, true);
      out += "\"}";
      break;
  }
  out += '\n';
}

}  // namespace parsec::app
