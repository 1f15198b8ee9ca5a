// The real pgbouncer in front of a private cluster, where it is installed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "db/cluster/postgres_process.h"
#include "db/driver/connection.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {

/// Works for all databases of the cluster; gone at the end.
class Pgbouncer {
 public:
  static bool is_installed() { return ::access(program, X_OK) == 0; }

  Pgbouncer(std::string_view pool_mode, const std::filesystem::path& cluster) {
    const std::string place = directory_.path().native();
    std::ofstream(place + "/users") << "\"parsec\" \"\"\n";
    std::ofstream(place + "/ini") << "[databases]\n* = port=5432 host=" << cluster.native()
                                  << "\n[pgbouncer]\nlisten_port=6432\nunix_socket_dir=" << place
                                  << "\nauth_type=trust\nauth_file=" << place
                                  << "/users\npool_mode=" << pool_mode << "\n";
    const db::Account account = *db::postgres_account();
    for (const char* file : {"", "/users", "/ini"}) {
      EXPECT_EQ(::chown((place + file).c_str(), account.uid, account.gid), 0);
    }
    process_ = db::start({{program, place + "/ini"}, place, place + "/output", account, SIGKILL});
    EXPECT_TRUE(await_answer());
  }
  ~Pgbouncer() {
    ::kill(process_, SIGKILL);
    db::wait_for(process_);
  }
  Pgbouncer(const Pgbouncer&) = delete;
  Pgbouncer& operator=(const Pgbouncer&) = delete;

  /// What a server takes as `--db`.
  std::string url(std::string_view database) const {
    return "postgresql:///" + std::string{database} +
           "?port=6432&user=parsec&host=" + directory_.path().native();
  }

 private:
  static constexpr const char* program = "/usr/sbin/pgbouncer";

  bool await_answer() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!db::Connection::open({url("postgres"), "", {}})) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
  }

  TemporaryDirectory directory_;
  pid_t process_ = -1;
};

}  // namespace parsec::testing
