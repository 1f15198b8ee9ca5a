// The proxies that libcurl takes from the environment, for the webhook and object storage.
#pragma once

#include <optional>
#include <string>

#include "app/command_line/options.h"

namespace parsec::app {

/// What is wrong with one of them, as a sentence without anything of its value.
std::optional<std::string> complaint_about_proxies(const Environment& environment);

}  // namespace parsec::app
