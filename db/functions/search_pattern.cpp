#include "db/functions/search_pattern.h"

#include <cstddef>

namespace parsec::db::functions {
namespace {

/// Unicode's White_Space in UTF-8 (https://www.unicode.org/Public/UCD/latest/ucd/PropList.txt).
constexpr std::string_view spaces[] = {
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u0085", "\u00A0", "\u1680",
    "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
    "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000",
};

/// Of what is searched: a label, an email and a user ID (db/storage.md §1).
constexpr std::size_t searched_characters = 254 + 254 + 32;
/// A longer pattern matches nothing, so that much of it does as well. A character takes 6 octets of
/// it at most (%, \ and UTF-8); its other case may take two characters.
constexpr std::size_t longest_pattern = 8192;
static_assert(longest_pattern > 2 * 6 * searched_characters);

bool begins_a_character(char octet) { return (static_cast<unsigned char>(octet) & 0xC0U) != 0x80; }

/// Octets of the space that the text begins with; 0: it begins with something else.
std::size_t leading_space(std::string_view text) {
  constexpr std::string_view first_octets = " \t\n\v\f\r\xC2\xE1\xE2\xE3";
  if (!first_octets.contains(text.front())) return 0;
  for (const std::string_view space : spaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

}  // namespace

std::optional<std::string> search_pattern(std::string_view query) {
  std::string pattern;
  bool in_word = false;
  while (!query.empty()) {
    if (const std::size_t octets = leading_space(query); octets > 0) {
      query.remove_prefix(octets);
      in_word = false;
      continue;
    }
    const char octet = query.front();
    if (pattern.size() > longest_pattern && begins_a_character(octet)) break;
    query.remove_prefix(1);
    if (!in_word) pattern += '%';
    in_word = true;
    if (octet == '%' || octet == '_' || octet == '\\') pattern += '\\';
    pattern += octet;
  }
  if (pattern.empty()) return std::nullopt;
  return pattern + '%';
}

}  // namespace parsec::db::functions
