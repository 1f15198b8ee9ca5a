// The built `parsec` program, run by a test: started, awaited, looked at, stopped or killed.
//
// The program is $PARSEC_PROGRAM, else the one of this build. Its environment holds no PARSEC_*
// variable but those given. A child dies with the test process, however that one ends.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/socket.h"

namespace parsec::testing {

std::string parsec_program();

/// A port that nobody has just now, below those that the kernel gives to outgoing connections, so
/// that a server can come back on it.
std::uint16_t free_port();

/// A child process whose output (stdout and stderr, as they come) is kept.
class ChildProcess {
 public:
  ChildProcess(std::vector<std::string> command,
               const std::map<std::string, std::string>& variables);
  ~ChildProcess();  // kills it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  std::string output() const;
  /// Waits until the output holds that text. False: it ended, or the time is over.
  bool await_output(std::string_view text, Duration timeout = patience) const;
  void await_end_of_output(Duration timeout = patience) const;

  void signal(int number) const;
  /// Waits for its end: the exit code, or minus the signal that ended it; nullopt: it goes on.
  std::optional<int> wait_exit(Duration timeout = patience);

 private:
  void read_output();

  pid_t pid_ = -1;
  int output_descriptor_ = -1;
  std::optional<int> exit_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::string output_;
  bool output_ended_ = false;
  std::thread reader_;
};

/// `parsec` with those arguments, until it ends.
struct ProgramResult {
  std::optional<int> exit;  // nullopt: it did not end in time, and was killed
  std::string output;
};
ProgramResult run_parsec(std::vector<std::string> arguments,
                         const std::map<std::string, std::string>& variables = {},
                         Duration timeout = patience);

struct ServerOptions {
  std::string database = "MOCKED";        // the value of --db
  std::string blockstore = "POSTGRESQL";  // empty: not given
  std::string administration_token = "s3cr3t";
  std::vector<std::string> arguments = {};  // further ones of `backend run`
  std::map<std::string, std::string> variables = {};
  std::optional<std::uint16_t> port = {};  // to come back on the port of an earlier server
};

/// `parsec backend run`, on a port of its own.
class ServerProcess {
 public:
  /// Starts it, and waits until it serves; throws with its output when it does not.
  explicit ServerProcess(const ServerOptions& options = {});

  const Address& address() const { return address_; }
  ChildProcess& process() { return *process_; }

  /// SIGTERM, and the exit code; throws when it does not end in time.
  int stop(Duration timeout = patience);
  /// SIGKILL.
  void kill();
  /// Starts it again, on the same port and database.
  void start();

 private:
  /// False: somebody else has the port.
  bool try_to_start();

  ServerOptions options_;
  Address address_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace parsec::testing
