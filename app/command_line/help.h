// Help texts, in the form that users of the existing command line know:
// `Usage: parsec backend [OPTIONS] COMMAND [ARGS]...`
//
// Pure functions over the table of commands; golden files of tests/app show the results.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "app/command_line/options.h"

namespace parsec::app {

/// One command or group of commands, as command_line.cpp lists them.
struct CommandDescription {
  std::string_view path;      // "parsec backend run"
  std::string_view summary;   // one line, for the list of the group
  std::string_view argument;  // "NAME", or empty
  std::span<const OptionGroup> options;

  std::string_view name() const { return path.substr(path.rfind(' ') + 1); }
};

/// `Usage: …`, without a line end. commands: all there are; those below this one make it a group.
std::string usage_line(const CommandDescription& command,
                       std::span<const CommandDescription> commands);
std::string help_text(const CommandDescription& command,
                      std::span<const CommandDescription> commands);

/// True if `inner` stands directly below `outer`.
bool is_subcommand(const CommandDescription& inner, const CommandDescription& outer);

}  // namespace parsec::app
