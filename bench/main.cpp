// parsec-bench: the load generator. See README.md.
#include <sodium.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "bench/command_line.h"
#include "bench/measure_commands.h"
#include "bench/report_commands.h"

int main(int argc, char** argv) {
  using namespace parsec::bench;
  if (sodium_init() < 0) return fail("libsodium does not work on this machine");
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments{argv + 1, argv + argc};
  const auto command = parse_command_line(arguments);
  if (!command) {
    std::fputs(command.error().text.c_str(), command.error().exit_code == 0 ? stdout : stderr);
    return command.error().exit_code;
  }
  return std::visit(
      [&arguments](const auto& each) {
        if (const auto writable = check_files(each.output); !writable) {
          return fail(writable.error());
        }
        if constexpr (requires { each.setup; }) {
          return execute(each, arguments);
        } else {
          return execute(each);
        }
      },
      *command);
}
