// What the role of a server must be allowed, asked before it serves: a right that is missing for
// one table would fail one command in a hundred, for ever.
#pragma once

#include <expected>
#include <string>

#include "db/driver/connection.h"

namespace parsec::db {

/// The error is a sentence with the statements that give what this connection's role lacks. Of
/// block_data, which only one kind of block store needs, a warning in the log. Our functions are
/// installed.
std::expected<void, std::string> check_rights(Connection& connection);

}  // namespace parsec::db
