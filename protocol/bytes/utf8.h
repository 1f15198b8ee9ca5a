// UTF-8 as RFC 3629 defines it: no overlong form, no surrogate, nothing beyond U+10FFFF.
//
// Any thread; pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace parsec::protocol {

bool is_utf8(std::string_view text);

/// Takes the first character off `text`; nullopt (and `text` unchanged) if it is not valid UTF-8
/// or empty.
std::optional<char32_t> take_character(std::string_view& text);

/// How many characters valid UTF-8 holds.
std::size_t count_characters(std::string_view text);

}  // namespace parsec::protocol
