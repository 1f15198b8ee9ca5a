#include "bench/load/process_usage.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace parsec::bench {

namespace {

namespace fs = std::filesystem;

/// Numbers that name entries of a directory; none if it is gone.
std::vector<pid_t> numbers_in(const fs::path& directory) {
  std::vector<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t number = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem == std::errc{} && rest == name.data() + name.size()) found.push_back(number);
  }
  return found;
}

/// The fields of a stat file behind the name in parentheses, which may hold anything: [0] is
/// field 3.
std::vector<std::string> stat_fields(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  const std::size_t end = line.rfind(')');
  if (end == line.npos) return {};
  std::istringstream rest(line.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

double cpu_seconds(const std::vector<std::string>& fields) {
  if (fields.size() < 13) return 0;
  static const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return tick * (std::stod(fields[11]) + std::stod(fields[12]));  // utime, stime
}

fs::path proc(pid_t process) { return fs::path("/proc") / std::to_string(process); }

std::uint64_t proportional_bytes(pid_t process) {
  std::ifstream in(proc(process) / "smaps_rollup");
  for (std::string word; in >> word;) {
    std::uint64_t kib = 0;
    if (word == "Pss:" && in >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

CpuTimes cpu_times(std::span<const pid_t> processes) {
  CpuTimes times;
  for (const pid_t process : processes) {
    times.ended += cpu_seconds(stat_fields(proc(process) / "stat"));
    for (const pid_t thread : numbers_in(proc(process) / "task")) {
      times.threads[thread] =
          cpu_seconds(stat_fields(proc(process) / "task" / std::to_string(thread) / "stat"));
    }
  }
  return times;
}

ProcessUsage usage_between(const CpuTimes& before, const CpuTimes& after, double seconds,
                           std::span<const pid_t> processes) {
  ProcessUsage usage;
  usage.cpu_seconds = std::max(0.0, after.ended - before.ended);
  usage.threads = static_cast<std::uint32_t>(after.threads.size());
  for (const auto& [thread, time] : after.threads) {
    const auto earlier = before.threads.find(thread);
    const double used = time - (earlier == before.threads.end() ? 0 : earlier->second);
    usage.busiest_thread = std::max(usage.busiest_thread, used / seconds);
  }
  usage.resident_bytes = resident_bytes(processes);
  return usage;
}

std::uint64_t resident_bytes(std::span<const pid_t> processes) {
  std::uint64_t all = 0;
  for (const pid_t process : processes) all += proportional_bytes(process);
  return all;
}

HostTimes host_times() {
  std::ifstream in("/proc/stat");
  std::string word;
  in >> word;  // "cpu"
  HostTimes times;
  // user nice system idle iowait irq softirq steal; guest times are within user.
  for (int field = 0; field < 8; ++field) {
    std::uint64_t ticks = 0;
    in >> ticks;
    times.all += ticks;
    if (field != 3 && field != 4) times.busy += ticks;
  }
  return times;
}

std::optional<pid_t> listener_of(std::uint16_t port) {
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, skipped, inode;
      fields >> number >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) fields >> skipped;
      fields >> inode;
      const std::size_t colon = local.rfind(':');
      if (state != "0A" || colon == local.npos) continue;
      if (std::stoul(local.substr(colon + 1), nullptr, 16) == port) {
        sockets.insert("socket:[" + inode + "]");
      }
    }
  }
  for (const pid_t process : numbers_in("/proc")) {
    std::error_code error;
    for (fs::directory_iterator at(proc(process) / "fd", error), end; !error && at != end;
         at.increment(error)) {
      std::error_code unreadable;
      if (sockets.contains(fs::read_symlink(at->path(), unreadable))) return process;
    }
  }
  return std::nullopt;
}

std::optional<pid_t> parent_of(pid_t process) {
  const auto fields = stat_fields(proc(process) / "stat");
  if (fields.size() < 2) return std::nullopt;
  return static_cast<pid_t>(std::stol(fields[1]));
}

std::vector<pid_t> descendants_of(pid_t process) {
  std::map<pid_t, std::vector<pid_t>> children;
  for (const pid_t each : numbers_in("/proc")) {
    if (const auto parent = parent_of(each)) children[*parent].push_back(each);
  }
  std::vector<pid_t> found = children[process];
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& more = children[found[i]];
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

}  // namespace parsec::bench
