#include "protocol/session/counts.h"

#include <algorithm>

namespace parsec::protocol {

std::string_view name(ConnectionUse use) {
  constexpr std::array<std::string_view, connection_uses> names{
      "http", "handshake", "authenticated", "invited", "anonymous", "administration"};
  return names[static_cast<std::size_t>(use)];
}

ConnectionUse use_of(ConnectionKind kind) {
  switch (kind) {
    case ConnectionKind::authenticated:
    case ConnectionKind::authenticated_v1:
      return ConnectionUse::authenticated;
    case ConnectionKind::invited:
      return ConnectionUse::invited;
    case ConnectionKind::anonymous:
      return ConnectionUse::anonymous;
    case ConnectionKind::administration:
      return ConnectionUse::administration;
  }
  return ConnectionUse::handshake;
}

std::string_view name(EndReason reason) {
  constexpr std::array<std::string_view, end_reasons> names{
      "client",  "protocol_error",     "refused",  "timeout",  "revoked",
      "expired", "invitation_deleted", "overflow", "database", "shutdown",
      "error"};
  return names[static_cast<std::size_t>(reason)];
}

EndReason reason_of(engine::CloseReason reason) {
  switch (reason) {
    case engine::CloseReason::output_limit:
      return EndReason::overflow;
    case engine::CloseReason::shutdown:
      return EndReason::shutdown;
    case engine::CloseReason::internal_error:
      return EndReason::error;
    default:
      return EndReason::client;
  }
}

std::size_t index_of_status(std::string_view status) {
  const auto found = std::ranges::find(counted_statuses, status);
  return std::min(static_cast<std::size_t>(found - counted_statuses.begin()),
                  counted_statuses.size() - 1);
}

Counts::Counts() {
  for (std::size_t kind = 0; kind < commands_.size(); ++kind) {
    const auto specs = commands_of(static_cast<ConnectionKind>(kind));
    commands_[kind] = std::vector<CommandCounts>(specs.size());
    first_specs_[kind] = specs.data();
    for (std::size_t i = 0; i < specs.size(); ++i) {
      commands_[kind][i].is_timed = is_timed(specs[i]);
    }
  }
}

void Counts::handshake(std::int64_t api_major, std::string_view result) {
  const std::size_t version = api_major == 1 || api_major == 2
                                  ? static_cast<std::size_t>(api_major - 1)
                                  : counted_versions.size() - 1;
  const auto found = std::ranges::find(counted_results, result);
  const auto index = static_cast<std::size_t>(found - counted_results.begin());
  handshakes[version][std::min(index, counted_results.size() - 1)].add();
}

void Counts::http(Route route, int code) {
  const auto found = std::ranges::find(counted_codes, code);
  const auto index = static_cast<std::size_t>(found - counted_codes.begin());
  http_requests[static_cast<std::size_t>(route)][std::min(index, counted_codes.size() - 1)].add();
}

void Counts::for_each_command(
    const std::function<void(std::string_view, const CommandCounts&)>& visit) const {
  for (std::size_t kind = 0; kind < commands_.size(); ++kind) {
    const auto specs = commands_of(static_cast<ConnectionKind>(kind));
    for (std::size_t i = 0; i < specs.size(); ++i) visit(specs[i].name, commands_[kind][i]);
  }
  visit("other", unknown_);
}

bool is_timed(const CommandSpec& spec) {
  // The steps of an invitation, `invite_1_…` to `invite_4_…`, wait for the peer.
  constexpr std::string_view conduit = "invite_";
  const bool is_conduit = spec.name.starts_with(conduit) && spec.name.size() > conduit.size() &&
                          spec.name[conduit.size()] >= '1' && spec.name[conduit.size()] <= '9';
  return !spec.long_poll && !is_conduit;
}

}  // namespace parsec::protocol
