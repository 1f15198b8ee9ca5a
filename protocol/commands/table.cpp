// Which connection is offered which command.
#include <algorithm>
#include <array>

#include "protocol/commands/commands.h"

namespace parsec::protocol {

namespace {

using namespace commands;

// What both versions of the API are offered.
constexpr std::array common_commands = std::to_array<CommandSpec>({
    {"ping", ping},
    {"events_subscribe", events_subscribe},
    {"events_listen", events_listen, true},
    {"message_get", message_get},
    {"user_get", user_get},
    {"human_find", human_find},
    {"user_create", user_create},
    {"user_revoke", user_revoke},
    {"device_create", device_create},
    {"realm_create", realm_create},
    {"realm_status", realm_status},
    {"realm_stats", realm_stats},
    {"realm_get_role_certificates", realm_get_role_certificates},
    {"realm_update_roles", realm_update_roles},
    {"realm_start_reencryption_maintenance", realm_start_reencryption_maintenance},
    {"realm_finish_reencryption_maintenance", realm_finish_reencryption_maintenance},
    {"vlob_create", vlob_create},
    {"vlob_read", vlob_read},
    {"vlob_update", vlob_update},
    {"vlob_poll_changes", vlob_poll_changes},
    {"vlob_list_versions", vlob_list_versions},
    {"vlob_maintenance_get_reencryption_batch", vlob_maintenance_get_reencryption_batch},
    {"vlob_maintenance_save_reencryption_batch", vlob_maintenance_save_reencryption_batch},
    {"block_create", block_create},
    {"block_read", block_read},
});

// Invitations of API v2: the greeter's side.
constexpr std::array greeter_commands = std::to_array<CommandSpec>({
    {"invite_new", invite_new},
    {"invite_delete", invite_delete},
    {"invite_list", invite_list},
    {"invite_1_greeter_wait_peer", invite_1_greeter_wait_peer},
    {"invite_2a_greeter_get_hashed_nonce", invite_2a_greeter_get_hashed_nonce},
    {"invite_2b_greeter_send_nonce", invite_2b_greeter_send_nonce},
    {"invite_3a_greeter_wait_peer_trust", invite_3a_greeter_wait_peer_trust},
    {"invite_3b_greeter_signify_trust", invite_3b_greeter_signify_trust},
    {"invite_4_greeter_communicate", invite_4_greeter_communicate},
});

constexpr auto authenticated_commands = [] {
  std::array<CommandSpec, common_commands.size() + greeter_commands.size()> all{};
  const auto end = std::copy(common_commands.begin(), common_commands.end(), all.begin());
  std::copy(greeter_commands.begin(), greeter_commands.end(), end);
  return all;
}();

// Where API v1 has a form of its own, or a command that API v2 dropped (protocol/7-apiv1.md §7.3).
constexpr std::array v1_forms = std::to_array<CommandSpec>({
    {"user_create", user_create_v1},
    {"device_create", device_create_v1},
    {"user_find", user_find},
    {"user_invite", user_invite, true},
    {"user_cancel_invitation", user_cancel_invitation},
    {"device_invite", device_invite, true},
    {"device_cancel_invitation", device_cancel_invitation},
});

constexpr std::array invited_commands = std::to_array<CommandSpec>({
    {"ping", quiet_ping},
    {"invite_info", invite_info},
    {"invite_1_claimer_wait_peer", invite_1_claimer_wait_peer},
    {"invite_2a_claimer_send_hashed_nonce", invite_2a_claimer_send_hashed_nonce},
    {"invite_2b_claimer_send_nonce", invite_2b_claimer_send_nonce},
    {"invite_3a_claimer_signify_trust", invite_3a_claimer_signify_trust},
    {"invite_3b_claimer_wait_peer_trust", invite_3b_claimer_wait_peer_trust},
    {"invite_4_claimer_communicate", invite_4_claimer_communicate},
});

constexpr std::array anonymous_commands = std::to_array<CommandSpec>({
    {"ping", quiet_ping},
    {"organization_bootstrap", organization_bootstrap},
    {"user_get_invitation_creator", user_get_invitation_creator},
    {"user_claim", user_claim, true},
    {"device_get_invitation_creator", device_get_invitation_creator},
    {"device_claim", device_claim, true},
});

constexpr std::array administration_commands = std::to_array<CommandSpec>({
    {"ping", quiet_ping},
    {"organization_create", organization_create},
    {"organization_status", organization_status},
    {"organization_stats", organization_stats},
    {"organization_update", organization_update},
});

/// The common commands with the forms of API v1 in their place.
constexpr auto authenticated_v1_commands = [] {
  constexpr std::size_t of_v1_alone = 5;
  std::array<CommandSpec, common_commands.size() + of_v1_alone> all{};
  auto end = std::copy(common_commands.begin(), common_commands.end(), all.begin());
  for (const auto& form : v1_forms) {
    const auto same = std::find_if(all.begin(), end,
                                   [&](const CommandSpec& spec) { return spec.name == form.name; });
    if (same == end) ++end;
    *same = form;
  }
  return all;
}();

}  // namespace

std::span<const CommandSpec> commands_of(ConnectionKind kind) {
  switch (kind) {
    case ConnectionKind::authenticated:
      return authenticated_commands;
    case ConnectionKind::authenticated_v1:
      return authenticated_v1_commands;
    case ConnectionKind::invited:
      return invited_commands;
    case ConnectionKind::anonymous:
      return anonymous_commands;
    case ConnectionKind::administration:
      return administration_commands;
  }
  return {};
}

const CommandSpec* find_command(ConnectionKind kind, std::string_view name) {
  // At most forty short names: a scan compares lengths first and is done in nanoseconds.
  const auto specs = commands_of(kind);
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const CommandSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

}  // namespace parsec::protocol
