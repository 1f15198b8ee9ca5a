// What we add to the database of an existing deployment: functions and helper tables in a schema of
// our own, indexes in `public` with a prefix of our own. Other servers on the database do not see
// them.
//
// Installed by `migrate` and at every start. A fingerprint of the SQL is recorded in the schema, so
// that a database that is up to date costs one query. Of two servers of different versions on one
// database the one that started last has its functions installed.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace parsec::db {

class Connection;

/// Of the SQL that this program would install.
std::string extensions_fingerprint();

/// Installs what is missing or different. True if anything had to be done. The error is a
/// sentence.
std::expected<bool, std::string> install_extensions(Connection& connection);

/// Gives the roles that may write the tables of the contract what they need of ours: for those that
/// got their rights after the installation.
std::expected<void, std::string> share_extensions(Connection& connection);

/// Leaves the database as if we had never been there, apart from what was stored.
std::expected<void, std::string> remove_extensions(Connection& connection);

}  // namespace parsec::db
