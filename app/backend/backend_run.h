// `parsec backend run`: puts the parts together, serves until a signal says stop, and takes them
// apart in the opposite order.
#pragma once

#include "app/command_line/configuration.h"

namespace parsec::app {

/// The exit code. Call from the main thread, while it is the only one.
int run_backend(const Configuration& configuration);

}  // namespace parsec::app
