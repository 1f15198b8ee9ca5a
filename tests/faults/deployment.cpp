#include "tests/faults/deployment.h"

#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

namespace parsec::testing {
namespace {

std::unique_ptr<PrivatePostgres> shared_postgres;

/// Ends PostgreSQL before the process does: destructors of statics would come in a random order.
class StopPostgres : public ::testing::Environment {
 public:
  void TearDown() override { shared_postgres.reset(); }
};
const auto* const stop_postgres = ::testing::AddGlobalTestEnvironment(new StopPostgres);

/// The number behind `<name>=` in a line of a dump.
std::uint64_t number_in(std::string_view line, std::string_view name) {
  const std::string key = " " + std::string{name} + "=";
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) throw ClientError("no counter " + std::string{name});
  std::uint64_t value = 0;
  std::from_chars(line.data() + at + key.size(), line.data() + line.size(), value);
  return value;
}

}  // namespace

bool eventually(const std::function<bool()>& probe, Duration timeout) {
  const Deadline deadline = within(timeout);
  while (!probe()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::int64_t milliseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<Duration>(Clock::now() - start).count();
}

// --- Counters ------------------------------------------------------------------------------------

Counters::Counters(ServerProcess& server) {
  const std::size_t before = server.process().output().size();
  server.process().signal(SIGUSR1);
  // The shards come last, the listener before them.
  const bool came = eventually([&] {
    dump_ = server.process().output().substr(before);
    const std::size_t shards = dump_.find("database listener:");
    const std::size_t first = dump_.find("\nshard 0:", shards);
    return shards != std::string::npos && first != std::string::npos && dump_.ends_with('\n');
  });
  if (!came) throw ClientError("the server dumps no counters:\n" + dump_);
}

std::uint64_t Counters::sum(std::string_view line, std::string_view name) const {
  std::uint64_t total = 0;
  std::istringstream lines{dump_};
  for (std::string one; std::getline(lines, one);) {
    if (one.starts_with(line)) total += number_in(one, name);
  }
  return total;
}

std::uint64_t Counters::connections() const { return shards("connections"); }

namespace {

std::int64_t bytes_of_status(ServerProcess& server, std::string_view name) {
  std::ifstream status{"/proc/" + std::to_string(server.process().pid()) + "/status"};
  for (std::string word; status >> word;) {
    std::int64_t kibibytes = 0;
    if (word == name && status >> kibibytes) return kibibytes * 1024;
  }
  throw ClientError("the server's status has no " + std::string{name});
}

}  // namespace

std::int64_t resident_bytes(ServerProcess& server) { return bytes_of_status(server, "VmRSS:"); }

std::int64_t peak_resident_bytes(ServerProcess& server) {
  return bytes_of_status(server, "VmHWM:");
}

std::size_t open_files(ServerProcess& server) {
  const std::filesystem::directory_iterator files{"/proc/" +
                                                  std::to_string(server.process().pid()) + "/fd"};
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

// --- The fixture ---------------------------------------------------------------------------------

PrivatePostgres& FaultTest::postgres() {
  if (!shared_postgres) {
    shared_postgres = std::make_unique<PrivatePostgres>();
    const ProgramResult migrated =
        run_parsec({"backend", "migrate", "--db", shared_postgres->url()});
    if (migrated.exit != 0) throw ClientError("cannot migrate:\n" + migrated.output);
  }
  return *shared_postgres;
}

std::unique_ptr<ServerProcess> FaultTest::start_server(std::vector<std::string> arguments,
                                                       const std::string& url) {
  ServerOptions options;
  options.database = url;
  options.administration_token = administration_token;
  options.arguments = std::move(arguments);
  return std::make_unique<ServerProcess>(options);
}

}  // namespace parsec::testing
