#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view inherited{*variable};
    const bool replaced = variables.contains(std::string{inherited.substr(0, inherited.find('='))});
    if (!inherited.starts_with("PARSEC_") && !replaced) all.emplace_back(inherited);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

}  // namespace

std::string parsec_program() {
  const char* chosen = std::getenv("PARSEC_PROGRAM");
  return chosen != nullptr ? chosen : built_program("parsec");
}

// --- ChildProcess --------------------------------------------------------------------------------

ChildProcess::ChildProcess(std::vector<std::string> command,
                           const std::map<std::string, std::string>& variables) {
  std::vector<std::string> settings = environment(variables);
  const std::vector<char*> arguments = pointers(command);
  const std::vector<char*> environment_pointers = pointers(settings);
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw ClientError("pipe: out of descriptors");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {  // only async-signal-safe calls until exec: the test may have threads
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execve(arguments[0], arguments.data(), environment_pointers.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  if (pid_ < 0) {
    ::close(ends[0]);
    throw ClientError("fork: " + std::string{std::strerror(errno)});
  }
  output_descriptor_ = ends[0];
  reader_ = std::thread{[this] { read_output(); }};
}

ChildProcess::~ChildProcess() {
  if (!exit_) {
    signal(SIGKILL);
    wait_exit();
  }
  reader_.join();
  ::close(output_descriptor_);
}

void ChildProcess::read_output() {
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = ::read(output_descriptor_, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    const std::scoped_lock lock{mutex_};
    if (count > 0) {
      output_.append(part.data(), static_cast<std::size_t>(count));
    } else {
      output_ended_ = true;
    }
    changed_.notify_all();
    if (output_ended_) return;
  }
}

std::string ChildProcess::output() const {
  const std::scoped_lock lock{mutex_};
  return output_;
}

bool ChildProcess::await_output(std::string_view text, Duration timeout) const {
  std::unique_lock lock{mutex_};
  const auto found = [&] { return output_.find(text) != std::string::npos; };
  changed_.wait_for(lock, timeout, [&] { return found() || output_ended_; });
  return found();
}

void ChildProcess::signal(int number) const {
  if (!exit_) ::kill(pid_, number);
}

void ChildProcess::await_end_of_output(Duration timeout) const {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, timeout, [&] { return output_ended_; });
}

std::optional<int> ChildProcess::wait_exit(Duration timeout) {
  if (exit_) return exit_;
  // A pidfd is readable once the process has ended. (glibc 2.36 declares pidfd_open() without
  // C linkage.)
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U));
  pollfd wanted{descriptor, POLLIN, 0};
  const int ready = ::poll(&wanted, 1, static_cast<int>(timeout.count()));
  ::close(descriptor);
  if (ready != 1) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_;
}

ProgramResult run_parsec(std::vector<std::string> arguments,
                         const std::map<std::string, std::string>& variables, Duration timeout) {
  arguments.insert(arguments.begin(), parsec_program());
  ChildProcess process{std::move(arguments), variables};
  ProgramResult result;
  result.exit = process.wait_exit(timeout);
  if (!result.exit) {
    process.signal(SIGKILL);
    process.wait_exit();
  }
  process.await_end_of_output(timeout);
  result.output = process.output();
  return result;
}

// --- ServerProcess -------------------------------------------------------------------------------

std::uint16_t free_port() {
  for (;;) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto port = static_cast<std::uint16_t>(16'384 + randombytes_uniform(16'384));
    name.sin_port = htons(port);
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    ::close(descriptor);
    if (bound == 0) return port;
  }
}

ServerProcess::ServerProcess(const ServerOptions& options) : options_(options) {
  address_.port = options.port ? *options.port : free_port();
  start();
}

void ServerProcess::start() {
  for (int attempt = 1; !try_to_start(); ++attempt) {
    if (options_.port || attempt == 10) {
      throw ClientError("the server finds no free port:\n" + process_->output());
    }
    address_.port = free_port();
  }
}

bool ServerProcess::try_to_start() {
  const std::string port = std::to_string(address_.port);
  std::vector<std::string> command{parsec_program(), "backend", "run", "--dev"};
  const auto option = [&](std::string_view name, const std::string& value) {
    command.push_back(std::string{name} + "=" + value);
  };
  option("--host", address_.host);
  option("--port", port);
  option("--db", options_.database);
  if (!options_.blockstore.empty()) option("--blockstore", options_.blockstore);
  option("--administration-token", options_.administration_token);
  command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
  process_ = std::make_unique<ChildProcess>(std::move(command), options_.variables);
  if (process_->await_output("Starting Parsec Backend on " + address_.host + ":" + port,
                             Duration{60'000})) {
    options_.port = address_.port;  // where clients find it from now on
    return true;
  }
  const std::string output = process_->output();
  if (output.find("Address already in use") != std::string::npos) return false;
  throw ClientError("the server does not start:\n" + output);
}

int ServerProcess::stop(Duration timeout) {
  process_->signal(SIGTERM);
  const auto exit = process_->wait_exit(timeout);
  if (!exit) throw ClientError("the server does not stop:\n" + process_->output());
  return *exit;
}

void ServerProcess::kill() {
  process_->signal(SIGKILL);
  process_->wait_exit();
}

}  // namespace parsec::testing
