// As whom the process runs. Started as root it can become somebody with fewer rights, for good.
//
// On the main thread, before any other is started: rights belong to threads.
#pragma once

#include <expected>
#include <string>

namespace parsec::app {

bool is_root();

/// Whether the process may become that user. The error is a text for the operator.
std::expected<void, std::string> check_user(const std::string& name);

/// Becomes that user, with its groups and its home, and makes sure that there is no way back.
std::expected<void, std::string> become_user(const std::string& name);

}  // namespace parsec::app
