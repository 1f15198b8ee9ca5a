#include "protocol/mail/bootstrap_notice.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "protocol/bytes/utf8.h"

namespace parsec::protocol {
namespace {

void append_character(std::string& out, char32_t character) {
  const auto code = static_cast<std::uint32_t>(character);
  if (code == '"' || code == '\\') {
    out += '\\';
    out += static_cast<char>(code);
  } else if (code >= 0x20 && code < 0x7F) {
    out += static_cast<char>(code);
  } else if (code < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
  } else {  // as a surrogate pair
    const std::uint32_t rest = code - 0x10000;
    fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10),
                   0xDC00 + (rest & 0x3FF));
  }
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    if (const auto character = take_character(text)) {
      append_character(out, *character);
    } else {
      append_character(out, U'\uFFFD');
      text.remove_prefix(1);
    }
  }
  return out + '"';
}

std::string json_string_or_null(const std::string* text) {
  return text == nullptr ? "null" : json_string(*text);
}

}  // namespace

std::string webhook_body(const BootstrapNotice& notice) {
  const auto& label = notice.device_label;
  const auto& human = notice.human_handle;
  return fmt::format(
      R"({{"organization_id": {}, "device_id": {}, "device_label": {}, "human_email": {}, "human_label": {}}})",
      json_string(notice.organization_id), json_string(notice.device_id),
      json_string_or_null(label ? &*label : nullptr),
      json_string_or_null(human ? &human->email : nullptr),
      json_string_or_null(human ? &human->label : nullptr));
}

}  // namespace parsec::protocol
