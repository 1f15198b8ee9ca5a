// One line of the log, for people or for programs. What is logged cannot break out of its line, nor
// out of its member: control characters are escaped, and what is no UTF-8 is replaced.
//
// Pure functions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "app/command_line/configuration.h"

namespace parsec::app {

struct LogEntry {
  std::chrono::system_clock::time_point time;
  std::string_view level;    // "info"
  std::string_view payload;  // engine/host/log_record.h
};

/// What people read of it.
std::string_view sentence_of(std::string_view payload);

/// Appends `2026-01-31T12:00:00.123456Z [info    ] sentence\n`; or an object on one line with
/// timestamp, level, event and a member for each field (names as of structlog, which 2.0 used).
/// From warnings on, which people want to read as well, the sentence is its `message`.
void append_log_line(std::string& out, LogConfiguration::Format format, const LogEntry& entry);

}  // namespace parsec::app
