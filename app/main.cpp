// The program `parsec`.
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "app/backend_migrate.h"
#include "app/backend_run.h"
#include "app/command_line.h"
#include "app/core_organization.h"
#include "app/options.h"

namespace {

struct Run {
  int operator()(const parsec::app::RunCommand& command) const {
    return parsec::app::run_backend(command.configuration);
  }
  int operator()(const parsec::app::MigrateCommand& command) const {
    return parsec::app::migrate_backend(command);
  }
  int operator()(const parsec::app::OrganizationCommand& command) const {
    return parsec::app::run_organization_command(command);
  }
};

}  // namespace

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error of the call, not the end of us
  const std::vector<std::string> arguments(values + 1, values + count);
  const auto command =
      parsec::app::parse_command_line(arguments, parsec::app::process_environment());
  if (!command) {
    const parsec::app::Ending& ending = command.error();
    std::fputs(ending.text.c_str(), ending.exit_code == 0 ? stdout : stderr);
    return ending.exit_code;
  }
  return std::visit(Run{}, *command);
}
