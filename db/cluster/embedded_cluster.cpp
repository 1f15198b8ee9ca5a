#include "db/cluster/embedded_cluster.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include "db/driver/connection.h"
#include "db/driver/threads.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view role = "parsec";
constexpr std::string_view socket_name = "/.s.PGSQL.5432";
constexpr std::size_t longest_socket_path = 107;  // sun_path, unix(7), with its zero byte
constexpr std::string_view temporary_prefix = "parsec-mocked-";
constexpr std::string_view socket_prefix = "/tmp/parsec-socket-";
constexpr std::string_view socket_link = "socket";  // in the cluster's directory

constexpr auto check_interval = 5ms;
constexpr auto start_limit = 10min;  // recovery after a crash may have much to replay
constexpr auto stop_limit = 60s;     // of each kind of shutdown
constexpr auto restart_pause = 500ms;
constexpr auto lock_file_delay = 1min;  // a directory older than this has its lock file

std::string system_error(std::string_view what, const fs::path& path) {
  return fmt::format("{} {}: {}", what, path.native(), std::strerror(errno));
}

/// The descriptor of the lock file; -1: somebody else holds it, or errno says why not.
int lock_directory(const fs::path& directory, int flags) {
  const int descriptor =
      ::open((directory / "lock").c_str(), flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return -1;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  const int reason = errno;
  ::close(descriptor);
  errno = reason;
  return -1;
}

/// Removes temporary clusters whose process did not live to do it.
void remove_abandoned(const fs::path& parent, const Account& account) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    if (!entry.path().filename().native().starts_with(temporary_prefix)) continue;
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    if (status.st_uid != account.uid) continue;
    const int lock = lock_directory(entry.path(), 0);
    const auto age = std::chrono::seconds{::time(nullptr) - status.st_mtime};
    if (lock < 0 && (errno != ENOENT || age < lock_file_delay)) continue;
    end_processes_in(entry.path() / "data", SIGQUIT);
    fs::remove_all(entry.path(), error);
    if (lock >= 0) ::close(lock);
  }
}

/// A directory that belongs to the account and that nobody else may enter. One that is there must
/// belong to the account or to who starts it: a stranger's may hold whatever he likes.
std::expected<void, std::string> make_private(const fs::path& directory, const Account& account) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return std::unexpected("Cannot create the directory " + directory.native() + ": " +
                           error.message());
  }
  // By descriptor: what is checked is what is changed.
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return std::unexpected(system_error("Cannot open the directory", directory));
  struct stat status {};
  std::expected<void, std::string> result;
  if (::fstat(descriptor, &status) != 0) {
    result = std::unexpected(system_error("Cannot look at the directory", directory));
  } else if (status.st_uid != account.uid && status.st_uid != ::geteuid()) {
    result = std::unexpected(directory.native() + " belongs to another user");
  } else if (status.st_uid != account.uid && ::fchown(descriptor, account.uid, account.gid) != 0) {
    result = std::unexpected(system_error("Cannot take over the directory", directory));
  } else if (::fchmod(descriptor, 0700) != 0) {
    result = std::unexpected(system_error("Cannot protect the directory", directory));
  }
  ::close(descriptor);
  return result;
}

/// The directory above that keeps the account out; empty: none does. Only root starts PostgreSQL as
/// somebody else, who may not see what root sees.
fs::path closed_parent(const fs::path& directory, const Account& account) {
  if (account.uid == ::geteuid()) return {};
  for (fs::path parent = directory.parent_path();; parent = parent.parent_path()) {
    struct stat status {};
    if (::stat(parent.c_str(), &status) != 0) return parent;
    mode_t needed = S_IXOTH;
    if (status.st_gid == account.gid) needed = S_IXGRP;
    if (status.st_uid == account.uid) needed = S_IXUSR;
    if ((status.st_mode & needed) == 0) return parent;
    if (parent == parent.root_path()) return {};
  }
}

/// Paths that need no quoting, neither in PostgreSQL's list of directories nor in libpq's of hosts.
bool is_plain(const fs::path& path) {
  return std::ranges::all_of(path.native(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == '-';
  });
}

/// Where the socket goes: into the directory, or into a short and plain one of its own. That has no
/// name that can be foreseen, so nobody waits there; `socket_link` remembers it for the next start.
std::expected<fs::path, std::string> socket_directory_for(const fs::path& directory) {
  if (is_plain(directory) &&
      directory.native().size() + socket_name.size() <= longest_socket_path) {
    return directory;
  }
  std::error_code error;
  const fs::path link = directory / socket_link;
  if (const fs::path before = fs::read_symlink(link, error);
      !error && before.native().starts_with(socket_prefix)) {
    fs::remove_all(before, error);
  }
  fs::remove(link, error);
  std::string name = std::string{socket_prefix} + "XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return std::unexpected(system_error("Cannot create the directory", name));
  }
  fs::create_symlink(name, link, error);
  return name;
}

/// Bytes order texts, and upper and lower case know Unicode, where the system has such a locale.
std::string locale_name() {
  const locale_t found = ::newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  if (found == nullptr) return "C";
  ::freelocale(found);
  return "C.UTF-8";
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::expected<std::unique_ptr<EmbeddedCluster>, std::string> EmbeddedCluster::start(
    const Target& target) {
  std::unique_ptr<EmbeddedCluster> cluster{new EmbeddedCluster};
  if (auto done = cluster->prepare(target); !done) return std::unexpected(done.error());
  if (auto done = cluster->create_cluster(); !done) return std::unexpected(done.error());
  cluster->ended_ = false;
  cluster->supervisor_ = start_thread("db-postgres", [&self = *cluster] { self.supervise(); });
  if (auto done = cluster->wait_until_ready(); !done) return std::unexpected(done.error());
  if (auto done = cluster->create_database(); !done) return std::unexpected(done.error());
  return cluster;
}

EmbeddedCluster::~EmbeddedCluster() {
  stop(temporary_ ? Shutdown::immediate : Shutdown::fast);
  if (supervisor_.joinable()) supervisor_.join();
  std::error_code error;
  if (!socket_directory_.empty() && socket_directory_ != directory_) {
    fs::remove_all(socket_directory_, error);
    fs::remove(directory_ / socket_link, error);
  }
  if (temporary_ && !directory_.empty()) fs::remove_all(directory_, error);
  if (lock_ >= 0) ::close(lock_);
}

std::string EmbeddedCluster::conninfo(std::string_view database) const {
  return fmt::format("host={} port=5432 user={} dbname={} sslmode=disable gssencmode=disable",
                     socket_directory_.native(), role, database);
}

void EmbeddedCluster::stop(Shutdown shutdown) {
  std::unique_lock lock{mutex_};
  stopping_ = true;
  changed_.notify_all();
  // SIGINT: fast shutdown, SIGQUIT: immediate shutdown, postgres(1).
  int signal = shutdown == Shutdown::fast ? SIGINT : SIGQUIT;
  while (!ended_) {
    if (postmaster_ > 0) ::kill(postmaster_, signal);
    if (changed_.wait_for(lock, stop_limit, [this] { return ended_; })) break;
    signal = signal == SIGINT ? SIGQUIT : SIGKILL;
  }
}

pid_t EmbeddedCluster::postmaster() const {
  const std::lock_guard lock{mutex_};
  return postmaster_;
}

/// Directories, lock, programs; nothing of PostgreSQL runs yet, and nothing of an earlier run does
/// any more.
std::expected<void, std::string> EmbeddedCluster::prepare(const Target& target) {
  auto account = postgres_account();
  if (!account) return std::unexpected(account.error());
  account_ = *account;
  temporary_ = target.kind == Target::Kind::mocked;
  std::error_code error;
  if (temporary_) {
    const fs::path parent = fs::canonical(fs::temp_directory_path(), error);
    remove_abandoned(parent, account_);
    std::string name = (parent / (std::string{temporary_prefix} + "XXXXXX")).native();
    if (::mkdtemp(name.data()) == nullptr) {
      return std::unexpected(system_error("Cannot create a directory in", parent));
    }
    directory_ = name;
  } else {
    directory_ = fs::weakly_canonical(fs::absolute(target.location), error);
    if (error) return std::unexpected("Cannot use " + target.location + ": " + error.message());
  }
  if (auto done = make_private(directory_, account_); !done) return done;
  if (const fs::path closed = closed_parent(directory_, account_); !closed.empty()) {
    return std::unexpected(fmt::format(
        "PostgreSQL runs as the user `{}`, who may not enter {}: choose another place than {}",
        account_.name, closed.native(), directory_.native()));
  }
  lock_ = lock_directory(directory_, O_CREAT);
  if (lock_ < 0) {
    const bool taken = errno == EWOULDBLOCK;
    const std::string reason =
        taken ? "The directory " + directory_.native() + " is in use by another server"
              : system_error("Cannot lock the directory", directory_);
    temporary_ = false;  // nothing here is ours to remove
    directory_.clear();
    return std::unexpected(reason);
  }
  if (!processes_in(data()).empty()) {
    log::warn("Ending a left PostgreSQL",
              "Ending a PostgreSQL that an earlier run left behind in {}",
              log::field("directory", data().native()));
    end_processes_in(data(), SIGINT);
  }
  auto socket_directory = socket_directory_for(directory_);
  if (!socket_directory) return std::unexpected(socket_directory.error());
  socket_directory_ = *socket_directory;
  if (socket_directory_ != directory_) {
    if (auto done = make_private(socket_directory_, account_); !done) return done;
  }
  auto programs = find_postgres_programs(first_line(data() / "PG_VERSION"));
  if (!programs) return std::unexpected(programs.error());
  programs_ = *programs;
  return {};
}

/// initdb, unless it was done. Under another name first: a cluster with the right name is whole.
std::expected<void, std::string> EmbeddedCluster::create_cluster() {
  if (fs::exists(data() / "PG_VERSION")) {
    // Nobody runs in there (prepare), so these are stale; the process number in them may belong to
    // another program by now, which PostgreSQL would take for a running server.
    std::error_code error;
    fs::remove(data() / "postmaster.pid", error);
    fs::remove(socket_directory_ / ".s.PGSQL.5432.lock", error);
    return {};
  }
  const fs::path unfinished = directory_ / "data.new";
  std::error_code error;
  fs::remove_all(unfinished, error);
  Child child{{(programs_ / "initdb").native(), "-D", unfinished.native(), "-U", std::string{role},
               "--auth=trust", "--encoding=UTF8", "--locale=" + locale_name()},
              directory_,
              directory_ / "postgres.log",
              account_};
  if (temporary_) child.command.emplace_back("--no-sync");
  const pid_t pid = parsec::db::start(child);
  if (pid < 0 || wait_for(pid) != 0) {
    return std::unexpected("Cannot create a PostgreSQL cluster in " + directory_.native() + ": " +
                           log_tail());
  }
  fs::rename(unfinished, data(), error);
  if (error)
    return std::unexpected("Cannot rename " + unfinished.native() + ": " + error.message());
  return {};
}

Child EmbeddedCluster::server() const {
  std::vector<std::string> settings{
      "listen_addresses=",
      "unix_socket_directories=" + socket_directory_.native(),
      "unix_socket_permissions=0700",
      "port=5432",
      "max_connections=200",
      "shared_buffers=256MB",
      "max_wal_size=2GB",
      "jit=off",
      "max_parallel_workers_per_gather=0",
      // Of the embedding program: a statement with its bytes is not for a log file.
      "log_min_error_statement=panic",
      "log_checkpoints=off",
  };
  const auto add = [&](std::initializer_list<const char*> more) {
    settings.insert(settings.end(), more.begin(), more.end());
  };
  if (temporary_) {
    add({"fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal",
         "max_wal_senders=0"});
  } else {
    // A week of log files, one for each day.
    add({"fsync=on", "synchronous_commit=on", "full_page_writes=on", "logging_collector=on",
         "log_filename=postgresql-%a.log", "log_truncate_on_rotation=on", "log_rotation_age=1d",
         "log_rotation_size=0"});
    settings.push_back("log_directory=" + (directory_ / "log").native());
  }
  // Fast shutdown of what is to stay: the next start has nothing to recover.
  Child child{{(programs_ / "postgres").native(), "-D", data().native()},
              directory_,
              directory_ / "postgres.log",
              account_,
              temporary_ ? SIGQUIT : SIGINT};
  for (const std::string& setting : settings) {
    child.command.emplace_back("-c");
    child.command.push_back(setting);
  }
  return child;
}

/// The supervisor's thread: PostgreSQL's parent, from the first start to the last stop.
void EmbeddedCluster::supervise() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    const pid_t pid = parsec::db::start(server());
    if (pid > 0) {
      postmaster_ = pid;
      lock.unlock();
      siginfo_t info{};
      // Leaves it a zombie until the number is forgotten here: stop() must not signal a stranger.
      while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 &&
             errno == EINTR) {
      }
      lock.lock();
      postmaster_ = 0;
      const int status = wait_for(pid);
      changed_.notify_all();
      if (stopping_) break;
      log::error("PostgreSQL ended", "PostgreSQL in {} ended (status {}), starting it again",
                 log::field("directory", directory_.native()), log::field("status", status));
    }
    changed_.wait_for(lock, restart_pause, [this] { return stopping_; });
  }
  // The process that writes the log goes after its parent.
  end_processes_in(data(), SIGQUIT);
  ended_ = true;
  changed_.notify_all();
}

std::expected<void, std::string> EmbeddedCluster::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + start_limit;
  bool started = false;
  for (;;) {
    const pid_t pid = postmaster();
    if (started && pid == 0) {
      return std::unexpected("PostgreSQL does not start in " + directory_.native() + ": " +
                             log_tail());
    }
    started = started || pid != 0;
    // LOCK_FILE_LINE_PM_STATUS, src/include/utils/pidfile.h: the eighth line says how far it is.
    std::ifstream file(data() / "postmaster.pid");
    std::string line;
    std::getline(file, line);
    const bool ours = line == fmt::to_string(pid);
    for (int number = 2; number <= 8; ++number) std::getline(file, line);
    if (ours && file && line.starts_with("ready")) return {};
    if (std::chrono::steady_clock::now() > deadline) {
      return std::unexpected("PostgreSQL is not ready in " + directory_.native() + ": " +
                             log_tail());
    }
    std::this_thread::sleep_for(check_interval);
  }
}

std::expected<void, std::string> EmbeddedCluster::create_database() {
  auto connection = Connection::open({conninfo("postgres"), "parsec", {}});
  if (!connection) {
    return std::unexpected("Cannot connect to the private PostgreSQL: " +
                           connection.error().message);
  }
  const auto found =
      connection->execute("SELECT FROM pg_database WHERE datname = $1", {std::string_view{role}});
  if (found && row_count(*found) > 0) return {};
  if (const auto done = connection->execute("CREATE DATABASE parsec"); !done) {
    return std::unexpected("Cannot create the database: " + done.error().message);
  }
  return {};
}

/// The end of what PostgreSQL said, for an error message.
std::string EmbeddedCluster::log_tail() const {
  std::ifstream file(directory_ / "postgres.log");
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  constexpr std::size_t shown = 500;
  if (text.size() > shown) text.erase(0, text.size() - shown);
  return one_line(text);
}

}  // namespace parsec::db
