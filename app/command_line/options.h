// The options of every command: one table from which the parser, the help texts and the lookup of
// environment variables are made, and the values that an administrator gave.
//
// A value is taken from the command line, else from the option's environment variable, else from
// what --dev stands for, else from its default. All values stay texts here; configuration.h gives
// them their types, so that every complaint can name the option or the variable it came from.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parsec::app {

struct Option {
  std::string_view name = {};      // "--db"
  std::string_view letter = {};    // "-b", or empty
  std::string_view variable = {};  // "PARSEC_DB", or empty
  std::string_view metavar = {};   // "URL"; empty: a switch
  std::string_view fallback = {};  // the default, as an administrator would write it; or empty
  std::string_view help = {};
  bool required = false;
  bool repeatable = false;
  bool secret = false;  // holds one, or may

  bool is_switch() const { return metavar.empty(); }
};

/// A part of the help text.
struct OptionGroup {
  std::string_view title;
  std::span<const Option> options;
};

std::span<const OptionGroup> backend_run_options();
std::span<const OptionGroup> backend_migrate_options();
std::span<const OptionGroup> core_options();                      // of all core commands
std::span<const OptionGroup> core_create_organization_options();  // with --expiration-date

const Option* find_option(std::span<const OptionGroup> groups, std::string_view name);

/// nullopt: not set. An empty variable counts as not set.
using Environment = std::function<std::optional<std::string>(std::string_view variable)>;
Environment process_environment();

/// What was given, and where.
class OptionValues {
 public:
  struct Given {
    std::vector<std::string> texts;  // of a repeatable option one or more, else one
    std::string source;              // "--db", or "PARSEC_DB"
  };

  void give(std::string_view name, Given given) { given_[std::string{name}] = std::move(given); }
  void give_if_absent(std::string_view name, std::string text, std::string_view source);
  /// Reads the variables of options that the command line left out.
  void add_environment(std::span<const OptionGroup> groups, const Environment& environment);

  /// Null: not given.
  const Given* find(std::string_view name) const;

 private:
  std::map<std::string, Given, std::less<>> given_;
};

}  // namespace parsec::app
