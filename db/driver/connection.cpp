#include "db/driver/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "engine/host/log.h"

namespace parsec::db {
namespace {

/// Parameters of a connection that the URL, a service file or the environment may override.
class Defaults {
 public:
  explicit Defaults(const std::string& conninfo) {
    PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), nullptr);
    for (auto* option = options; option != nullptr && option->keyword != nullptr; ++option) {
      const bool names_service = std::string_view{option->keyword} == "service";
      if (names_service && option->val != nullptr) has_service_ = true;
    }
    PQconninfoFree(options);
    if (std::getenv("PGSERVICE") != nullptr) has_service_ = true;
  }

  /// A keyword given to libpq beats service file and environment, so it is left out if one of
  /// them may set it.
  void add(const char* keyword, std::string value, const char* variable = nullptr) {
    if (has_service_ || (variable != nullptr && std::getenv(variable) != nullptr)) return;
    keywords.push_back(keyword);
    values.push_back(std::move(value));
  }

  std::vector<const char*> keywords;
  std::vector<std::string> values;

 private:
  bool has_service_ = false;
};

/// What every session of ours relies on, whatever the role's or the database's settings say. SET
/// instead of the option `options`, which poolers refuse and URLs use themselves.
std::string session_setup(const SessionLimits& limits) {
  return fmt::format(
      "SET timezone TO 'UTC';"
      "SET datestyle TO 'ISO';"
      "SET default_transaction_isolation TO 'read committed';"
      "SET search_path TO public, parsec_ext, pg_temp;"
      // Functions hold literals like '\\xcc', read anew by each session.
      "SET standard_conforming_strings TO on;"
      "SET statement_timeout TO {};"
      "SET lock_timeout TO {};"
      "SET idle_in_transaction_session_timeout TO {};"
      // PostgreSQL's side, too, notices a peer that vanished without a FIN, and gives up its locks:
      // after 10 s with data under way, after 19 s without. Ignored on unix sockets.
      "SET tcp_keepalives_idle TO 10;"
      "SET tcp_keepalives_interval TO 3;"
      "SET tcp_keepalives_count TO 3;"
      "SET tcp_user_timeout TO 10000;"
      // Compiling a statement takes longer than running any of ours.
      "SET jit TO off;"
      // Plans live as long as the session, and the first ones are made while tables are small or
      // were never analysed: then a sequential scan looks cheap, and stays when it no longer is.
      // Every function has its index (db/schema/sql/indexes.sql), and its plan does not depend on
      // values.
      "SET enable_seqscan TO off;"
      "SET plan_cache_mode TO force_generic_plan;"
      // PostgreSQL 14 and later: a connection may be idle. 17 and later: a transaction ends.
      "SELECT set_config(name, CASE name WHEN 'transaction_timeout' THEN '{}' ELSE '0' END, false)"
      " FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
      limits.statement_timeout.count(), limits.lock_timeout.count(),
      limits.idle_in_transaction_timeout.count(), limits.transaction_timeout.count());
}

/// Warnings come with every connection or statement, so each text is logged once in a while, and
/// not more than a few of them.
class NoticeGate {
 public:
  bool admits(const std::string& text) {
    const std::lock_guard lock{mutex_};
    const auto now = std::chrono::steady_clock::now();
    if (now - begin_ > window) {
      begin_ = now;
      texts_.clear();
    }
    if (texts_.size() >= most || std::ranges::find(texts_, text) != texts_.end()) return false;
    texts_.push_back(text);
    return true;
  }

 private:
  static constexpr std::chrono::seconds window{30};
  static constexpr std::size_t most = 10;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<std::string> texts_;
};

/// The primary message only: detail and context may quote rows and statements.
void on_notice(void*, const PGresult* notice) {
  const auto part = [&](int code) {
    const char* text = PQresultErrorField(notice, code);
    return std::string_view{text != nullptr ? text : ""};
  };
  const std::string text = one_line(part(PG_DIAG_MESSAGE_PRIMARY));
  if (part(PG_DIAG_SEVERITY_NONLOCALIZED) != "WARNING") {
    return log::debug("PostgreSQL notice", "PostgreSQL: {}", log::field("notice", text));
  }
  static NoticeGate gate;
  if (gate.admits(text)) {
    log::warn("PostgreSQL warning", "PostgreSQL: {}", log::field("warning", text));
  }
}

/// Whether it is known in a moment if the first attempt at each host leads somewhere. libpq's calls
/// that do not block know no connect_timeout, and cannot be told to go on to the next host.
bool is_decided_soon(PGconn* connection) {
  using namespace std::chrono;
  const auto deadline = steady_clock::now() + milliseconds{500};
  auto next = PGRES_POLLING_WRITING;  // what to begin with, says its documentation
  while (PQstatus(connection) != CONNECTION_BAD && next != PGRES_POLLING_OK) {
    const auto rest = ceil<milliseconds>(deadline - steady_clock::now());
    if (rest <= 0ms) return false;
    const short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    pollfd ready{PQsocket(connection), events, 0};
    if (::poll(&ready, 1, static_cast<int>(rest.count())) > 0) next = PQconnectPoll(connection);
  }
  return true;
}

/// As PQconnectdbParams(), but notices that come with the login find `receiver`: it must be set
/// when connecting has begun and nothing was received yet. Where that takes long, PQreset() begins
/// anew, in the way that blocks and heeds connect_timeout.
PGconn* connect(const char* const* keywords, const char* const* values, PQnoticeReceiver receiver) {
  PGconn* connection = PQconnectStartParams(keywords, values, 1);
  if (connection == nullptr) return nullptr;
  PQsetNoticeReceiver(connection, receiver, nullptr);
  if (!is_decided_soon(connection)) PQreset(connection);
  return connection;
}

}  // namespace

void ResultDeleter::operator()(pg_result* result) const { PQclear(result); }

void Connection::Deleter::operator()(pg_conn* connection) const { PQfinish(connection); }

std::string SchemaAlias::resolved(std::string_view sql) const {
  std::string result;
  while (!written.empty()) {
    const std::size_t place = sql.find(written);
    if (place == sql.npos) break;
    result.append(sql.substr(0, place)).append(actual);
    sql.remove_prefix(place + written.size());
  }
  return result.append(sql);
}

std::string one_line(std::string_view message) {
  std::string result;
  for (const char c : message) {
    if (c != '\n') {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::string_view field(const ResultPtr& result, int row, int column) {
  return {PQgetvalue(result.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result.get(), row, column))};
}

int row_count(const ResultPtr& result) { return PQntuples(result.get()); }

std::expected<Connection, SqlError> Connection::open(const ConnectionOptions& options) {
  using namespace std::chrono;
  Defaults defaults{options.conninfo};
  const auto timeout = ceil<seconds>(options.limits.connect_timeout);
  defaults.add("connect_timeout", fmt::to_string(timeout.count()), "PGCONNECT_TIMEOUT");
  defaults.add("application_name", options.application_name, "PGAPPNAME");
  // After a failover: the server of the list that takes writes.
  defaults.add("target_session_attrs", "read-write", "PGTARGETSESSIONATTRS");
  // A peer that vanished is noticed after 10 s with data under way, after 19 s without.
  defaults.add("tcp_user_timeout", "10000");
  defaults.add("keepalives_idle", "10");
  defaults.add("keepalives_interval", "3");
  defaults.add("keepalives_count", "3");

  // Later keywords win: what the conninfo says beats our defaults, and not what we cannot do
  // without.
  std::vector<const char*> keywords = defaults.keywords;
  std::vector<const char*> values;
  for (const std::string& value : defaults.values) values.push_back(value.c_str());
  keywords.insert(keywords.end(), {"dbname", "client_encoding", nullptr});
  values.insert(values.end(), {options.conninfo.c_str(), "UTF8", nullptr});

  Connection connection{connect(keywords.data(), values.data(), on_notice), options.alias};
  if (connection.native() == nullptr) return std::unexpected(SqlError{"", "out of memory"});
  if (PQstatus(connection.native()) != CONNECTION_OK) {
    return std::unexpected(SqlError{"", one_line(PQerrorMessage(connection.native()))});
  }
  if (auto done = connection.execute(session_setup(options.limits)); !done) {
    return std::unexpected(done.error());
  }
  return connection;
}

int Connection::fd() const { return PQsocket(native()); }

int Connection::server_version() const { return PQserverVersion(native()); }

std::string Connection::user() const {
  const char* user = PQuser(native());
  return user != nullptr ? user : "";
}

std::string Connection::database() const {
  const char* database = PQdb(native());
  return database != nullptr ? database : "";
}

std::expected<ResultPtr, SqlError> Connection::execute(const std::string& sql) {
  return check(PQexec(native(), resolved(sql).c_str()));
}

std::expected<ResultPtr, SqlError> Connection::execute(
    const std::string& sql, std::initializer_list<std::string_view> parameters) {
  std::vector<std::string> terminated(parameters.begin(), parameters.end());
  std::vector<const char*> values;
  for (const std::string& parameter : terminated) values.push_back(parameter.c_str());
  return check(PQexecParams(native(), resolved(sql).c_str(), static_cast<int>(values.size()),
                            nullptr, values.data(), nullptr, nullptr, 0));
}

std::expected<ResultPtr, SqlError> Connection::check(pg_result* raw) {
  ResultPtr result{raw};
  switch (PQresultStatus(raw)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
      return result;
    default:
      break;
  }
  const char* sqlstate = PQresultErrorField(raw, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY);
  return std::unexpected(
      SqlError{sqlstate != nullptr ? sqlstate : "",
               one_line(message != nullptr ? message : PQerrorMessage(native()))});
}

}  // namespace parsec::db
