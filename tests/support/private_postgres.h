// PostgreSQL for tests: one private cluster for each test program, started when it is first asked
// for and gone at the end; databases in it are cheap copies of a template.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "db/cluster/embedded_cluster.h"
#include "db/driver/connection.h"
#include "db/schema/extensions.h"
#include "db/schema/migrations.h"

namespace parsec::testing {

/// Where test clusters go: into memory where there is room, as a test program makes many and no
/// test can tell the difference. What it starts inherits the choice.
inline std::filesystem::path temporary_directory() {
  static const bool chosen = [] {
    struct statvfs space {};
    const bool roomy = ::statvfs("/dev/shm", &space) == 0 &&
                       space.f_bavail * space.f_frsize > (std::uint64_t{2} << 30) &&
                       ::access("/dev/shm", W_OK) == 0;
    return roomy && ::setenv("TMPDIR", "/dev/shm", 0) == 0;
  }();
  static_cast<void>(chosen);
  return std::filesystem::temp_directory_path();
}

/// A cluster that can be stopped and started again, with what is in it; gone at the end.
class PrivatePostgres {
 public:
  PrivatePostgres() {
    directory_ = (temporary_directory() / "parsec-test-XXXXXX").native();
    if (::mkdtemp(directory_.data()) == nullptr) std::abort();
    start();
  }
  ~PrivatePostgres() {
    stop();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  void start() {
    auto started = db::EmbeddedCluster::start({db::Target::Kind::embedded, directory_});
    if (!started) {
      ADD_FAILURE() << started.error();
      std::abort();
    }
    cluster_ = std::move(*started);
  }
  void stop(db::EmbeddedCluster::Shutdown shutdown = db::EmbeddedCluster::Shutdown::fast) {
    if (!cluster_) return;
    cluster_->stop(shutdown);
    cluster_.reset();
  }

  const std::string& directory() const { return directory_; }
  std::string conninfo(std::string_view database = "parsec") const {
    return cluster_->conninfo(database);
  }
  /// What a server takes as `--db`.
  std::string url(std::string_view database = "parsec") const {
    return "postgresql:///" + std::string{database} + "?user=parsec&host=" + directory_;
  }

 private:
  std::string directory_;
  std::unique_ptr<db::EmbeddedCluster> cluster_;
};

/// The program's shared one, without durability.
inline db::EmbeddedCluster& private_cluster() {
  static const std::unique_ptr<db::EmbeddedCluster> cluster = [] {
    temporary_directory();
    auto started = db::EmbeddedCluster::start({db::Target::Kind::mocked, {}});
    if (!started) {
      ADD_FAILURE() << started.error();
      std::abort();
    }
    return std::move(*started);
  }();
  return *cluster;
}

inline db::Connection open_connection(const std::string& conninfo) {
  auto connection = db::Connection::open({conninfo, "tests", {}, db::functions_alias()});
  if (!connection) {
    ADD_FAILURE() << connection.error().message;
    std::abort();
  }
  return std::move(*connection);
}

/// Statements as text; the first cell of the last one's result, "" if there is none.
inline std::string run_sql(db::Connection& connection, const std::string& sql) {
  const auto result = connection.execute(sql);
  if (!result) {
    ADD_FAILURE() << result.error().message << "\n" << sql;
    return {};
  }
  return row_count(*result) == 0 ? std::string{} : std::string{field(*result, 0, 0)};
}

/// conninfo of a new database, a copy of that one (nobody may be connected to it).
inline std::string copy_of_database(std::string_view original) {
  static std::atomic<unsigned> count = 0;
  const std::string name = "test_" + std::to_string(++count);
  auto connection = open_connection(private_cluster().conninfo("postgres"));
  run_sql(connection, "CREATE DATABASE " + name + " TEMPLATE " + std::string{original});
  return private_cluster().conninfo(name);
}

/// conninfo of a new and empty database.
inline std::string empty_database() { return copy_of_database("template0"); }

/// conninfo of a new, migrated database with our functions and indexes.
inline std::string fresh_database() {
  static const bool migrated = [] {
    auto connection = open_connection(private_cluster().conninfo());
    const auto report = db::migrate(connection, {});
    EXPECT_TRUE(report.ok()) << report.error;
    return true;
  }();
  static_cast<void>(migrated);
  return copy_of_database("parsec");
}

/// conninfo of one migrated database that all tests of the program share.
inline const std::string& private_database() {
  static const std::string conninfo = fresh_database();
  return conninfo;
}

}  // namespace parsec::testing
