#include "engine/host/host_resources.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace parsec::engine {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream stream{file};
  std::string line;
  std::getline(stream, line);
  return line;
}

/// nullopt: not there, or no number ("max").
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::istringstream line{first_line(file)};
  std::uint64_t number = 0;
  if (line >> number) return number;
  return std::nullopt;
}

/// A group and those around it, innermost first. Inside a container the groups around it cannot be
/// seen, and its own is the root.
std::vector<fs::path> with_ancestors(const fs::path& root, const std::string& group) {
  std::vector<fs::path> result;
  fs::path relative = fs::path{group}.relative_path();
  for (; !relative.empty(); relative = relative.parent_path()) result.push_back(root / relative);
  result.push_back(root);
  return result;
}

/// Lines of /proc/self/cgroup: `0::/path` (v2), `4:cpu,cpuacct:/path` (v1).
template <class Visit>
void visit_groups(const HostFiles& files, std::string_view controller, Visit visit) {
  std::ifstream stream{files.self_cgroup};
  for (std::string line; std::getline(stream, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      for (const fs::path& group : with_ancestors(files.cgroups, path)) visit(group, true);
    } else if (controllers.find("," + std::string{controller} + ",") != std::string::npos) {
      const fs::path root = files.cgroups / std::string{controller};
      for (const fs::path& group : with_ancestors(root, path)) visit(group, false);
    }
  }
}

}  // namespace

std::vector<std::uint32_t> allowed_processors() {
  // More than CONFIG_NR_CPUS of any kernel; a smaller set would be refused.
  constexpr std::size_t most = 8192;
  cpu_set_t* set = CPU_ALLOC(most);
  const std::size_t size = CPU_ALLOC_SIZE(most);
  CPU_ZERO_S(size, set);
  std::vector<std::uint32_t> result;
  if (::sched_getaffinity(0, size, set) == 0) {
    for (std::uint32_t number = 0; number < most; ++number) {
      if (CPU_ISSET_S(number, size, set)) result.push_back(number);
    }
  }
  CPU_FREE(set);
  if (result.empty()) result.push_back(0);
  return result;
}

std::uint32_t usable_processors(std::uint32_t allowed, const HostFiles& files) {
  double usable = allowed;
  visit_groups(files, "cpu", [&](const fs::path& group, bool unified) {
    double quota = 0;
    double period = 0;
    if (unified) {
      std::istringstream line{first_line(group / "cpu.max")};
      if (!(line >> quota >> period)) return;  // "max 100000", or no limit can be set here
    } else {
      const auto known = number_in(group / "cpu.cfs_period_us");
      if (!known || !(std::istringstream{first_line(group / "cpu.cfs_quota_us")} >> quota)) return;
      period = static_cast<double>(*known);
    }
    if (quota > 0 && period > 0) usable = std::min(usable, quota / period);  // -1: none
  });
  return std::max(1U, static_cast<std::uint32_t>(std::ceil(usable)));
}

std::optional<std::uint64_t> usable_memory(const HostFiles& files) {
  std::optional<std::uint64_t> usable;
  std::ifstream meminfo{files.meminfo};
  for (std::string word; meminfo >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "MemTotal:" && meminfo >> kibibytes) usable = kibibytes * 1024;
  }
  visit_groups(files, "memory", [&](const fs::path& group, bool unified) {
    const auto limit = number_in(group / (unified ? "memory.max" : "memory.limit_in_bytes"));
    if (limit) usable = std::min(usable.value_or(*limit), *limit);
  });
  return usable;
}

}  // namespace parsec::engine
