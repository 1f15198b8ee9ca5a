// A transaction for schema work: whoever migrates or installs holds one lock at a time, and every
// process takes the same one.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "db/driver/connection.h"

namespace parsec::db {

/// Rolls back unless commit() succeeded.
class SchemaTransaction {
 public:
  /// Begins, and waits until no other process does schema work on this database.
  static std::expected<SchemaTransaction, SqlError> begin(Connection& connection);

  SchemaTransaction(SchemaTransaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  SchemaTransaction& operator=(SchemaTransaction&&) = delete;
  ~SchemaTransaction();

  std::expected<void, SqlError> commit();

 private:
  explicit SchemaTransaction(Connection& connection) : connection_(&connection) {}

  Connection* connection_;
};

/// What the role of this connection needs for schema work, as a sentence, if the error says that it
/// lacks a right; else empty.
std::string needed_rights(const Connection& connection, const SqlError& error);

}  // namespace parsec::db
