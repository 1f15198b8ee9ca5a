// One line of the log, for people or for machines. A message cannot break out of its line:
// control characters are escaped, and what is no UTF-8 is replaced.
//
// Pure functions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "app/configuration.h"

namespace parsec::app {

struct LogEntry {
  std::chrono::system_clock::time_point time;
  std::string_view level;  // "info"
  std::string_view message;
};

/// Appends `2026-01-31T12:00:00.123456Z [info    ] message\n`, or the same as a JSON object.
void append_log_line(std::string& out, LogConfiguration::Format format, const LogEntry& entry);

}  // namespace parsec::app
