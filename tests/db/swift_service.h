// OpenStack Swift for tests (tests/support/swift_server.py): started when it is first asked for,
// gone with the process. It speaks S3 as well.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/private_postgres.h"
#include "tests/support/source_tree.h"

namespace parsec::testing {

class SwiftService {
 public:
  /// port: empty for one that is free.
  explicit SwiftService(std::string port = {}) {
    directory_ = (temporary_directory() / "parsec-swift-XXXXXX").native();
    int input[2];
    int output[2];
    if (::mkdtemp(directory_.data()) == nullptr || ::pipe2(input, O_CLOEXEC) != 0 ||
        ::pipe2(output, O_CLOEXEC) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    std::string program = source_path("tests/support/swift_server.py");
    std::string interpreter = "/usr/bin/python3";
    char* const command[] = {interpreter.data(), program.data(), directory_.data(),
                             port.empty() ? nullptr : port.data(), nullptr};
    if (::posix_spawn(&pid_, command[0], &actions, nullptr, command, environ) != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];  // it ends when this does
    read_port(output[0]);
    ::close(output[0]);
  }
  ~SwiftService() {
    ::close(input_);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  SwiftService(const SwiftService&) = delete;
  SwiftService& operator=(const SwiftService&) = delete;

  /// False: Swift is not installed; tests that need it are skipped.
  bool installed() const { return output_.find("Swift is not installed") == std::string::npos; }
  const std::string& port() const { return port_; }
  /// What it said instead of serving.
  const std::string& output() const { return output_; }

 private:
  void read_port(int descriptor) {
    const std::string_view ready = "ready ";
    char buffer[1024];
    while (output_.find('\n', std::min(output_.find(ready), output_.size())) == std::string::npos) {
      pollfd entry{descriptor, POLLIN, 0};
      if (::poll(&entry, 1, 60'000) != 1) break;
      const auto count = ::read(descriptor, buffer, sizeof buffer);
      if (count <= 0) return;
      output_.append(buffer, static_cast<std::size_t>(count));
    }
    const auto start = output_.find(ready);
    if (start == std::string::npos) return;
    port_ = output_.substr(start + ready.size());
    port_.erase(port_.find('\n'));
  }

  std::string directory_;
  pid_t pid_ = -1;
  int input_ = -1;
  std::string output_;
  std::string port_;
};

inline SwiftService& swift_service() {
  static SwiftService service;
  return service;
}

/// In a test that needs it: goes on, is skipped, or fails.
#define PARSEC_NEED_SWIFT()                                                             \
  if (auto& swift = ::parsec::testing::swift_service(); !swift.installed()) {           \
    GTEST_SKIP() << "not run: " << swift.output() << " (Debian package python3-swift)"; \
  } else if (swift.port().empty()) {                                                    \
    FAIL() << "Swift did not start: " << swift.output();                                \
  } else                                                                                \
    static_cast<void>(0)

}  // namespace parsec::testing
