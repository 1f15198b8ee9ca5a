// What the sessions of one shard count, for metrics: connections, requests, messages, events. The
// shard's thread writes, anybody reads, nobody locks. Whatever could name a client has no place
// here: everything is counted by members of closed sets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/handler.h"
#include "engine/metrics/counter.h"
#include "protocol/events/events.h"
#include "protocol/session/command_table.h"

namespace parsec::protocol {

/// What a connection is for, at the moment.
enum class ConnectionUse : std::uint8_t {
  http,
  handshake,
  authenticated,
  invited,
  anonymous,
  administration,
};
inline constexpr std::size_t connection_uses = 6;
std::string_view name(ConnectionUse use);
ConnectionUse use_of(ConnectionKind kind);

/// Why a connection ended.
enum class EndReason : std::uint8_t {
  client,  // it said goodbye, or was gone
  protocol_error,
  refused,  // its handshake
  timeout,
  revoked,
  expired,
  invitation_deleted,
  overflow,  // of memory, unread output, waiting events, or strangers
  database,
  shutdown,
  error,
};
inline constexpr std::size_t end_reasons = 11;
std::string_view name(EndReason reason);
/// Of an end that no session has a reason for.
EndReason reason_of(engine::CloseReason reason);

/// Of requests, and of what the table of commands holds: a status of the contract, else `other`.
inline constexpr auto counted_statuses = std::to_array<std::string_view>({
    "ok",
    "already_bootstrapped",
    "already_deleted",
    "already_exists",
    "already_granted",
    "already_revoked",
    "bad_encryption_revision",
    "bad_message",
    "bad_timestamp",
    "bad_user_id",
    "bad_version",
    "busy",
    "denied",
    "in_maintenance",
    "incompatible_profile",
    "invalid_certification",
    "invalid_data",
    "invalid_msg_format",
    "invalid_state",
    "maintenance_error",
    "no_events",
    "not_allowed",
    "not_available",
    "not_found",
    "not_in_maintenance",
    "participants_mismatch",
    "timeout",
    "unknown_command",
    "other",
});
std::size_t index_of_status(std::string_view status);
inline constexpr std::size_t status_ok = 0;

inline constexpr auto counted_results = std::to_array<std::string_view>({
    "ok",
    "bad_admin_token",
    "bad_identity",
    "bad_protocol",
    "organization_expired",
    "revoked_device",
    "rvk_mismatch",
    "other",
});
inline constexpr auto counted_versions = std::to_array<std::string_view>({"1", "2", "other"});

inline constexpr auto counted_routes = std::to_array<std::string_view>(
    {"front", "static", "redirect", "health", "ready", "websocket", "other"});
enum class Route : std::uint8_t { front, static_file, redirect, health, ready, websocket, other };
inline constexpr auto counted_codes =
    std::to_array<int>({101, 200, 301, 302, 400, 404, 405, 426, 431, 501, 503, 0});  // 0: other

/// Of one command on one kind of connection.
struct CommandCounts {
  bool is_timed = false;  // else it waits for somebody else, and its time says nothing
  std::array<engine::Counter, counted_statuses.size()> statuses;
  engine::DurationHistogram duration;
  engine::DurationHistogram database_wait;
};

class Counts {
 public:
  Counts();

  // --- The shard's thread

  void become(ConnectionUse use) {
    there[static_cast<std::size_t>(use)].add();
    opened[static_cast<std::size_t>(use)].add();
  }
  void leave(ConnectionUse use) { there[static_cast<std::size_t>(use)].subtract(); }
  void end(ConnectionUse use, EndReason reason) {
    closed[static_cast<std::size_t>(use)][static_cast<std::size_t>(reason)].add();
  }
  /// spec: of commands_of(kind); null: unknown.
  CommandCounts& of(ConnectionKind kind, const CommandSpec* spec) {
    if (spec == nullptr) return unknown_;
    const auto of_kind = static_cast<std::size_t>(kind);
    return commands_[of_kind][static_cast<std::size_t>(spec - first_specs_[of_kind])];
  }
  void handshake(std::int64_t api_major, std::string_view result);
  void http(Route route, int code);

  std::array<engine::Counter, connection_uses> there;
  std::array<engine::Counter, connection_uses> opened;
  std::array<std::array<engine::Counter, end_reasons>, connection_uses> closed;
  std::array<std::array<engine::Counter, counted_results.size()>, counted_versions.size()>
      handshakes;
  std::array<std::array<engine::Counter, counted_codes.size()>, counted_routes.size()>
      http_requests;
  engine::Counter received_messages;  // of WebSockets
  engine::Counter sent_messages;
  std::array<engine::Counter, event_signals> delivered_events;
  engine::Counter event_overflows;
  engine::Counter subscriptions;  // that are there

  // --- Any thread

  /// Each command of each kind, and `other` for those that are none. A name may come several times.
  void for_each_command(
      const std::function<void(std::string_view, const CommandCounts&)>& visit) const;

 private:
  std::array<std::vector<CommandCounts>, connection_kinds> commands_;
  std::array<const CommandSpec*, connection_kinds> first_specs_{};
  CommandCounts unknown_;
};

/// Whether the time of that command says something about the server.
bool is_timed(const CommandSpec& spec);

}  // namespace parsec::protocol
