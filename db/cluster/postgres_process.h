// PostgreSQL's programs as children of ours: where they are, as whom they run, how they start, and
// what an earlier run of ours may have left behind.
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace parsec::db {

/// As whom PostgreSQL runs: it refuses to be root.
struct Account {
  uid_t uid;
  gid_t gid;
  std::string name;
};

/// Ourselves, or for root the user `postgres`, or `nobody`.
std::expected<Account, std::string> postgres_account();

/// The directory of `initdb` and `postgres`: of that major version, or (empty) any, preferring
/// PATH, then the newest. Packages of Debian and Ubuntu keep them out of PATH.
std::expected<std::filesystem::path, std::string> find_postgres_programs(
    std::string_view major_version);

struct Child {
  std::vector<std::string> command;  // the program with its whole path first
  std::filesystem::path directory;   // to start in
  std::filesystem::path output;      // appended to: stdout and stderr
  Account account;
  int death_signal = 0;  // what it gets if the thread that started it ends; 0: nothing
};

/// Starts it in a session of its own, so that a terminal's Ctrl-C reaches only us, with no signal
/// blocked or ignored and no descriptor of ours. -1: fork failed.
pid_t start(const Child& child);

/// The exit status as a shell shows it; 127: could not be executed.
int wait_for(pid_t pid);

/// The PostgreSQL processes of that data directory, whoever started them.
std::vector<pid_t> processes_in(const std::filesystem::path& data_directory);

/// Ends them, politely first (that signal to the postmaster), and returns when they are gone.
void end_processes_in(const std::filesystem::path& data_directory, int polite_signal);

}  // namespace parsec::db
