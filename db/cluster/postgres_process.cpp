#include "db/cluster/postgres_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace parsec::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto polite_end = 30s;
constexpr auto check_interval = 10ms;

bool has_programs(const fs::path& directory) {
  return ::access((directory / "initdb").c_str(), X_OK) == 0 &&
         ::access((directory / "postgres").c_str(), X_OK) == 0;
}

/// What a program prints. Only for the short answers of pg_config and postgres -V.
std::string output_of(const std::string& command) {
  std::string result;
  if (FILE* pipe = ::popen(command.c_str(), "re"); pipe != nullptr) {
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) result += buffer;
    ::pclose(pipe);
  }
  while (result.ends_with('\n')) result.pop_back();
  return result;
}

int to_number(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// "postgres (PostgreSQL) 15.4 (Debian …)"
std::string major_version_of(const fs::path& directory) {
  const std::string text = output_of("'" + (directory / "postgres").string() + "' -V 2>/dev/null");
  const std::size_t digits = text.find_first_of("0123456789");
  if (digits == std::string::npos) return {};
  return text.substr(digits, text.find_first_not_of("0123456789", digits) - digits);
}

std::vector<fs::path> program_directories() {
  std::vector<fs::path> result;
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end != 0) result.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::vector<fs::path> packaged;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    packaged.push_back(entry.path());
  }
  std::ranges::sort(packaged, std::greater{},
                    [](const fs::path& p) { return to_number(p.filename().native()); });
  for (const fs::path& directory : packaged) result.push_back(directory / "bin");
  if (const std::string configured = output_of("pg_config --bindir 2>/dev/null");
      !configured.empty()) {
    result.emplace_back(configured);
  }
  std::erase_if(result, [](const fs::path& directory) { return !has_programs(directory); });
  return result;
}

/// In the child: only what is safe between fork and exec of a process with threads. Never returns.
[[noreturn]] void become(const Child& child, char* const* command, pid_t parent) {
  constexpr int could_not_execute = 127;
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  ::umask(077);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int output = ::open(child.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (input < 0 || output < 0) ::_exit(could_not_execute);
  if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0) {
    ::_exit(could_not_execute);
  }
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::geteuid() == 0) {
    if (::fchown(output, child.account.uid, child.account.gid) != 0 ||
        ::setgroups(1, &child.account.gid) != 0 || ::setgid(child.account.gid) != 0 ||
        ::setuid(child.account.uid) != 0) {
      ::_exit(could_not_execute);
    }
  }
  // After the change of user, which clears it. It is the starting thread's death that counts, and
  // it may have come already.
  if (child.death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, child.death_signal);
    if (::getppid() != parent) ::_exit(could_not_execute);
  }
  if (::chdir(child.directory.c_str()) != 0) ::_exit(could_not_execute);
  ::execv(command[0], command);
  ::_exit(could_not_execute);
}

pid_t postmaster_of(const fs::path& data_directory) {
  std::ifstream file(data_directory / "postmaster.pid");
  std::string line;
  return std::getline(file, line) ? to_number(line) : 0;
}

bool gone_within(const fs::path& data_directory, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!processes_in(data_directory).empty()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(check_interval);
  }
  return true;
}

}  // namespace

std::expected<Account, std::string> postgres_account() {
  if (::geteuid() != 0) return Account{::geteuid(), ::getegid(), {}};
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = ::getpwnam(name); entry != nullptr) {
      return Account{entry->pw_uid, entry->pw_gid, name};
    }
  }
  return std::unexpected("PostgreSQL refuses to run as root, and there is no user `postgres`");
}

std::expected<fs::path, std::string> find_postgres_programs(std::string_view major_version) {
  for (const fs::path& directory : program_directories()) {
    if (major_version.empty() || major_version_of(directory) == major_version) return directory;
  }
  return std::unexpected(
      "The programs of PostgreSQL" +
      (major_version.empty() ? "" : " " + std::string{major_version}) +
      " (initdb, postgres) are neither in PATH nor in /usr/lib/postgresql: install the server "
      "package, or give the URL of a running PostgreSQL");
}

pid_t start(const Child& child) {
  std::vector<char*> command;
  for (const std::string& argument : child.command) {
    command.push_back(const_cast<char*>(argument.c_str()));
  }
  command.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(child, command.data(), parent);
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 127;
  }
  constexpr int killed = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : killed + WTERMSIG(status);
}

std::vector<pid_t> processes_in(const fs::path& data_directory) {
  // PostgreSQL's processes work inside their data directory.
  std::vector<pid_t> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = to_number(entry.path().filename().native());
    if (pid <= 0) continue;
    const fs::path directory = fs::read_symlink(entry.path() / "cwd", error);
    if (!error && directory == data_directory) result.push_back(pid);
  }
  return result;
}

void end_processes_in(const fs::path& data_directory, int polite_signal) {
  const auto processes = processes_in(data_directory);
  if (processes.empty()) return;
  const pid_t postmaster = postmaster_of(data_directory);
  if (std::ranges::find(processes, postmaster) != processes.end()) {
    ::kill(postmaster, polite_signal);
  }
  if (gone_within(data_directory, polite_end)) return;
  for (const pid_t pid : processes_in(data_directory)) ::kill(pid, SIGKILL);
  gone_within(data_directory, polite_end);
}

}  // namespace parsec::db
