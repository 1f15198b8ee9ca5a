#include "protocol/mail/mime.h"

#include <algorithm>
#include <cstddef>

#include "protocol/bytes/base64.h"
#include "protocol/bytes/utf8.h"
#include "protocol/http/http_response.h"

namespace parsec::mime {
namespace {

constexpr std::size_t line_limit = 76;  // RFC 2047 §2 and RFC 2045 §6.7; RFC 5322 allows 78
constexpr std::size_t word_limit = 75;  // RFC 2047 §2: an encoded-word
constexpr std::string_view word_start = "=?utf-8?b?";
constexpr std::string_view word_end = "?=";
constexpr std::string_view fold = "\r\n ";
constexpr std::string_view replacement = "\uFFFD";

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }
bool is_line_separator(char32_t c) { return c == U'\u2028' || c == U'\u2029'; }
/// Embeddings, overrides and isolates (UAX #9 §2): they would reorder the text around the value.
bool turns_direction(char32_t c) {
  return (c >= U'\u202A' && c <= U'\u202E') || (c >= U'\u2066' && c <= U'\u2069');
}

/// Can it be written as it is, with folds at its spaces? What looks like an encoded-word cannot.
bool is_plain(std::string_view text) {
  std::size_t word = 0;
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
    word = c == ' ' ? 0 : word + 1;
    if (word > line_limit / 2) return false;
  }
  return !text.contains("=?");
}

void append_folded(std::string& header, std::string_view text) {
  std::size_t column = header.size();
  while (!text.empty()) {
    const auto end = std::min(text.find(' ', 1), text.size());  // a word with the space before it
    const auto word = text.substr(0, end);
    if (column + word.size() > line_limit) {
      header += "\r\n";
      column = 0;
    }
    header += word;
    column += word.size();
    text.remove_prefix(end);
  }
}

/// Whole characters only, in each encoded-word (RFC 2047 §5). The white space between two of them
/// is not part of the text (§6.2).
void append_encoded(std::string& header, std::string_view text) {
  std::size_t column = header.size();
  while (!text.empty()) {
    const std::size_t room = std::min(line_limit - column, word_limit);
    const std::size_t most = (room - word_start.size() - word_end.size()) / 4 * 3;
    std::size_t size = std::min(most, text.size());
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    header += word_start;
    header += protocol::base64_encode(as_bytes(text.substr(0, size)));
    header += word_end;
    text.remove_prefix(size);
    if (!text.empty()) header += fold;
    column = 1;
  }
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '=';
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    std::string_view rest = text;
    const auto character = protocol::take_character(rest);
    if (!character) {
      line += replacement;
      text.remove_prefix(1);
      continue;
    }
    const auto bytes = text.substr(0, text.size() - rest.size());
    text = rest;
    if (bytes == " " || is_control(*character) || is_line_separator(*character)) {
      if (!line.empty() && line.back() != ' ') line += ' ';
    } else if (!turns_direction(*character)) {
      line += bytes;
    }
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string text_header(std::string_view name, std::string_view text) {
  const std::string line = one_line(text);
  std::string header = std::string{name} + ": ";
  is_plain(line) ? append_folded(header, line) : append_encoded(header, line);
  return header + "\r\n";
}

std::string mailbox_header(std::string_view name, const protocol::Mailbox& mailbox) {
  std::string header = std::string{name} + ": ";
  const std::string label = one_line(mailbox.label);
  if (label.empty()) return header + mailbox.address + "\r\n";
  if (is_plain(label)) {
    append_folded(header, quoted(label));
  } else {
    append_encoded(header, label);
  }
  const std::size_t column = header.size() - (header.rfind('\n') + 1);  // npos + 1 is 0
  header += column + mailbox.address.size() + 3 > line_limit ? fold : " ";
  return header + "<" + mailbox.address + ">\r\n";
}

std::string date_header(std::string_view name, DateTime time) {
  std::string date = http::date_text(time);  // … GMT, which RFC 5322 §4.3 calls obsolete
  date.resize(date.size() - 3);
  return std::string{name} + ": " + date + "+0000\r\n";
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') {
      out += "\r\n";
      column = 0;
      continue;
    }
    const bool ends_line = at + 1 == text.size() || text[at + 1] == '\n';
    const bool printable = c > ' ' && c <= '~' && c != '=';
    const bool escaped = !printable && (c != ' ' || ends_line);
    const std::size_t width = escaped ? 3 : 1;
    // The last column is the soft line break's, unless the line ends here anyway.
    if (column + width > (ends_line ? line_limit : line_limit - 1)) {
      out += "=\r\n";
      column = 0;
    }
    if (escaped) {
      append_escape(out, c);
    } else {
      out += c;
    }
    column += width;
  }
  return out;
}

}  // namespace parsec::mime
