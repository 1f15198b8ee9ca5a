// CPU and memory of processes on this machine, from /proc (proc(5)). Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bench/driver.h"

namespace parsec::bench {

/// CPU time until now.
struct CpuTimes {
  std::map<pid_t, double> threads;  // seconds, by thread
  double ended = 0;                 // of processes as wholes, threads that ended included
};
CpuTimes cpu_times(std::span<const pid_t> processes);

/// What they used between two looks that are `seconds` apart, and their memory now: what they have
/// alone, and their part of what they share (proportional set size).
ProcessUsage usage_between(const CpuTimes& before, const CpuTimes& after, double seconds,
                           std::span<const pid_t> processes);

/// Busy and all time of this machine's processors, in ticks.
struct HostTimes {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};
/// Resident memory, of shared pages a proportional part.
std::uint64_t resident_bytes(std::span<const pid_t> processes);

HostTimes host_times();

/// Who listens on that TCP port of this machine, as far as we may know.
std::optional<pid_t> listener_of(std::uint16_t port);
/// All processes below that one.
std::vector<pid_t> descendants_of(pid_t process);
/// The process above; nullopt: it has ended.
std::optional<pid_t> parent_of(pid_t process);

}  // namespace parsec::bench
