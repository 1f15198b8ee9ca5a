#include "bench/load/database_usage.h"

#include <libpq-fe.h>

#include <cstdlib>
#include <utility>

#include "bench/load/process_usage.h"

namespace parsec::bench {

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

class Watch final : public DatabaseWatch {
 public:
  explicit Watch(Connection connection) : connection_(std::move(connection)) {
    const auto found = ask("SELECT count(*) FROM pg_extension WHERE extname='pg_stat_statements'");
    has_statements_ = found && number(*found, 0) > 0;
  }

  std::optional<DatabaseCounters> counters() override {
    const auto row =
        ask("SELECT d.xact_commit, w.wal_bytes::bigint, pg_database_size(current_database()), "
            "COALESCE((to_jsonb(w)->>'wal_sync')::bigint, 0) "
            "FROM pg_stat_database AS d, pg_stat_wal AS w WHERE d.datname = current_database()");
    if (!row) return std::nullopt;
    DatabaseCounters counters{.commits = number(*row, 0),
                              .wal_bytes = number(*row, 1),
                              .wal_syncs = number(*row, 3),
                              .size = number(*row, 2)};
    if (has_statements_) {
      const auto calls =
          ask("SELECT COALESCE(sum(calls), 0)::bigint FROM pg_stat_statements "
              "WHERE toplevel AND query LIKE '%parsec_functions\\_%'");
      if (calls) counters.statements = number(*calls, 0);
    }
    return counters;
  }

  std::vector<pid_t> processes() override {
    const auto parent = parent_of(PQbackendPID(connection_.get()));
    if (!parent || *parent <= 1) return {};
    std::vector<pid_t> all = descendants_of(*parent);
    all.push_back(*parent);
    return all;
  }

 private:
  std::optional<Result> ask(const char* query) {
    Result result{PQexec(connection_.get(), query), &PQclear};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1) {
      return std::nullopt;
    }
    return result;
  }
  static std::uint64_t number(const Result& result, int column) {
    return std::strtoull(PQgetvalue(result.get(), 0, column), nullptr, 10);
  }

  Connection connection_;
  bool has_statements_ = false;
};

}  // namespace

DatabaseUsage operator-(const DatabaseCounters& after, const DatabaseCounters& before) {
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; };
  return {.commits = less(after.commits, before.commits),
          .wal_bytes = less(after.wal_bytes, before.wal_bytes),
          .wal_syncs = less(after.wal_syncs, before.wal_syncs),
          .statements = less(after.statements, before.statements),
          .size_growth_bytes = less(after.size, before.size)};
}

std::expected<std::unique_ptr<DatabaseWatch>, std::string> DatabaseWatch::open(
    const std::string& url) {
  Connection connection{PQconnectdb(url.c_str()), &PQfinish};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return std::unexpected("PostgreSQL cannot be watched: " +
                           std::string{PQerrorMessage(connection.get())});
  }
  return std::make_unique<Watch>(std::move(connection));
}

}  // namespace parsec::bench
