// The rings of all shards, set up together before anything else starts: what fits into the memory
// that may be locked decides how large they are and how many shards there can be.
//
// The kernel counts the queues of a ring as locked memory of the user (RLIMIT_MEMLOCK, 8 MiB by
// default) unless the process has CAP_IPC_LOCK: before Linux 5.12, and from 6.13 on again.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/limits.h"
#include "engine/ring/uring_ring.h"

namespace parsec::engine {

struct RingSet {
  /// Not begun. As many as were wanted, or fewer; at least one.
  std::vector<std::unique_ptr<UringRing>> rings;
  /// As wanted, or with smaller queues.
  Limits limits;
  std::uint32_t wanted_rings = 0;
  std::uint32_t wanted_entries = 0;  // of a submission queue
};

/// How one ring is set up; tests bring a kernel of their own.
using SetUpRing =
    std::function<std::expected<std::unique_ptr<UringRing>, UringFailure>(const Limits&)>;

/// Sets up `wanted` rings. Where the memory does not suffice, all get smaller queues; where the
/// smallest do not fit either, there are fewer. On failure: a text that says what to change on this
/// machine. `patience`: how long to wait for memory of rings that were just
/// closed, here or by a process that has ended, which the kernel gives back a little later.
std::expected<RingSet, std::string> set_up_rings(
    std::uint32_t wanted, Limits limits, const SetUpRing& set_up,
    std::chrono::milliseconds patience = std::chrono::milliseconds{300});

/// With the kernel's rings, after raising the soft limit of locked memory to the hard one.
std::expected<RingSet, std::string> set_up_rings(std::uint32_t wanted, const Limits& limits,
                                                 UringOptions options);

/// A WARNING of what is smaller, and of what is fewer, than wanted. Apart, since whoever may set up
/// rings (root) may not be who opens the log.
void warn_of_shortage(const RingSet& set);

}  // namespace parsec::engine
