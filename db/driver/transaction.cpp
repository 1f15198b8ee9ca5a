#include "db/driver/transaction.h"

#include <fmt/format.h>

#include <string_view>

namespace parsec::db {
namespace {

// The number is "parsec" in ASCII. Scripts may take long on a big database, and waiting for another
// process that does the same is right; waiting for a lock that others hold on a table is not.
constexpr const char* begin_sql =
    "BEGIN;"
    "SET LOCAL statement_timeout TO 0;"
    "SET LOCAL lock_timeout TO 0;"
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout';"
    "SELECT pg_advisory_xact_lock(123563834303843);"
    "SET LOCAL lock_timeout TO '30s'";

/// An identifier as SQL quotes it.
std::string quoted(std::string_view name) {
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += c;
    result += c;
  }
  return result + '"';
}

}  // namespace

std::expected<SchemaTransaction, SqlError> SchemaTransaction::begin(Connection& connection) {
  SchemaTransaction transaction{connection};
  if (auto begun = connection.execute(begin_sql); !begun) return std::unexpected(begun.error());
  return transaction;
}

SchemaTransaction::~SchemaTransaction() {
  if (connection_ != nullptr) static_cast<void>(connection_->execute("ROLLBACK"));
}

std::expected<void, SqlError> SchemaTransaction::commit() {
  if (auto done = connection_->execute("COMMIT"); !done) return std::unexpected(done.error());
  connection_ = nullptr;
  return {};
}

std::string needed_rights(const Connection& connection, const SqlError& error) {
  constexpr std::string_view insufficient_privilege = "42501";
  if (error.sqlstate != insufficient_privilege) return {};
  const std::string role = quoted(connection.user());
  return fmt::format(
      "The role must own the tables, and needs: GRANT CREATE ON DATABASE {} TO {}; GRANT CREATE ON "
      "SCHEMA public TO {};",
      quoted(connection.database()), role, role);
}

}  // namespace parsec::db
