#include "protocol/bytes/utf8.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace parsec::protocol {
namespace {

struct Decoded {
  std::uint32_t character;
  std::size_t size;  // 0: invalid
};

bool continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/// RFC 3629 §4: UTF8-2, UTF8-3 and UTF8-4. The smallest character of each length excludes
/// overlong forms.
Decoded decode_multibyte(const unsigned char* at, std::size_t left) {
  const std::uint32_t lead = at[0];
  if (lead < 0xC2) return {0, 0};
  if (lead < 0xE0) {
    if (left < 2 || !continues(at[1])) return {0, 0};
    return {(lead & 0x1F) << 6 | (at[1] & 0x3Fu), 2};
  }
  if (lead < 0xF0) {
    if (left < 3 || !continues(at[1]) || !continues(at[2])) return {0, 0};
    const std::uint32_t character = (lead & 0x0F) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    const bool surrogate = character >= 0xD800 && character <= 0xDFFF;
    return {character, character < 0x800 || surrogate ? 0u : 3u};
  }
  if (lead < 0xF5) {
    if (left < 4 || !continues(at[1]) || !continues(at[2]) || !continues(at[3])) return {0, 0};
    const std::uint32_t character =
        (lead & 0x07) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 | (at[3] & 0x3Fu);
    return {character, character < 0x10000 || character > 0x10FFFF ? 0u : 4u};
  }
  return {0, 0};
}

constexpr std::size_t block = 32;

bool is_ascii_block(const unsigned char* at) {
  std::uint64_t words[block / 8];
  std::memcpy(words, at, block);
  return ((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080) == 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at < end) {
    const auto left = static_cast<std::size_t>(end - at);
    if (left >= block && is_ascii_block(at)) {
      at += block;
      continue;
    }
    // Character by character to the end of the block, so that text of another script does not
    // look for an ASCII block at each of its characters.
    const auto* const block_end = left < block ? end : at + block;
    while (at < block_end) {
      if (*at < 0x80) {
        ++at;
        continue;
      }
      const auto size = decode_multibyte(at, static_cast<std::size_t>(end - at)).size;
      if (size == 0) return false;
      at += size;
    }
  }
  return true;
}

std::optional<char32_t> take_character(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto decoded = *at < 0x80 ? Decoded{*at, 1} : decode_multibyte(at, text.size());
  if (decoded.size == 0) return std::nullopt;
  text.remove_prefix(decoded.size);
  return static_cast<char32_t>(decoded.character);
}

std::size_t count_characters(std::string_view text) {
  const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<std::size_t>(std::ranges::count_if(text, starts));
}

}  // namespace parsec::protocol
