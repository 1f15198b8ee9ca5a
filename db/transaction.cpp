#include "db/transaction.h"

namespace parsec::db {
namespace {

// The number is "parsec" in ASCII. Scripts may take long on a big database, and waiting for another
// process that does the same is right; waiting for a lock that others hold on a table is not.
constexpr const char* begin_sql =
    "BEGIN;"
    "SET LOCAL statement_timeout TO 0;"
    "SET LOCAL lock_timeout TO 0;"
    "SELECT pg_advisory_xact_lock(123563834303843);"
    "SET LOCAL lock_timeout TO '30s'";

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

}  // namespace parsec::db
