// The program `parsec`.
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "app/backend/backend_migrate.h"
#include "app/backend/backend_run.h"
#include "app/command_line/command_line.h"
#include "app/command_line/hidden_arguments.h"
#include "app/command_line/options.h"
#include "app/core/core_organization.h"

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

const char* advice_on(const std::error_code& code) {
  if (code == std::errc::too_many_files_open || code == std::errc::too_many_files_open_in_system) {
    return ": too few files may be open (ulimit -n, LimitNOFILE of the service, fs.file-max)";
  }
  if (code == std::errc::resource_unavailable_try_again) {
    return ": too few threads may run (ulimit -u, TasksMax of the service, kernel.threads-max)";
  }
  return "";
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error of the call, not the end of us
  const std::vector<std::string> arguments(values + 1, values + count);
  parsec::app::hide_secrets({values + 1, values + count});
  const auto command =
      parsec::app::parse_command_line(arguments, parsec::app::process_environment());
  if (!command) {
    const parsec::app::Ending& ending = command.error();
    std::fputs(ending.text.c_str(), ending.exit_code == 0 ? stdout : stderr);
    return ending.exit_code;
  }
  try {
    return std::visit(Run{}, *command);
  } catch (const std::system_error& error) {
    // What the system refuses while a program starts: threads, files, memory.
    std::fprintf(stderr, "Error: %s%s\n", error.what(), advice_on(error.code()));
    return 1;
  }
}
