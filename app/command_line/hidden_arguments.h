// Secrets on the command line, which everybody on the machine can read (`ps`, /proc).
#pragma once

#include <span>

#include "app/command_line/options.h"

namespace parsec::app {

/// Overwrites the values of secret options where the kernel shows them. `arguments`: argv without
/// the program's name, of which a copy was made before.
void hide_secrets(std::span<char*> arguments);

}  // namespace parsec::app
