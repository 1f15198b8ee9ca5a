// What PostgreSQL counts: commits, WAL, syncs (pg_stat_database, pg_stat_wal, pg_stat_statements).
// One thread; blocking.
#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/driver.h"

namespace parsec::bench {

/// Until now. PostgreSQL's processes report what they have counted with up to a second's delay.
struct DatabaseCounters {
  std::uint64_t commits = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t wal_syncs = 0;
  std::uint64_t statements = 0;
  std::uint64_t size = 0;
};
DatabaseUsage operator-(const DatabaseCounters& after, const DatabaseCounters& before);

class DatabaseWatch {
 public:
  virtual ~DatabaseWatch() = default;
  /// The error is a sentence for the user, without the URL's password.
  static std::expected<std::unique_ptr<DatabaseWatch>, std::string> open(const std::string& url);
  /// nullopt: it did not answer.
  virtual std::optional<DatabaseCounters> counters() = 0;
  /// Its processes, if they run on this machine.
  virtual std::vector<pid_t> processes() = 0;
};

}  // namespace parsec::bench
