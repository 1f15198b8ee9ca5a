#include "engine/ring/ring_set.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "engine/host/log.h"

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

/// Below, a busy shard would enter the kernel for every few operations.
constexpr std::uint32_t fewest_submission_entries = 256;
constexpr const char* cure =
    "raise the memlock limit (systemd: LimitMEMLOCK=infinity, shell: `ulimit -l unlimited`)";

/// Half the queues; false: these are the smallest already. The completion queue keeps room for a
/// completion of every receive buffer and of every submission (limits.h).
bool halve(Limits& limits) {
  if (limits.submission_entries / 2 < fewest_submission_entries) return false;
  limits.submission_entries /= 2;
  while (limits.completion_entries / 2 >= limits.receive_buffers + limits.submission_entries &&
         limits.completion_entries / 2 >= limits.wait_batch &&
         limits.completion_entries > 4 * limits.submission_entries) {
    limits.completion_entries /= 2;
  }
  return true;
}

class Attempt {
 public:
  Attempt(const Limits& limits, const SetUpRing& set_up, std::chrono::milliseconds patience)
      : limits_(limits), set_up_(set_up), deadline_(Clock::now() + patience) {}

  /// Rings until there are `wanted`, or one cannot be had.
  void run(std::uint32_t wanted) {
    while (rings_.size() < wanted) {
      auto ring = set_up_(limits_);
      if (ring) {
        rings_.push_back(std::move(*ring));
      } else if (ring.error().error == ENOMEM && Clock::now() < deadline_) {
        std::this_thread::sleep_for(5ms);
      } else {
        failure_ = std::move(ring.error());
        return;
      }
    }
  }

  std::vector<std::unique_ptr<UringRing>>& rings() { return rings_; }
  const UringFailure& failure() const { return failure_; }

 private:
  const Limits& limits_;
  const SetUpRing& set_up_;
  const TimePoint deadline_;
  std::vector<std::unique_ptr<UringRing>> rings_;
  UringFailure failure_;  // error 0: none
};

void raise_locked_memory_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_MEMLOCK, &limit);
}

}  // namespace

std::expected<RingSet, std::string> set_up_rings(std::uint32_t wanted, Limits limits,
                                                 const SetUpRing& set_up,
                                                 std::chrono::milliseconds patience) {
  if (wanted == 0) return std::unexpected("at least one shard is needed");
  const std::uint32_t wished_entries = limits.submission_entries;
  for (;;) {
    Attempt attempt{limits, set_up, patience};
    attempt.run(wanted);
    const bool complete = attempt.failure().error == 0;
    if (!complete && attempt.failure().error != ENOMEM) {
      return std::unexpected(attempt.failure().message);
    }
    if (!complete && halve(limits)) continue;
    if (attempt.rings().empty()) return std::unexpected(attempt.failure().message);
    return RingSet{std::move(attempt.rings()), limits, wanted, wished_entries};
  }
}

std::expected<RingSet, std::string> set_up_rings(std::uint32_t wanted, const Limits& limits,
                                                 UringOptions options) {
  raise_locked_memory_limit();
  return set_up_rings(wanted, limits,
                      [&](const Limits& these) { return UringRing::set_up(these, options); });
}

void warn_of_shortage(const RingSet& set) {
  if (set.limits.submission_entries < set.wanted_entries) {
    log::warn("Little memory may be locked",
              "Little memory may be locked: io_uring's queues have {} entries instead of {}; {}",
              log::field("entries", set.limits.submission_entries),
              log::field("wanted", set.wanted_entries), log::field("remedy", cure));
  }
  if (set.rings.size() < set.wanted_rings) {
    log::warn("Little memory may be locked",
              "Little memory may be locked: {} shards instead of {}; {}",
              log::field("shards", set.rings.size()), log::field("wanted", set.wanted_rings),
              log::field("remedy", cure));
  }
}

}  // namespace parsec::engine
