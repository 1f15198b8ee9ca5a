// What we add to the database of an existing deployment. Other servers on the database do not see
// it.
//
//   parsec_ext                 helper tables, which all versions of this program share
//   public.parsec_ext_…        indexes on the tables of the contract
//   parsec_functions_<hash>    the stored functions, one schema for each version of them
//
// So servers of different versions serve one database side by side: each has its own functions, and
// what they share only grows (a column that is not needed any more goes a release later). SQL and
// C++ write `parsec_functions.`; a Connection makes the name of that out of it (functions_alias()).
//
// Installed by `migrate` and at every start; a database that is up to date costs one query. Each
// server notes once an hour that it uses its functions, and `migrate` removes those that nobody
// used for a day.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "db/driver/connection.h"

namespace parsec::db {

/// The schema with the functions of this program: a hash of all that it would install.
const std::string& functions_schema();

/// For ConnectionOptions.
SchemaAlias functions_alias();

/// Installs what is missing. True if anything had to be done. The error is a sentence.
std::expected<bool, std::string> install_extensions(Connection& connection);

/// Notes that a server uses its functions.
std::expected<void, SqlError> note_functions_used(Connection& connection);

/// Schemas with functions of other versions that no server has used for a day; and `parsec_ext`, if
/// functions of a version before these schemas are in it and no server is connected.
std::expected<std::vector<std::string>, std::string> unused_functions(Connection& connection);
std::expected<void, std::string> remove_functions(Connection& connection,
                                                  const std::vector<std::string>& schemas);

/// Gives the roles that may write the tables of the contract what they need of ours: for those that
/// got their rights after the installation.
std::expected<void, std::string> share_extensions(Connection& connection);

/// Leaves the database as if we had never been there, apart from what was stored.
std::expected<void, std::string> remove_extensions(Connection& connection);

}  // namespace parsec::db
