// Which connection is offered which command. Declared here, where sessions look commands up;
// defined beside the commands (protocol/commands/table.cpp), which know sessions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/session/command.h"
#include "protocol/types/fields.h"

namespace parsec::protocol {

class Session;

/// What kind of commands a connection is offered (protocol/2-handshake.md §2.2).
enum class ConnectionKind : std::uint8_t {
  authenticated,     // API v2
  authenticated_v1,  // API v1
  invited,
  anonymous,
  administration,
};
inline constexpr std::size_t connection_kinds = 5;
std::string_view name(ConnectionKind kind);

/// A coroutine: validates its fields, asks the database, replies exactly once.
using CommandFunction = Command (*)(Session& session, Fields fields);

struct CommandSpec {
  std::string_view name;
  CommandFunction run;
  bool long_poll = false;  // the next request cancels it (protocol/1-transport.md §1.2)
};

/// Null: not offered to that kind of connection (or unknown).
const CommandSpec* find_command(ConnectionKind kind, std::string_view name);

/// All commands of a kind, by name: for tests and documentation.
std::span<const CommandSpec> commands_of(ConnectionKind kind);

}  // namespace parsec::protocol
