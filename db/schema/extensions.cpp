#include "db/schema/extensions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "db/driver/connection.h"
#include "db/driver/transaction.h"
#include "db/schema/embedded_sql.h"

namespace parsec::db {
namespace {

constexpr const char* record_table_sql =
    "CREATE SCHEMA IF NOT EXISTS parsec_ext;"
    // Servers may run under a role that may not change the schema.
    "GRANT USAGE ON SCHEMA parsec_ext TO PUBLIC;"
    "CREATE TABLE IF NOT EXISTS parsec_ext.installation ("
    " only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),"
    " fingerprint text NOT NULL,"
    " installed timestamptz NOT NULL);"
    "GRANT SELECT ON parsec_ext.installation TO PUBLIC";

// All of them, because CREATE OR REPLACE cannot change a result type, and a function whose
// parameters changed would stay beside its successor and make calls ambiguous.
constexpr const char* drop_functions_sql =
    "DO $$ DECLARE f regprocedure; BEGIN"
    " FOR f IN SELECT oid::regprocedure FROM pg_proc"
    "  WHERE pronamespace = 'parsec_ext'::regnamespace LOOP"
    "  EXECUTE 'DROP ROUTINE IF EXISTS ' || f || ' CASCADE';"
    " END LOOP; END $$";

constexpr const char* record_sql =
    "INSERT INTO parsec_ext.installation (fingerprint, installed) VALUES ($1, now())"
    " ON CONFLICT (only_row) DO UPDATE"
    " SET fingerprint = excluded.fingerprint, installed = excluded.installed";

constexpr const char* drop_indexes_sql =
    "DO $$ DECLARE i regclass; BEGIN"
    " FOR i IN SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON oid = indexrelid"
    "  WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'parsec\\_ext\\_%' LOOP"
    "  EXECUTE 'DROP INDEX ' || i;"
    " END LOOP; END $$";

// A server may run under a role that only reads and writes. Its functions run with its own rights,
// so whoever may write the tables of the contract gets the same on our helper tables. Of those that
// this role owns: the others are not its to give.
constexpr const char* share_tables_sql =
    "DO $$ DECLARE helper regclass; writer text; BEGIN"
    " FOR helper IN SELECT c.oid FROM pg_class AS c"
    "  WHERE c.relnamespace = 'parsec_ext'::regnamespace AND c.relkind = 'r'"
    "  AND c.relname <> 'installation' AND pg_has_role(c.relowner, 'USAGE') LOOP"
    "  FOR writer IN SELECT DISTINCT"
    "   CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END"
    "   FROM pg_class AS c,"
    "    aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS acl"
    "   WHERE c.oid = 'public.vlob_atom'::regclass AND acl.privilege_type = 'INSERT' LOOP"
    "   EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s', helper, writer);"
    "  END LOOP;"
    " END LOOP; END $$";

/// FNV-1a, 64 bits: tells versions apart, protects from nothing.
std::uint64_t hash(std::string_view text, std::uint64_t value) {
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return value;
}

std::string explain(const Connection& connection, std::string_view what, const SqlError& error) {
  if (const std::string rights = needed_rights(connection, error); !rights.empty()) {
    return fmt::format(
        "The database role `{}` may not install the functions and indexes of this server ({}). "
        "Run `parsec backend migrate` with the role that owns the tables. {}",
        connection.user(), error.message, rights);
  }
  return fmt::format("Cannot install {}: {}", what, error.message);
}

bool is_installed(Connection& connection) {
  // The table is looked up first, as a missing one would be an error; in the catalog and not by
  // to_regclass(), which may answer from before this transaction waited for the lock.
  const auto found = connection.execute(
      "SELECT FROM pg_tables WHERE schemaname = 'parsec_ext' AND tablename = 'installation'");
  if (!found || row_count(*found) == 0) return false;
  const auto record = connection.execute("SELECT fingerprint FROM parsec_ext.installation");
  return record && row_count(*record) == 1 && field(*record, 0, 0) == extensions_fingerprint();
}

std::expected<void, std::string> install_functions(Connection& connection) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(explain(connection, "functions", transaction.error()));
  if (is_installed(connection)) return {};  // by another process, while this one waited
  for (const char* sql : {record_table_sql, drop_functions_sql}) {
    if (const auto done = connection.execute(sql); !done) {
      return std::unexpected(explain(connection, "functions", done.error()));
    }
  }
  for (const SqlFile& file : function_sql) {
    if (const auto done = connection.execute(std::string{file.text}); !done) {
      return std::unexpected(
          explain(connection, fmt::format("functions `{}`", file.name), done.error()));
    }
  }
  if (const auto done = connection.execute(share_tables_sql); !done) {
    return std::unexpected(explain(connection, "functions", done.error()));
  }
  if (const auto done = connection.execute(record_sql, {extensions_fingerprint()}); !done) {
    return std::unexpected(explain(connection, "functions", done.error()));
  }
  if (const auto done = transaction->commit(); !done) {
    return std::unexpected(explain(connection, "functions", done.error()));
  }
  return {};
}

/// A statement ends with the line that ends with a semicolon.
std::vector<std::string> statements(std::string_view text) {
  std::vector<std::string> result;
  std::string statement;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("--")) continue;
    statement.append(line).append("\n");
    if (line.ends_with(';')) result.push_back(std::exchange(statement, {}));
  }
  if (!statement.empty()) result.push_back(std::move(statement));
  return result;
}

/// Each index in a transaction of its own: no two tables are locked at once, so that other servers
/// at work on the database cannot get into a deadlock with it, and wait for one table only.
std::expected<void, std::string> install_indexes(Connection& connection) {
  for (const SqlFile& file : index_sql) {
    for (const std::string& statement : statements(file.text)) {
      auto transaction = SchemaTransaction::begin(connection);
      if (!transaction) return std::unexpected(explain(connection, "indexes", transaction.error()));
      if (const auto done = connection.execute(statement); !done) {
        return std::unexpected(explain(connection, "indexes", done.error()));
      }
      if (const auto done = transaction->commit(); !done) {
        return std::unexpected(explain(connection, "indexes", done.error()));
      }
    }
  }
  return {};
}

}  // namespace

std::string extensions_fingerprint() {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const auto& files : {function_sql, index_sql}) {
    for (const SqlFile& file : files) {
      value = hash(file.name, value);
      value = hash(file.text, value);
    }
  }
  return fmt::format("{:016x}", value);
}

std::expected<bool, std::string> install_extensions(Connection& connection) {
  if (is_installed(connection)) return false;
  // The functions come last, in one transaction with the record: so the record always speaks of the
  // functions that are there, and the indexes were there before it.
  if (auto done = install_indexes(connection); !done) return std::unexpected(done.error());
  if (auto done = install_functions(connection); !done) return std::unexpected(done.error());
  return true;
}

std::expected<void, std::string> share_extensions(Connection& connection) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(explain(connection, "rights", transaction.error()));
  if (const auto done = connection.execute(share_tables_sql); !done) {
    return std::unexpected(explain(connection, "rights", done.error()));
  }
  if (const auto done = transaction->commit(); !done) {
    return std::unexpected(explain(connection, "rights", done.error()));
  }
  return {};
}

std::expected<void, std::string> remove_extensions(Connection& connection) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(transaction.error().message);
  for (const char* sql : {drop_indexes_sql, "DROP SCHEMA IF EXISTS parsec_ext CASCADE"}) {
    if (const auto done = connection.execute(sql); !done) {
      return std::unexpected("Cannot remove functions and indexes: " + done.error().message);
    }
  }
  if (const auto done = transaction->commit(); !done) {
    return std::unexpected(done.error().message);
  }
  return {};
}

}  // namespace parsec::db
