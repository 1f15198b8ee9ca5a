// The commands of parsec-bench that read what was measured before, and what all of them write.
// Main thread; execute() returns the exit code.
#pragma once

#include <expected>
#include <string>

#include "bench/command_line.h"
#include "bench/result.h"

namespace parsec::bench {

int execute(const LawCommand& command);
int execute(const ReportCommand& command);
int execute(const CompareCommand& command);
int execute(const PlanCommand& command);

/// Says it on standard error. The exit code.
int fail(const std::string& why);
/// That they can be written, before anything is measured. The error is a sentence for the user.
std::expected<void, std::string> check_files(const Output& output);
/// Into the files that were asked for. The exit code.
int write_files(const Output& output, const Result& result);

}  // namespace parsec::bench
