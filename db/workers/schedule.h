// What a worker's connections do next: everything that waits, by kind of work, and how many
// connections each kind may have at a time.
//
// Any connection may do any work. What keeps one organization from being felt by another:
//  * within a kind, organizations take turns, weighted by what their work costs
//  (engine/queues/fair_queue.h,
//    cost_estimator.h);
//  * no kind takes all connections: with two or more, one is left for reads, and with three or
//    more, one for small writes. Kinds that may take long (large writes, heavy reads, waiting for
//    locks) have few each;
//  * handshakes get half of each batch of reads when both wait;
//  * a write that ran into a lock waits apart, and so do others of its realm, until one of them
//    got through. Of an organization with many locked realms, all writes do.
//  * when memory is short, reads with large results come one at a time, and wait when it is used
//    up; small ones go on;
//  * writes of one route are never under way on two connections: the second would only wait for
//    the first one's commit.
//
// Knows jobs, not connections. One thread: the worker's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/driver/settings.h"
#include "db/workers/cost_estimator.h"
#include "db/workers/job.h"
#include "engine/host/memory_budget.h"
#include "engine/queues/fair_queue.h"

namespace parsec::db {

/// Kinds of segments.
enum class Work : std::uint8_t {
  read,         // and handshakes
  write,        // small ones
  large_write,  // of many bytes
  heavy_read,   // one at a time
  locked,       // one write that ran into a lock
};
inline constexpr std::size_t work_kinds = 5;
std::string_view name(Work work);

/// Timeouts of PostgreSQL's session while a segment runs.
struct Timeouts {
  milliseconds lock;
  milliseconds statement;
  bool operator==(const Timeouts&) const = default;
};

class Schedule {
 public:
  /// most_lanes: connections that the worker may have.
  Schedule(const LaneLimits& limits, const SessionLimits& session, std::uint32_t most_lanes);

  void push_back(const Job& job);
  /// It was under way on a connection that was lost.
  void push_front(const Job& job);
  /// It ran into a lock. False: it has waited long enough in all.
  bool push_locked(Job job, TimePoint now);

  /// The worker's connections: how many there are, and how many of them have nothing to do.
  struct Lanes {
    std::uint32_t up = 0;
    std::uint32_t idle = 0;
  };

  /// Of the process's memory, for what is taken next.
  void note_pressure(engine::MemoryBudget::Pressure pressure) { pressure_ = pressure; }

  /// Fills `segment`, which is empty, with what an idle lane does next. none: nothing that it may.
  std::optional<Work> take(const Lanes& lanes, TimePoint now, std::vector<Job>& segment);
  Timeouts timeouts_of(Work work) const;
  /// Something would start if there were one more.
  bool waits_for_lane(const Lanes& lanes) const;

  /// The lane has begun with the segment that was taken last; it has ended, whatever became of it.
  void started(std::size_t lane, Work work, std::span<const Job> segment);
  void finished(std::size_t lane);

  /// PostgreSQL executed it in this time, results included.
  void note_executed(Work work, std::span<const Job> segment, TimePoint::duration time);

  std::size_t waiting() const;
  std::size_t waiting(Work work) const;
  /// Takes out all that `matches(const Job&)`.
  template <class Matches>
  void extract_if(Matches matches);

  std::size_t locked_routes() const { return locked_.size(); }

 private:
  using JobQueue = engine::FairQueue<Job>;

  struct Running {
    std::optional<Work> work;
    std::vector<std::uint64_t> routes;  // of writes
    std::uint64_t organization = 0;     // of a heavy read
    bool large = false;                 // a read of which a large result is expected
  };
  /// A realm or organization whose lock somebody outside holds, as far as we know.
  struct Locked {
    std::uint64_t route;
    std::uint64_t organization;
    TimePoint until;
  };

  JobQueue& queue_for(const Job& job);
  JobQueue& queue_of(Work work) { return queues_[static_cast<std::size_t>(work)]; }
  const JobQueue& queue_of(Work work) const { return queues_[static_cast<std::size_t>(work)]; }
  std::uint32_t running(Work work) const { return running_counts_[static_cast<std::size_t>(work)]; }
  std::uint32_t most(Work work) const;
  std::uint32_t reserve(Work work) const;
  bool may_start(Work work, const Lanes& lanes) const;
  void fill(Work work, const Lanes& lanes, TimePoint now, std::vector<Job>& segment);
  void fill_reads(const Lanes& lanes, std::vector<Job>& segment);
  void add_reads(JobQueue& queue, std::size_t most, float& time, std::vector<Job>& segment);
  void fill_writes(JobQueue& queue, std::size_t most_bytes, TimePoint now,
                   std::vector<Job>& segment);
  void fill_heavy(std::vector<Job>& segment);
  void fill_locked(std::vector<Job>& segment);
  bool is_under_way(std::uint64_t route) const;
  bool is_locked(const Request& request, TimePoint now);
  bool many_are_locked() const;
  bool is_heavy(const Request& request) const;
  std::size_t expected_bytes(const Job& job) const;
  bool has_large(std::span<const Job> segment) const;
  bool has_memory_for(std::size_t result_bytes, std::span<const Job> segment) const;

  const LaneLimits& limits_;
  const SessionLimits& session_;
  const std::uint32_t most_lanes_;
  CostEstimator costs_;
  JobQueue handshakes_;
  std::array<JobQueue, work_kinds> queues_;
  engine::MemoryBudget::Pressure pressure_{};
  std::size_t next_kind_ = 0;  // is looked at first
  std::array<std::uint32_t, work_kinds> running_counts_{};
  std::vector<Running> running_;  // by lane
  std::vector<Locked> locked_;    // few
};

template <class Matches>
void Schedule::extract_if(Matches matches) {
  handshakes_.extract_if(matches);
  for (JobQueue& queue : queues_) queue.extract_if(matches);
}

}  // namespace parsec::db
