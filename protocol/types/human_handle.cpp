#include "protocol/types/human_handle.h"

#include <algorithm>
#include <cstddef>

namespace parsec::protocol {
namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

/// RFC 5322 §3.2.3 specials, but for the backslash, which existing mailboxes hold in atoms.
bool is_special(char c) { return std::string_view{"()<>@,:;.\"[]"}.contains(c); }

bool is_atom_character(char c) { return !is_special(c) && !is_control(c) && c != ' '; }

/// Length of the longest beginning of `text` whose characters all satisfy `accepts`.
template <typename Accepts>
std::size_t run(std::string_view text, Accepts accepts) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, accepts) - text.begin());
}

/// A quoted-string (RFC 5322 §3.2.4) whose only escapes are those it needs: `\"` and `\\`.
/// Its length with both quotes, 0 if there is none.
std::size_t quoted_string(std::string_view text) {
  if (!text.starts_with('"')) return 0;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] != '\\') continue;
    ++at;
    if (at == text.size() || (text[at] != '"' && text[at] != '\\')) return 0;
  }
  return 0;
}

/// The local part: words (atom or quoted-string) and dots. White space stays only between two
/// words; beside a dot or at an end it is dropped by parsers. Its length.
std::size_t local_part(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto rest = text.substr(at);
    if (rest.front() == '.') {
      ++at;
      continue;
    }
    std::size_t word = quoted_string(rest);
    if (word == 0) word = run(rest, is_atom_character);
    if (word == 0) break;
    at += word;
    const auto spaces = run(text.substr(at), [](char c) { return c == ' '; });
    const auto next = text.substr(at + spaces);
    const bool word_follows =
        !next.empty() && (is_atom_character(next.front()) || quoted_string(next) > 0);
    if (spaces > 0 && !word_follows) break;
    at += spaces;
  }
  return at;
}

/// Atoms, dots and domain literals without escapes (RFC 5322 §3.4.1).
bool is_domain(std::string_view text) {
  if (text.empty()) return false;
  while (!text.empty()) {
    std::size_t part = run(text, [](char c) { return is_atom_character(c) || c == '.'; });
    if (text.front() == '[') {
      part = 1 + run(text.substr(1), [](char c) { return !std::string_view{"[]\\ "}.contains(c); });
      if (part == text.size() || text[part] != ']') return false;
      ++part;
    }
    if (part == 0) return false;
    text.remove_prefix(part);
  }
  return true;
}

}  // namespace

bool is_plain_display_name(std::string_view label) {
  if (std::ranges::any_of(label, is_control)) return false;
  if (label.ends_with(')')) {
    const auto open = label.find(" (");
    if (open == label.npos) return false;
    const auto comment = label.substr(open + 2, label.size() - open - 3);
    if (comment.find_first_of("()\\") != comment.npos) return false;
    label = label.substr(0, open);
  }
  while (true) {
    const auto atom = run(label, [](char c) { return is_atom_character(c) || c == '.'; });
    if (atom == 0) return false;
    if (atom == label.size()) return true;
    if (label[atom] != ' ') return false;
    label.remove_prefix(atom + 1);
  }
}

bool is_plain_address(std::string_view email) {
  if (std::ranges::any_of(email, is_control)) return false;
  const auto local = local_part(email);
  if (local == 0) return false;
  if (local == email.size()) return true;
  return email[local] == '@' && is_domain(email.substr(local + 1));
}

}  // namespace parsec::protocol
