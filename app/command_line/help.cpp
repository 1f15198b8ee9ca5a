#include "app/command_line/help.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace parsec::app {
namespace {

constexpr std::size_t width = 80;  // columns of a terminal

using Row = std::pair<std::string, std::string>;  // what to write, and what it does

/// Words of `text` in lines that start at column `indent`; the first one stands there already.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string result;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > width) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      result += ' ';
      ++column;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string table(std::string_view title, const std::vector<Row>& rows) {
  constexpr std::size_t widest_left = 30;
  std::size_t left = 0;
  for (const Row& row : rows) {
    if (row.first.size() <= widest_left) left = std::max(left, row.first.size());
  }
  const std::size_t indent = 2 + left + 2;
  std::string result = "\n" + std::string{title} + ":\n";
  for (const auto& [what, meaning] : rows) {
    result += "  " + what;
    const bool fits = what.size() <= left;
    result += fits ? std::string(indent - 2 - what.size(), ' ') : "\n" + std::string(indent, ' ');
    result += wrapped(meaning, indent) + "\n";
  }
  return result;
}

Row row_of(const Option& option) {
  std::string what = option.letter.empty() ? "" : std::string{option.letter} + ", ";
  what += option.name;
  if (!option.is_switch()) what += " " + std::string{option.metavar};

  std::string notes;
  const auto note = [&](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    notes += notes.empty() ? " [" : "; ";
    notes += key;
    notes += value;
  };
  note("env: ", option.variable);
  note("default: ", option.fallback);
  if (option.required) note("", "required");
  if (option.repeatable) note("", "repeatable");
  if (!notes.empty()) notes += "]";
  return {what, std::string{option.help} + notes};
}

std::vector<Row> subcommand_rows(const CommandDescription& command,
                                 std::span<const CommandDescription> commands) {
  std::vector<Row> rows;
  for (const CommandDescription& other : commands) {
    if (is_subcommand(other, command)) rows.emplace_back(other.name(), other.summary);
  }
  return rows;
}

}  // namespace

bool is_subcommand(const CommandDescription& inner, const CommandDescription& outer) {
  const std::size_t space = inner.path.rfind(' ');
  return space != std::string_view::npos && inner.path.substr(0, space) == outer.path;
}

std::string usage_line(const CommandDescription& command,
                       std::span<const CommandDescription> commands) {
  std::string line = "Usage: " + std::string{command.path} + " [OPTIONS]";
  if (!subcommand_rows(command, commands).empty()) line += " COMMAND [ARGS]...";
  if (!command.argument.empty()) line += " " + std::string{command.argument};
  return line;
}

std::string help_text(const CommandDescription& command,
                      std::span<const CommandDescription> commands) {
  std::string text = usage_line(command, commands) + "\n\n  " + wrapped(command.summary, 2) + "\n";
  for (const OptionGroup& group : command.options) {
    std::vector<Row> rows;
    for (const Option& option : group.options) rows.push_back(row_of(option));
    text += table(group.title, rows);
  }
  std::vector<Row> general;
  if (command.path == "parsec") general.emplace_back("--version", "Show the version and exit.");
  general.emplace_back("--help", "Show this message and exit.");
  text += table(command.options.empty() ? "Options" : "Other", general);
  const std::vector<Row> subcommands = subcommand_rows(command, commands);
  if (!subcommands.empty()) text += table("Commands", subcommands);
  return text;
}

}  // namespace parsec::app
