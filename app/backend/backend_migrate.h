// `parsec backend migrate`: brings a database's schema up to date.
#pragma once

#include "app/command_line/command_line.h"

namespace parsec::app {

/// The exit code. One line for each migration on stdout, why it failed on stderr.
int migrate_backend(const MigrateCommand& command);

}  // namespace parsec::app
