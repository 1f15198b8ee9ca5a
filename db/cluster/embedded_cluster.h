// A private PostgreSQL for `--db MOCKED` and `--db embedded:<directory>`, and for tests: created on
// first use, reachable through a unix socket in a directory that only its user and root may enter,
// no TCP.
//
// A thread of its own starts and watches the server: PostgreSQL is told to stop by the kernel if
// that thread dies, which it does only with the process, and is started again if it ends by itself.
// What a crash of ours left behind is found by the next start: a lock file says whether a directory
// has an owner that lives.
//
//   <directory>/lock         held by the process that uses the directory
//   <directory>/data         the data directory
//   <directory>/postgres.log what PostgreSQL says before it logs by itself; <directory>/log/ then
//   <directory>/.s.PGSQL.5432
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "db/cluster/postgres_process.h"
#include "db/driver/target.h"

namespace parsec::db {

class EmbeddedCluster {
 public:
  /// fast: sessions are ended, everything is written. immediate: like a crash; what was committed
  /// survives, the next start takes longer.
  enum class Shutdown : std::uint8_t { fast, immediate };

  /// Ready for connections, with an empty database if there was none. Blocks: about a second for
  /// a new cluster. Of a Target that is not a server.
  static std::expected<std::unique_ptr<EmbeddedCluster>, std::string> start(const Target& target);

  /// Stops it: a temporary one immediately, the others fast.
  ~EmbeddedCluster();
  EmbeddedCluster(const EmbeddedCluster&) = delete;
  EmbeddedCluster& operator=(const EmbeddedCluster&) = delete;

  /// How libpq reaches it.
  std::string conninfo(std::string_view database = "parsec") const;

  /// Idempotent. While one thread waits in stop(fast), another may call stop(immediate).
  void stop(Shutdown shutdown);

  /// The postmaster; 0: not running just now.
  pid_t postmaster() const;
  const std::filesystem::path& directory() const { return directory_; }

 private:
  EmbeddedCluster() = default;

  std::expected<void, std::string> prepare(const Target& target);
  std::expected<void, std::string> create_cluster();
  std::expected<void, std::string> wait_until_ready();
  std::expected<void, std::string> create_database();
  Child server() const;
  void supervise();
  std::filesystem::path data() const { return directory_ / "data"; }
  std::string log_tail() const;

  std::filesystem::path directory_;
  std::filesystem::path socket_directory_;
  std::filesystem::path programs_;
  Account account_{};
  bool temporary_ = false;
  int lock_ = -1;  // descriptor

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  pid_t postmaster_ = 0;
  bool stopping_ = false;
  bool ended_ = true;  // supervise() is not at work
  std::thread supervisor_;
};

}  // namespace parsec::db
