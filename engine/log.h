// One log for the whole process: a thin front over spdlog's default logger.
//
// Any thread. Never pass a token, a key, a password or a URL with a password. The format is
// checked at compile time; arguments are not evaluated into text when the level is off.
#pragma once

#include <spdlog/spdlog.h>

namespace parsec::log {

using spdlog::critical;
using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

inline bool debug_enabled() { return spdlog::should_log(spdlog::level::debug); }
inline bool info_enabled() { return spdlog::should_log(spdlog::level::info); }

}  // namespace parsec::log
