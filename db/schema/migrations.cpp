#include "db/schema/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "db/cluster/embedded_cluster.h"
#include "db/driver/connection.h"
#include "db/driver/transaction.h"
#include "db/schema/embedded_sql.h"
#include "db/schema/extensions.h"
#include "db/schema/sequences.h"

namespace parsec::db {
namespace {

struct Migration {
  int number;
  std::string name;
  std::string sql;
};

/// From `3_human_handle`; in order of number.
std::vector<Migration> all_migrations() {
  std::vector<Migration> result;
  for (const SqlFile& file : migration_sql) {
    const std::size_t underscore = file.name.find('_');
    int number = 0;
    std::from_chars(file.name.data(), file.name.data() + underscore, number);
    result.push_back(
        {number, std::string{file.name.substr(underscore + 1)}, std::string{file.text}});
  }
  std::ranges::sort(result, {}, &Migration::number);
  return result;
}

int to_int(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::expected<int, SqlError> read_number(Connection& connection) {
  // From the catalog and not by to_regclass(): that may answer from a cache which does not know
  // what another process committed while this transaction waited for the lock.
  const auto tables = connection.execute(
      "SELECT coalesce(bool_or(tablename = 'organization'), false),"
      " coalesce(bool_or(tablename = 'migration'), false)"
      " FROM pg_tables WHERE schemaname = 'public'");
  if (!tables) return std::unexpected(tables.error());
  const bool has_tables = field(*tables, 0, 0) == "t";
  const bool has_bookkeeping = field(*tables, 0, 1) == "t";
  if (!has_bookkeeping) return has_tables ? 1 : 0;
  const auto newest =
      connection.execute("SELECT coalesce(max(_id), 1)::text FROM public.migration");
  if (!newest) return std::unexpected(newest.error());
  return to_int(field(*newest, 0, 0));
}

/// One transaction. Looks again under the lock: another process may have applied it meanwhile.
std::expected<bool, SqlError> apply(Connection& connection, const Migration& migration) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(transaction.error());
  const auto number = read_number(connection);
  if (!number) return std::unexpected(number.error());
  if (*number >= migration.number) return false;
  if (const auto done = connection.execute(migration.sql); !done) {
    return std::unexpected(done.error());
  }
  constexpr int first_recorded = 2;  // it creates the table
  if (migration.number >= first_recorded) {
    const auto recorded = connection.execute(
        "INSERT INTO public.migration (_id, name, applied) VALUES ($1, $2, now())",
        {fmt::to_string(migration.number), migration.name});
    if (!recorded) return std::unexpected(recorded.error());
  }
  if (const auto done = transaction->commit(); !done) return std::unexpected(done.error());
  return true;
}

std::expected<void, std::string> repair_sequences(Connection& connection,
                                                  const MigrationOptions& options,
                                                  MigrationReport& report) {
  const auto explained = [](const SqlError& error) {
    return std::unexpected("Cannot repair sequences: " + error.message);
  };
  const auto sequences = read_id_sequences(connection);
  if (!sequences) return explained(sequences.error());
  for (const IdSequence& sequence : *sequences) {
    if (!sequence.is_behind()) continue;
    SequenceRepair repair{sequence.name, sequence.next, sequence.taken, false};
    if (!options.dry_run) {
      const auto moved = repair_id_sequence(connection, sequence);
      if (!moved) return explained(moved.error());
      repair.repaired = true;
    }
    report.sequences.push_back(std::move(repair));
  }
  return {};
}

MigrationReport failed(std::string error) {
  MigrationReport report;
  report.error = std::move(error);
  return report;
}

}  // namespace

bool MigrationReport::ok() const {
  return error.empty() && std::ranges::none_of(migrations, [](const MigrationResult& result) {
           return result.state == MigrationResult::State::failed;
         });
}

std::expected<int, std::string> schema_number(Connection& connection) {
  const auto number = read_number(connection);
  if (!number) return std::unexpected("Cannot read the database schema: " + number.error().message);
  return *number;
}

std::string schema_refusal(int number, bool allow_newer) {
  if (number < newest_migration) {
    return fmt::format(
        "The database schema is not up to date ({} of {} migrations are applied): run `parsec "
        "backend migrate` first.",
        number, newest_migration);
  }
  if (number > newest_migration && !allow_newer) {
    return fmt::format(
        "The database schema is newer than this program: migration {} is applied, this program "
        "knows {}. Run a newer version of this program.",
        number, newest_migration);
  }
  return {};
}

namespace {

std::expected<void, std::string> migrate_extensions(Connection& connection,
                                                    const MigrationOptions& options,
                                                    MigrationReport& report) {
  if (options.dry_run) {
    const auto table = connection.execute("SELECT to_regclass('parsec_ext.functions') IS NOT NULL");
    if (!table || field(*table, 0, 0) != "t") return {};  // we never were here
  } else if (auto installed = install_extensions(connection); !installed) {
    return std::unexpected(installed.error());
  } else if (auto shared = share_extensions(connection); !shared) {
    return shared;
  }
  auto unused = unused_functions(connection);
  if (!unused) return std::unexpected(unused.error());
  report.unused_functions = std::move(*unused);
  if (options.dry_run || report.unused_functions.empty()) return {};
  return remove_functions(connection, report.unused_functions);
}

}  // namespace

MigrationReport migrate(Connection& connection, const MigrationOptions& options) {
  using State = MigrationResult::State;
  const auto number = schema_number(connection);
  if (!number) return failed(number.error());
  if (*number > newest_migration) {
    if (auto refusal = schema_refusal(*number, options.allow_newer); !refusal.empty()) {
      return failed(std::move(refusal));
    }
  }
  MigrationReport report;
  for (const Migration& migration : all_migrations()) {
    MigrationResult result{migration.number, migration.name, State::already_applied, {}};
    if (*number < migration.number) {
      if (options.dry_run) {
        result.state = State::would_apply;
      } else if (const auto applied = apply(connection, migration); !applied) {
        result.state = State::failed;
        result.message = applied.error().message;
        if (const auto rights = needed_rights(connection, applied.error()); !rights.empty()) {
          result.message += ". " + rights;
        }
      } else if (*applied) {
        result.state = State::applied;
      }
    }
    report.migrations.push_back(std::move(result));
    if (report.migrations.back().state == State::failed) return report;
  }
  if (auto repaired = repair_sequences(connection, options, report); !repaired) {
    report.error = repaired.error();
    return report;
  }
  if (const auto done = migrate_extensions(connection, options, report); !done) {
    report.error = done.error();
  }
  return report;
}

MigrationReport migrate(const Settings& settings, const MigrationOptions& options) {
  ConnectionOptions connection_options{settings.target.location, settings.application_name,
                                       settings.session, functions_alias()};
  std::unique_ptr<EmbeddedCluster> cluster;
  if (settings.target.kind != Target::Kind::server) {
    auto started = EmbeddedCluster::start(settings.target);
    if (!started) return failed(started.error());
    cluster = std::move(*started);
    connection_options.conninfo = cluster->conninfo();
  }
  auto connection = Connection::open(connection_options);
  if (!connection) {
    return failed("Cannot connect to the database " + settings.target.description() + ": " +
                  connection.error().message);
  }
  return migrate(*connection, options);
}

}  // namespace parsec::db
