// Brings the schema of a database up to date: the numbered migrations that existing deployments
// know, and after them our own functions and indexes (db/schema/extensions.h).
//
// Blocking, for start-up and for `parsec backend migrate`. Several processes may migrate one
// database at once: each migration is one transaction under an advisory lock, and looks under that
// lock whether it is still missing.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "db/driver/settings.h"

namespace parsec::db {

class Connection;

inline constexpr int newest_migration = 5;

struct MigrationResult {
  enum class State : std::uint8_t { already_applied, applied, would_apply, failed };
  int number = 0;
  std::string name;  // without the number, as recorded in the table `migration`
  State state = State::failed;
  std::string message;  // of a failure
};

/// A sequence that was behind its table (db/schema/sequences.h).
struct SequenceRepair {
  std::string name;
  std::int64_t next = 0;   // what it would have given
  std::int64_t taken = 0;  // the greatest id that is there
  bool repaired = false;   // else: it would be
};

struct MigrationReport {
  std::vector<MigrationResult> migrations;  // in order; ends at the first failure
  std::vector<SequenceRepair> sequences;
  /// Schemas whose functions no server uses any more: removed, or to be removed (dry run).
  std::vector<std::string> unused_functions;
  std::string error;  // why nothing could be done, or why what comes after the migrations failed

  bool ok() const;
};

struct MigrationOptions {
  bool dry_run = false;
  bool allow_newer = false;
};

/// What `parsec backend migrate --db` does, whole: connects (a private cluster is started for it
/// and stopped after it), migrates, repairs sequences, installs the extensions.
MigrationReport migrate(const Settings& settings, const MigrationOptions& options);

/// The same on a connection that is there.
MigrationReport migrate(Connection& connection, const MigrationOptions& options);

/// Number of the newest applied migration; 0: an empty database. The error is a sentence.
std::expected<int, std::string> schema_number(Connection& connection);

/// What start-up wants to know: empty, or why this program cannot run on this schema.
std::string schema_refusal(int number, bool allow_newer);

}  // namespace parsec::db
