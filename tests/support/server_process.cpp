#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

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
    if (!std::string_view{*variable}.starts_with("PARSEC_")) all.emplace_back(*variable);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

}  // namespace

std::string parsec_program() {
  const char* chosen = std::getenv("PARSEC_PROGRAM");
  return chosen != nullptr ? chosen : PARSEC_TEST_PROGRAM;
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
  const int descriptor = ::pidfd_open(pid_, 0);  // readable once the process has ended
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

ServerProcess::PortReservation::PortReservation(std::uint16_t port) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);  // as the server does
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(port);
  socklen_t size = sizeof name;
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
      ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    ::close(descriptor_);
    throw ClientError("no free port: " + std::string{std::strerror(errno)});
  }
  port_ = ntohs(name.sin_port);
}

ServerProcess::PortReservation::~PortReservation() { ::close(descriptor_); }

ServerProcess::ServerProcess(const ServerOptions& options)
    : options_(options), reservation_(options.port.value_or(0)) {
  address_.port = reservation_.port();
  start();
}

void ServerProcess::start() {
  const std::string port = std::to_string(address_.port);
  std::vector<std::string> command{parsec_program(), "backend", "run", "--dev"};
  const auto option = [&](std::string_view name, const std::string& value) {
    command.push_back(std::string{name} + "=" + value);
  };
  option("--host", address_.host);
  option("--port", port);
  option("--db", options_.database);
  option("--blockstore", options_.blockstore);
  option("--administration-token", options_.administration_token);
  command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
  process_ = std::make_unique<ChildProcess>(std::move(command), options_.variables);
  if (!process_->await_output("Starting Parsec Backend on " + address_.host + ":" + port,
                              Duration{60'000})) {
    throw ClientError("the server does not start:\n" + process_->output());
  }
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
