// What of this machine is for this process: processors and memory, as affinity and control groups
// leave them (sched_setaffinity(2), cgroups(7), Documentation/admin-guide/cgroup-v2.rst).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace parsec::engine {

/// Where the kernel tells it; tests have their own.
struct HostFiles {
  std::filesystem::path self_cgroup = "/proc/self/cgroup";
  std::filesystem::path meminfo = "/proc/meminfo";
  std::filesystem::path cgroups = "/sys/fs/cgroup";
};

/// Numbers of the processors that this thread may run on, ascending; never empty.
std::vector<std::uint32_t> allowed_processors();

/// How many of `allowed` processors the quotas of our control groups leave (cpu.max, or
/// cpu.cfs_quota_us of v1), rounded up; at least one.
std::uint32_t usable_processors(std::uint32_t allowed, const HostFiles& files = {});

/// Bytes of memory: of the machine, or what our control groups leave of it (memory.max, or
/// memory.limit_in_bytes of v1). nullopt: nobody says.
std::optional<std::uint64_t> usable_memory(const HostFiles& files = {});

}  // namespace parsec::engine
