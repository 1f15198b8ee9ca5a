#include "app/monitoring/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace parsec::app {
namespace {

/// Of /proc/stat.
double boot_time() {
  std::ifstream file{"/proc/stat"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  }
  return 0;
}

}  // namespace

ProcessUsage ProcessUsage::read() {
  ProcessUsage usage;
  static const double booted = boot_time();
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::ifstream file{"/proc/self/stat"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  // proc(5): behind the name, which may hold anything, come the fields from the third on.
  const auto name_end = text.rfind(") ");
  if (name_end != text.npos) {
    std::istringstream fields{text.substr(name_end + 2)};
    std::string skipped;
    for (int field = 3; field <= 21; ++field) fields >> skipped;
    double start_ticks = 0;
    std::uint64_t virtual_bytes = 0, resident_pages = 0;
    fields >> start_ticks >> virtual_bytes >> resident_pages;
    usage.start_time = booted + start_ticks / ticks;
    usage.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry{"/proc/self/fd", error}, end;
       !error && entry != end; entry.increment(error)) {
    ++usage.open_files;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.most_open_files = limit.rlim_cur;
  return usage;
}

}  // namespace parsec::app
