// From argv and the environment to what is to be done, checked completely. The only file that
// knows CLI11, which finds the words; what they may say stands in options.h and configuration.h.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "app/command_line/configuration.h"
#include "app/command_line/options.h"
#include "db/driver/target.h"
#include "engine/types.h"
#include "protocol/types/address.h"

namespace parsec::app {

struct RunCommand {
  Configuration configuration;
};

struct MigrateCommand {
  db::Target database;
  bool dry_run = false;
};

struct OrganizationCommand {
  enum class Kind : std::uint8_t { create, stats, status };

  Kind kind{};
  std::string organization_id;
  protocol::BackendAddress address;
  std::string administration_token;
  std::optional<DateTime> expiration_date;  // of create
};

using CommandLine = std::variant<RunCommand, MigrateCommand, OrganizationCommand>;

/// Nothing to run: print and leave. Help goes to stdout (0), a complaint to stderr (2).
struct Ending {
  int exit_code = 0;
  std::string text;
};

/// arguments: without the program's name.
std::expected<CommandLine, Ending> parse_command_line(std::span<const std::string> arguments,
                                                      const Environment& environment);

}  // namespace parsec::app
