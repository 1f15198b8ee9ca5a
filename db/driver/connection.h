// One connection to PostgreSQL, set up the way all of ours are, and blocking calls on it.
//
// connect() and execute() block, so they are for start-up, migrations and the connector's thread;
// workers and the listener take a connection that is ready and drive libpq themselves
// (native()). Not shared between threads at any one time.
#pragma once

#include <expected>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "db/driver/settings.h"

struct pg_conn;    // libpq's PGconn
struct pg_result;  // libpq's PGresult

namespace parsec::db {

struct ResultDeleter {
  void operator()(pg_result* result) const;
};
using ResultPtr = std::unique_ptr<pg_result, ResultDeleter>;

struct SqlError {
  std::string sqlstate;  // empty: the connection failed, not a statement
  std::string message;   // one line
};

/// A schema that has another name in each version of a program: SQL says `written`, PostgreSQL gets
/// `actual`. Both empty: SQL is sent as it is.
struct SchemaAlias {
  std::string written;
  std::string actual;

  std::string resolved(std::string_view sql) const;
};

/// All a connection needs to be made again: copied to whoever connects.
struct ConnectionOptions {
  std::string conninfo;  // a URL or keywords and values
  std::string application_name;
  SessionLimits limits;
  SchemaAlias alias = {};
};

class Connection {
 public:
  /// Blocks at most connect_timeout for each host and address, and a moment. Names no secret in its
  /// error.
  static std::expected<Connection, SqlError> open(const ConnectionOptions& options);

  pg_conn* native() const { return connection_.get(); }
  int fd() const;
  int server_version() const;  // 150004 is 15.4
  std::string user() const;
  std::string database() const;
  /// For what goes to native(); execute() does it by itself.
  std::string resolved(std::string_view sql) const { return alias_.resolved(sql); }

  /// One or more statements, without parameters; the last one's result, as text.
  std::expected<ResultPtr, SqlError> execute(const std::string& sql);
  /// One statement with text parameters; the result as text.
  std::expected<ResultPtr, SqlError> execute(const std::string& sql,
                                             std::initializer_list<std::string_view> parameters);

 private:
  struct Deleter {
    void operator()(pg_conn* connection) const;
  };
  Connection(pg_conn* connection, SchemaAlias alias)
      : connection_(connection), alias_(std::move(alias)) {}
  std::expected<ResultPtr, SqlError> check(pg_result* result);

  std::unique_ptr<pg_conn, Deleter> connection_;
  SchemaAlias alias_;
};

/// The first line of a libpq message, without what only repeats itself.
std::string one_line(std::string_view message);

/// Row and column of a text result.
std::string_view field(const ResultPtr& result, int row, int column);
int row_count(const ResultPtr& result);

}  // namespace parsec::db
