#include "app/command_line/hidden_arguments.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace parsec::app {
namespace {

/// How many characters there were is not to be seen, but for their space.
void overwrite(char* text) {
  const std::size_t size = std::strlen(text);
  std::memset(text, ' ', size);
  std::memset(text, '*', std::min<std::size_t>(size, 3));
}

bool is_secret(std::string_view name) {
  const auto in = [&](std::span<const OptionGroup> groups) {
    return std::ranges::any_of(groups, [&](const OptionGroup& group) {
      return std::ranges::any_of(group.options, [&](const Option& option) {
        return option.secret && (name == option.name || name == option.letter);
      });
    });
  };
  return in(backend_run_options()) || in(backend_migrate_options()) ||
         in(core_create_organization_options());
}

}  // namespace

void hide_secrets(std::span<char*> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument{arguments[i]};
    constexpr std::size_t letter_size = 2;
    const auto equals = argument.find('=');
    if (argument.starts_with("--") && equals != argument.npos) {
      if (is_secret(argument.substr(0, equals))) overwrite(arguments[i] + equals + 1);
    } else if (is_secret(argument)) {
      if (++i < arguments.size()) overwrite(arguments[i]);
    } else if (!argument.starts_with("--") && is_secret(argument.substr(0, letter_size))) {
      overwrite(arguments[i] + letter_size);
    }
  }
}

}  // namespace parsec::app
