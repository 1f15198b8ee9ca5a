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

// Servers may run under a role that may not change the schema.
constexpr const char* record_table_sql =
    "CREATE SCHEMA IF NOT EXISTS parsec_ext;"
    "GRANT USAGE ON SCHEMA parsec_ext TO PUBLIC;"
    "CREATE TABLE IF NOT EXISTS parsec_ext.functions ("
    " schema text PRIMARY KEY,"
    " installed timestamptz NOT NULL DEFAULT now(),"
    " used timestamptz NOT NULL DEFAULT now());"
    "GRANT SELECT ON parsec_ext.functions TO PUBLIC";

// What is there without a record was not installed whole, or somebody removed the record.
constexpr const char* create_schema_sql =
    "DROP SCHEMA IF EXISTS {0} CASCADE;"
    "CREATE SCHEMA {0};"
    "COMMENT ON SCHEMA {0} IS 'stored functions of one version of the Parsec server';"
    "GRANT USAGE ON SCHEMA {0} TO PUBLIC";

constexpr const char* record_sql =
    "INSERT INTO parsec_ext.functions (schema) VALUES ($1)"
    " ON CONFLICT (schema) DO UPDATE SET installed = now(), used = now()";

// Functions in parsec_ext are those of a version that knew one set of them only.
constexpr const char* unused_sql =
    "SELECT n.nspname FROM pg_namespace AS n"
    " WHERE n.nspname LIKE 'parsec\\_functions\\_%' AND n.nspname <> $1 AND NOT EXISTS ("
    "  SELECT FROM parsec_ext.functions AS f"
    "  WHERE f.schema = n.nspname AND f.used > now() - interval '1 day')"
    " UNION ALL SELECT 'parsec_ext' WHERE EXISTS ("
    "  SELECT FROM pg_proc WHERE pronamespace = 'parsec_ext'::regnamespace)"
    " AND NOT EXISTS ("
    "  SELECT FROM pg_stat_activity WHERE datname = current_database()"
    "  AND application_name = 'parsec' AND pid <> pg_backend_pid())"
    " ORDER BY 1";

constexpr const char* drop_unversioned_sql =
    "DO $$ DECLARE f regprocedure; BEGIN"
    " FOR f IN SELECT oid::regprocedure FROM pg_proc"
    "  WHERE pronamespace = 'parsec_ext'::regnamespace LOOP"
    "  EXECUTE 'DROP ROUTINE IF EXISTS ' || f || ' CASCADE';"
    " END LOOP; END $$;"
    "DROP TABLE IF EXISTS parsec_ext.installation";

constexpr const char* drop_schemas_sql =
    "DO $$ DECLARE s regnamespace; BEGIN"
    " FOR s IN SELECT oid::regnamespace FROM pg_namespace"
    "  WHERE nspname = 'parsec_ext' OR nspname LIKE 'parsec\\_functions\\_%' LOOP"
    "  EXECUTE 'DROP SCHEMA ' || s || ' CASCADE';"
    " END LOOP; END $$";

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
    "  AND pg_has_role(c.relowner, 'USAGE') LOOP"
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

/// The catalog and not to_regclass(), which may answer from before this transaction waited for the
/// lock.
bool is_installed(Connection& connection) {
  const auto found = connection.execute(
      "SELECT FROM pg_tables WHERE schemaname = 'parsec_ext' AND tablename = 'functions'");
  if (!found || row_count(*found) == 0) return false;
  const auto record = connection.execute(
      "SELECT FROM parsec_ext.functions AS f JOIN pg_namespace AS n ON n.nspname = f.schema"
      " WHERE f.schema = $1",
      {functions_schema()});
  return record && row_count(*record) == 1;
}

std::expected<void, std::string> install_functions(Connection& connection) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(explain(connection, "functions", transaction.error()));
  if (is_installed(connection)) return {};  // by another process, while this one waited
  for (const std::string& sql :
       {std::string{record_table_sql}, fmt::format(create_schema_sql, functions_schema())}) {
    if (const auto done = connection.execute(sql); !done) {
      return std::unexpected(explain(connection, "functions", done.error()));
    }
  }
  const SchemaAlias alias = functions_alias();
  for (const SqlFile& file : function_sql) {
    if (const auto done = connection.execute(alias.resolved(file.text)); !done) {
      return std::unexpected(
          explain(connection, fmt::format("functions `{}`", file.name), done.error()));
    }
  }
  if (const auto done = connection.execute(share_tables_sql); !done) {
    return std::unexpected(explain(connection, "functions", done.error()));
  }
  if (const auto done = connection.execute(record_sql, {functions_schema()}); !done) {
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

const std::string& functions_schema() {
  static const std::string name = [] {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const auto& files : {function_sql, index_sql}) {
      for (const SqlFile& file : files) {
        value = hash(file.name, value);
        value = hash(file.text, value);
      }
    }
    return fmt::format("parsec_functions_{:016x}", value);
  }();
  return name;
}

SchemaAlias functions_alias() {
  return {.written = "parsec_functions.", .actual = functions_schema() + "."};
}

std::expected<bool, std::string> install_extensions(Connection& connection) {
  if (is_installed(connection)) return false;
  // The functions come last, in one transaction with the record: so the record always speaks of the
  // functions that are there, and the indexes were there before it.
  if (auto done = install_indexes(connection); !done) return std::unexpected(done.error());
  if (auto done = install_functions(connection); !done) return std::unexpected(done.error());
  return true;
}

std::expected<void, SqlError> note_functions_used(Connection& connection) {
  const auto done = connection.execute(
      "UPDATE parsec_ext.functions SET used = now() WHERE schema = $1", {functions_schema()});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::vector<std::string>, std::string> unused_functions(Connection& connection) {
  const auto found = connection.execute(unused_sql, {functions_schema()});
  if (!found) {
    return std::unexpected("Cannot look for functions of other versions: " + found.error().message);
  }
  std::vector<std::string> schemas;
  for (int row = 0; row < row_count(*found); ++row) {
    schemas.emplace_back(field(*found, row, 0));
  }
  return schemas;
}

std::expected<void, std::string> remove_functions(Connection& connection,
                                                  const std::vector<std::string>& schemas) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(transaction.error().message);
  for (const std::string& schema : schemas) {
    const bool is_versioned = schema != "parsec_ext";
    const auto dropped = connection.execute(
        is_versioned ? fmt::format("DROP SCHEMA IF EXISTS {0} CASCADE;"
                                   "DELETE FROM parsec_ext.functions WHERE schema = '{0}'",
                                   schema)
                     : drop_unversioned_sql);
    if (!dropped) {
      return std::unexpected(
          fmt::format("Cannot remove the functions of {}: {}", schema, dropped.error().message));
    }
  }
  if (const auto done = transaction->commit(); !done) {
    return std::unexpected(done.error().message);
  }
  return {};
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
  for (const char* sql : {drop_indexes_sql, drop_schemas_sql}) {
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
