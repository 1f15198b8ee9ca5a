// Identifiers, profiles and roles (protocol/3-types.md §3.1, §3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parsec::protocol {

bool is_organization_id(std::string_view text);
bool is_user_id(std::string_view text);
bool is_device_name(std::string_view text);
bool is_device_id(std::string_view text);

/// The part of a valid device ID before, or after, its `@`.
std::string_view user_of(std::string_view device_id);
std::string_view device_name_of(std::string_view device_id);

struct HumanHandle {
  std::string email;
  std::string label;
  std::string text() const { return label + " <" + email + ">"; }
};
bool is_human_handle(std::string_view email, std::string_view label);

enum class Profile : std::uint8_t { admin, standard, outsider };
std::optional<Profile> parse_profile(std::string_view text);
std::string_view name(Profile profile);

enum class Role : std::uint8_t { owner, manager, contributor, reader };
std::optional<Role> parse_role(std::string_view text);
std::string_view name(Role role);

}  // namespace parsec::protocol
