// What the fault tests run against: a durable private PostgreSQL that can be stopped and started
// again, and servers that are started by the test itself, since most of them do not survive it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/organization.h"
#include "tests/support/private_postgres.h"
#include "tests/support/server_process.h"

namespace parsec::testing {

inline constexpr std::int64_t mebibyte = 1 << 20;

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Asks again until it is so; for what can be seen only by asking.
bool eventually(const std::function<bool()>& probe, Duration timeout = 10s);

std::int64_t milliseconds_since(Clock::time_point start);

// --- A look into a running server ----------------------------------------------------------------

/// The counters of a server at one moment, as it dumps them on SIGUSR1; summed over its workers,
/// or its shards.
class Counters {
 public:
  explicit Counters(ServerProcess& server);

  std::uint64_t database(std::string_view name) const { return sum("database worker ", name); }
  std::uint64_t shards(std::string_view name) const { return sum("shard ", name); }
  /// Client connections that are open.
  std::uint64_t connections() const;

 private:
  std::uint64_t sum(std::string_view line, std::string_view name) const;
  std::string dump_;
};

/// Memory of the process that is resident, in bytes.
std::int64_t resident_bytes(ServerProcess& server);
/// The most that was resident at a time since it started.
std::int64_t peak_resident_bytes(ServerProcess& server);
std::size_t open_files(ServerProcess& server);

// --- The fixture ---------------------------------------------------------------------------------

class FaultTest : public ::testing::Test {
 protected:
  static constexpr const char* administration_token = "s3cr3t";

  static PrivatePostgres& postgres();
  static std::string database_url() { return postgres().url(); }
  /// On the shared PostgreSQL, unless another URL is given.
  static std::unique_ptr<ServerProcess> start_server(std::vector<std::string> arguments = {},
                                                     const std::string& url = database_url());
  static std::shared_ptr<Organization> organization(const ServerProcess& server) {
    return Organization::create(server.address(), administration_token);
  }

  /// A line of the test's output: what was measured.
  template <typename... Parts>
  static void report(const Parts&... parts) {
    std::ostringstream line;
    (line << ... << parts);
    std::cout << "[ MEASURED ] " << line.str() << std::endl;
  }
};

}  // namespace parsec::testing
