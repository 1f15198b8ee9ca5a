// `parsec core create_organization`, `stats_organization` and `status_organization`: asks a
// running server and prints its answer.
#pragma once

#include "app/command_line/command_line.h"

namespace parsec::app {

/// The exit code. What was asked for goes to stdout, why it failed to stderr.
int run_organization_command(const OrganizationCommand& command);

}  // namespace parsec::app
