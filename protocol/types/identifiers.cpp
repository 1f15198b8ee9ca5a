#include "protocol/types/identifiers.h"

#include <unicode/uchar.h>

#include "protocol/bytes/utf8.h"
#include "protocol/types/human_handle.h"

namespace parsec::protocol {
namespace {

constexpr std::size_t max_characters = 32;
constexpr std::size_t max_bytes = 32;
constexpr std::size_t max_device_id_bytes = 65;
constexpr std::size_t max_human_handle_part_bytes = 254;

/// \w or `-`. The class \w: letters, whatever has a numeric value, and `_`.
bool is_identifier_character(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-';
  }
  const auto character = static_cast<UChar32>(c);
  constexpr auto letters_and_numbers = U_GC_L_MASK | U_GC_N_MASK;
  return (U_MASK(u_charType(character)) & letters_and_numbers) != 0 ||
         u_getNumericValue(character) != U_NO_NUMERIC_VALUE;
}

bool is_word(std::string_view text) {
  std::size_t characters = 0;
  while (!text.empty()) {
    const auto character = take_character(text);
    if (!character || !is_identifier_character(*character)) return false;
    if (++characters > max_characters) return false;
  }
  return characters > 0;
}

bool is_short_word(std::string_view text) { return text.size() <= max_bytes && is_word(text); }

}  // namespace

bool is_organization_id(std::string_view text) { return is_short_word(text); }
bool is_user_id(std::string_view text) { return is_short_word(text); }
bool is_device_name(std::string_view text) { return is_short_word(text); }

bool is_device_id(std::string_view text) {
  if (text.size() > max_device_id_bytes) return false;
  const auto at = text.find('@');
  return at != text.npos && is_user_id(text.substr(0, at)) && is_word(text.substr(at + 1));
}

std::string_view user_of(std::string_view device_id) {
  return device_id.substr(0, device_id.find('@'));
}

std::string_view device_name_of(std::string_view device_id) {
  return device_id.substr(device_id.find('@') + 1);
}

bool is_human_handle(std::string_view email, std::string_view label) {
  return email.size() <= max_human_handle_part_bytes &&
         label.size() <= max_human_handle_part_bytes && is_plain_address(email) &&
         is_plain_display_name(label);
}

std::optional<Profile> parse_profile(std::string_view text) {
  for (const auto profile : {Profile::admin, Profile::standard, Profile::outsider}) {
    if (text == name(profile)) return profile;
  }
  return std::nullopt;
}

std::string_view name(Profile profile) {
  switch (profile) {
    case Profile::admin:
      return "ADMIN";
    case Profile::standard:
      return "STANDARD";
    case Profile::outsider:
      return "OUTSIDER";
  }
  return "?";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const auto role : {Role::owner, Role::manager, Role::contributor, Role::reader}) {
    if (text == name(role)) return role;
  }
  return std::nullopt;
}

std::string_view name(Role role) {
  switch (role) {
    case Role::owner:
      return "OWNER";
    case Role::manager:
      return "MANAGER";
    case Role::contributor:
      return "CONTRIBUTOR";
    case Role::reader:
      return "READER";
  }
  return "?";
}

}  // namespace parsec::protocol
