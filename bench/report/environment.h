// Where a measurement was made: the machine, the kernel, PostgreSQL and the server. What cannot be
// found out is left empty: a report is not worth less than no report for it.
//
// Blocking; any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "bench/result.h"
#include "protocol/types/address.h"

namespace parsec::bench {

/// The machine, from its files below `root` (empty: this one's); and this program.
Environment describe_machine(const std::string& root = {});

/// The settings that decide on speed and durability, and `server_version`. Empty: no answer.
std::map<std::string, std::string> postgresql_settings(const std::string& database_url);

/// What the server calls itself in an HTTP response. Empty: no answer.
std::string server_version(const protocol::BackendAddress& address);

/// As one would type it, with secrets (tokens, passwords in URLs) as `***`.
std::string without_secrets(std::span<const std::string> arguments);

}  // namespace parsec::bench
