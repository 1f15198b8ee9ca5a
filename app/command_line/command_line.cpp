#include "app/command_line/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "app/command_line/help.h"
#include "app/command_line/option_reader.h"
#include "app/command_line/value_parsing.h"
#include "app/command_line/version.h"
#include "protocol/types/identifiers.h"

namespace parsec::app {
namespace {

constexpr int usage_exit_code = 2;

using Result = std::expected<CommandLine, UsageError>;
/// argument: the command's, or empty.
using Reader = Result (*)(const OptionValues& values, const std::string& argument);

Result read_run(const OptionValues& values, const std::string&) {
  auto configuration = Configuration::from(values);
  if (!configuration) return std::unexpected{configuration.error()};
  return RunCommand{std::move(*configuration)};
}

Result read_migrate(const OptionValues& values, const std::string&) {
  auto database = database_from(values);
  if (!database) return std::unexpected{database.error()};
  return MigrateCommand{std::move(*database), values.find("--dry-run") != nullptr};
}

Result read_organization(OrganizationCommand::Kind kind, const OptionValues& values,
                         const std::string& name) {
  OptionReader read{values, core_create_organization_options()};
  OrganizationCommand command{.kind = kind,
                              .organization_id = name,
                              .address = {},
                              .administration_token = read.non_empty_text("--administration-token"),
                              .expiration_date = std::nullopt};
  auto address = protocol::BackendAddress::parse(read.text("--addr"));
  if (address) {
    command.address = std::move(*address);
  } else {
    read.complain("--addr", address.error());
  }
  if (read.given("--expiration-date")) {
    command.expiration_date = parse_datetime(read.text("--expiration-date"));
    if (!command.expiration_date) {
      read.complain("--expiration-date",
                    "must be a date such as 2030-12-31 or 2030-12-31T23:59:59Z");
    }
  }
  if (read.error()) return std::unexpected{*read.error()};
  if (!protocol::is_organization_id(name)) {
    return std::unexpected{UsageError{"Invalid value for 'NAME': not an organization ID."}};
  }
  return command;
}

template <OrganizationCommand::Kind kind>
Result read_organization(const OptionValues& values, const std::string& name) {
  return read_organization(kind, values, name);
}

using Kind = OrganizationCommand::Kind;

struct Entry {
  CommandDescription description;
  Reader read;  // null: a group
};

/// Groups before what is in them.
const std::array<Entry, 8>& entries() {
  static const std::array<Entry, 8> all{{
      {{"parsec", "The Parsec metadata server and its administration.", "", {}}, nullptr},
      {{"parsec backend", "The server.", "", {}}, nullptr},
      {{"parsec backend run", "Run the server in the foreground.", "", backend_run_options()},
       read_run},
      {{"parsec backend migrate", "Bring the database schema up to date.", "",
        backend_migrate_options()},
       read_migrate},
      {{"parsec core", "Administer the organizations of a running server.", "", {}}, nullptr},
      {{"parsec core create_organization",
        "Create an organization, and print the link with which its first user bootstraps it.",
        "NAME", core_create_organization_options()},
       read_organization<Kind::create>},
      {{"parsec core stats_organization", "Print how much an organization holds.", "NAME",
        core_options()},
       read_organization<Kind::stats>},
      {{"parsec core status_organization",
        "Print whether an organization is bootstrapped and when it expires.", "NAME",
        core_options()},
       read_organization<Kind::status>},
  }};
  return all;
}

std::vector<CommandDescription> descriptions() {
  std::vector<CommandDescription> all;
  for (const Entry& entry : entries()) all.push_back(entry.description);
  return all;
}

/// CLI11's view of one entry.
struct Node {
  const Entry* entry = nullptr;
  CLI::App* parser = nullptr;
  std::string argument;
  std::vector<std::pair<const Option*, CLI::Option*>> options;
};

void add_options(Node& node) {
  for (const OptionGroup& group : node.entry->description.options) {
    for (const Option& option : group.options) {
      std::string names{option.letter};
      if (!names.empty()) names += ',';
      names += option.name;
      CLI::Option* added = nullptr;
      if (option.is_switch()) {
        added = node.parser->add_flag(names);
      } else {
        added = node.parser->add_option(names)->type_size(1)->expected(1)->allow_extra_args(false);
        // Of an option that is not repeatable the last one counts: see values_of.
        added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      }
      node.options.emplace_back(&option, added);
    }
  }
}

class Parser {
 public:
  Parser() {
    nodes_.reserve(entries().size());  // parsers keep addresses of nodes
    for (const Entry& entry : entries()) add(entry);
  }

  /// The deepest command that was named.
  Node& chosen() {
    Node* result = &nodes_.front();
    for (Node& node : nodes_) {
      if (node.parser->parsed()) result = &node;
    }
    return *result;
  }

  void parse(std::span<const std::string> arguments) {
    root_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  }

 private:
  void add(const Entry& entry) {
    Node& node = nodes_.emplace_back();
    node.entry = &entry;
    node.parser = &root_;
    for (Node& outer : nodes_) {
      if (is_subcommand(entry.description, outer.entry->description)) {
        node.parser = outer.parser->add_subcommand(std::string{entry.description.name()});
      }
    }
    node.parser->set_help_flag("--help");
    if (node.parser == &root_) node.parser->set_version_flag("--version", "version");
    if (entry.read == nullptr) node.parser->require_subcommand(1);
    if (!entry.description.argument.empty()) {
      node.parser->add_option(std::string{entry.description.argument}, node.argument)->required();
    }
    add_options(node);
  }

  CLI::App root_{"", "parsec"};
  std::vector<Node> nodes_;
};

OptionValues values_of(const Node& node, const Environment& environment) {
  OptionValues values;
  for (const auto& [option, parsed] : node.options) {
    if (parsed->count() == 0) continue;
    std::vector<std::string> texts = parsed->results();
    if (!option->repeatable) texts.erase(texts.begin(), texts.end() - 1);
    values.give(option->name, {std::move(texts), std::string{option->name}});
  }
  values.add_environment(node.entry->description.options, environment);
  return values;
}

/// Of what belongs to no option: its name. The rest may be a secret, or the end of one that has
/// spaces and no quotes.
std::string stray(std::string_view argument) {
  if (argument.starts_with("--")) {
    return "No such option or argument '" + std::string{argument.substr(0, argument.find('='))} +
           "'.";
  }
  if (argument.starts_with('-')) {
    return "No such option or argument '" + std::string{argument.substr(0, 2)} + "'.";
  }
  return "An argument belongs to no option (it is not shown). A value with spaces needs quotes.";
}

Ending complaint(const Node& node, std::string_view message) {
  const CommandDescription& command = node.entry->description;
  return {usage_exit_code, usage_line(command, descriptions()) + "\nTry '" +
                               std::string{command.path} +
                               " --help' for help.\n\nError: " + std::string{message} + "\n"};
}

/// What CLI11 found, in our words, because its own differ from release to release.
Ending ending_of(const CLI::ParseError& error, const Node& node) {
  const std::vector<std::string> rest = node.parser->remaining();
  if (node.entry->read == nullptr) {
    if (rest.empty()) return {usage_exit_code, help_text(node.entry->description, descriptions())};
    return complaint(node, "No such command '" + rest.front() + "'.");
  }
  const std::string text = error.what();
  if (error.get_name() == "ArgumentMismatch") {
    return complaint(node, "Option '" + text.substr(0, text.find(':')) + "' requires a value.");
  }
  if (error.get_name() == "RequiredError") {
    return complaint(node,
                     "Missing argument '" + std::string{node.entry->description.argument} + "'.");
  }
  if (!rest.empty()) return complaint(node, stray(rest.front()));
  return complaint(node, text);
}

}  // namespace

std::expected<CommandLine, Ending> parse_command_line(std::span<const std::string> arguments,
                                                      const Environment& environment) {
  Parser parser;
  const auto help = [&] { return help_text(parser.chosen().entry->description, descriptions()); };
  try {
    parser.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    return std::unexpected{Ending{0, help()}};
  } catch (const CLI::CallForVersion&) {
    return std::unexpected{Ending{0, "parsec, version " + std::string{version} + "\n"}};
  } catch (const CLI::ParseError& error) {
    return std::unexpected{ending_of(error, parser.chosen())};
  }
  const Node& node = parser.chosen();
  Result result = node.entry->read(values_of(node, environment), node.argument);
  if (!result) return std::unexpected{complaint(node, result.error().message)};
  return std::move(*result);
}

}  // namespace parsec::app
