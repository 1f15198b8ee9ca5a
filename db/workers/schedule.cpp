#include "db/workers/schedule.h"

#include <algorithm>
#include <cassert>
#include <chrono>

namespace parsec::db {
namespace {

using JobQueue = engine::FairQueue<Job>;
using Verdict = JobQueue::Verdict;
using Decision = JobQueue::Decision;

constexpr Decision skip{Verdict::skip};
constexpr Decision stop{Verdict::stop};

/// Fewer reads are not worth another Sync.
constexpr std::size_t least_reads_of_a_segment = 4;
/// So many locked routes of one organization, and all its writes wait apart.
constexpr std::ptrdiff_t locked_routes_of_a_suspect = 3;
/// When so many organizations are, it is not one of them that is in the way.
constexpr std::size_t most_locked_organizations = 4;
constexpr std::size_t most_locked_routes = 64;
/// A batch of reads that took so many times as long as expected holds a heavy one.
constexpr float surprise = 3;

float microseconds_of(TimePoint::duration time) {
  return std::chrono::duration<float, std::micro>{time}.count();
}

}  // namespace

Schedule::Schedule(const LaneLimits& limits, const SessionLimits& session, std::uint32_t most_lanes)
    : limits_(limits), session_(session), most_lanes_(most_lanes), running_(most_lanes) {}

// --- What waits ------------------------------------------------------------------------------

bool Schedule::is_heavy(const Request& request) const {
  const Access access = request.function->access;
  return access == Access::heavy_read ||
         (access == Access::list_read &&
          costs_.cost_of(request) >= microseconds_of(limits_.heavy_read_time));
}

JobQueue& Schedule::queue_for(const Job& job) {
  if (job.is_locked()) return queue_of(Work::locked);
  const Request& request = *job.request;
  if (job.access() == Access::handshake) return handshakes_;
  if (is_read(job)) return queue_of(is_heavy(request) ? Work::heavy_read : Work::read);
  const bool large = request.size_bytes() >= limits_.large_write_bytes;
  return queue_of(large ? Work::large_write : Work::write);
}

void Schedule::push_back(const Job& job) { queue_for(job).push_back(job.request->flow, job); }

void Schedule::push_front(const Job& job) { queue_for(job).push_front(job.request->flow, job); }

bool Schedule::push_locked(Job job, TimePoint now) {
  if (!job.is_locked()) job.locked_since = now;
  if (now - job.locked_since >= limits_.lock_patience) return false;
  const Request& request = *job.request;
  const auto known = std::ranges::find(locked_, request.route, &Locked::route);
  const TimePoint until = now + limits_.lock_patience;
  if (known != locked_.end()) {
    known->until = until;
  } else {
    if (locked_.size() == most_locked_routes) locked_.erase(locked_.begin());
    locked_.push_back({request.route, request.flow.organization, until});
  }
  queue_of(Work::locked).push_back(request.flow, job);
  return true;
}

std::size_t Schedule::waiting(Work work) const {
  return queue_of(work).size() + (work == Work::read ? handshakes_.size() : 0);
}

std::size_t Schedule::waiting() const {
  std::size_t sum = handshakes_.size();
  for (const JobQueue& queue : queues_) sum += queue.size();
  return sum;
}

// --- What may start --------------------------------------------------------------------------

std::uint32_t Schedule::most(Work work) const {
  switch (work) {
    case Work::read:
      // The others of six would make batches smaller, which costs PostgreSQL 7 to 14 % for each
      // read.
      return std::max(1U, most_lanes_ - most_lanes_ / 3);
    case Work::write:
      // Batches of writes only grow with fewer lanes, and commits that notify wait for each other.
      return std::max(1U, most_lanes_ / 3);
    case Work::heavy_read:
      return std::max(1U, most_lanes_ / 3);
    case Work::large_write:
    case Work::locked:
      return std::max(1U, most_lanes_ / 6);
  }
  return 0;
}

/// Lanes to leave free for reads and for small writes, which may come any time.
std::uint32_t Schedule::reserve(Work work) const {
  const auto needs_one = [&](Work other) { return work != other && running(other) == 0 ? 1U : 0U; };
  return needs_one(Work::read) + needs_one(Work::write);
}

bool Schedule::may_start(Work work, const Lanes& lanes) const {
  if (running(work) >= most(work)) return false;
  if (lanes.up > 2) return lanes.idle > reserve(work);
  // Too few to keep one for each: kinds take turns, and what may take long has one lane.
  if (work == Work::read || work == Work::write) return running(work) == 0;
  return running(Work::large_write) + running(Work::heavy_read) + running(Work::locked) == 0;
}

bool Schedule::waits_for_lane(const Lanes& lanes) const {
  for (std::size_t i = 0; i < work_kinds; ++i) {
    const auto work = static_cast<Work>(i);
    if (waiting(work) == 0 || running(work) >= most(work)) continue;
    if (lanes.idle == 0 || !may_start(work, lanes)) return true;
  }
  return false;
}

/// A kind that has no lane yet goes before one that has; else they take turns.
std::optional<Work> Schedule::take(const Lanes& lanes, TimePoint now, std::vector<Job>& segment) {
  assert(segment.empty());
  if (lanes.idle == 0) return std::nullopt;
  for (const bool has_lanes : {false, true}) {
    for (std::size_t i = 0; i < work_kinds; ++i) {
      const auto work = static_cast<Work>((next_kind_ + i) % work_kinds);
      if (waiting(work) == 0 || (running(work) > 0) != has_lanes) continue;
      if (!may_start(work, lanes)) continue;
      fill(work, lanes, now, segment);
      if (segment.empty()) continue;
      next_kind_ = (static_cast<std::size_t>(work) + 1) % work_kinds;
      return work;
    }
  }
  return std::nullopt;
}

void Schedule::started(std::size_t lane, Work work, std::span<const Job> segment) {
  Running& running = running_[lane];
  assert(!running.work && !segment.empty());
  running.work = work;
  ++running_counts_[static_cast<std::size_t>(work)];
  running.organization = segment.front().request->flow.organization;
  running.large = has_large(segment);
  running.routes.clear();
  if (is_read(segment.front())) return;
  for (const Job& job : segment) running.routes.push_back(job.request->route);
}

void Schedule::finished(std::size_t lane) {
  Running& running = running_[lane];
  if (!running.work) return;
  --running_counts_[static_cast<std::size_t>(*running.work)];
  running.work.reset();
  running.large = false;
  running.routes.clear();
}

// --- Filling a segment -----------------------------------------------------------------------

void Schedule::fill(Work work, const Lanes& lanes, TimePoint now, std::vector<Job>& segment) {
  switch (work) {
    case Work::read:
      return fill_reads(lanes, segment);
    case Work::write:
      return fill_writes(queue_of(work), limits_.segment_bytes, now, segment);
    case Work::large_write:
      return fill_writes(queue_of(work), limits_.large_segment_bytes, now, segment);
    case Work::heavy_read:
      return fill_heavy(segment);
    case Work::locked:
      return fill_locked(segment);
  }
}

/// Reads are dealt out evenly to the lanes that are free: one that took all of them would keep one
/// process of PostgreSQL busy, and the others waiting.
void Schedule::fill_reads(const Lanes& lanes, std::vector<Job>& segment) {
  JobQueue& reads = queue_of(Work::read);
  const std::size_t free_lanes = lanes.up > 2 ? std::min(lanes.idle - reserve(Work::read),
                                                         most(Work::read) - running(Work::read))
                                              : 1;
  const std::size_t share = (waiting(Work::read) + free_lanes - 1) / free_lanes;
  const std::size_t most =
      std::min(std::max(least_reads_of_a_segment, share), limits_.segment_requests);
  float time = 0;
  add_reads(handshakes_, reads.empty() ? most : (most + 1) / 2, time, segment);
  add_reads(reads, most, time, segment);
  add_reads(handshakes_, most, time, segment);
}

void Schedule::add_reads(JobQueue& queue, std::size_t most, float& time,
                         std::vector<Job>& segment) {
  if (queue.empty() || (!segment.empty() && segment.front().goes_alone())) return;
  const float most_time = microseconds_of(limits_.read_segment_time);
  std::size_t bytes = 0;
  JobQueue& heavy = queue_of(Work::heavy_read);
  queue.take([&](const Job& job) -> Decision {
    if (segment.size() >= most) return stop;
    const Request& request = *job.request;
    if (is_heavy(request)) {  // as is known since it was put here
      heavy.push_back(request.flow, job);
      return {Verdict::take, 1};
    }
    if (!segment.empty() && job.goes_alone()) return skip;
    const float cost = costs_.cost_of(request);
    if (!segment.empty() && time + cost > most_time) return stop;
    if (!segment.empty() && segment.front().goes_alone()) return stop;
    const std::size_t result_bytes = expected_bytes(job);
    if (!has_memory_for(result_bytes, segment)) return skip;
    if (!segment.empty() && bytes + result_bytes > limits_.segment_result_bytes / 2) return stop;
    segment.push_back(job);
    segment.back().expected_bytes = result_bytes;
    time += cost;
    bytes += result_bytes;
    return {Verdict::take, cost};
  });
}

void Schedule::fill_writes(JobQueue& queue, std::size_t most_bytes, TimePoint now,
                           std::vector<Job>& segment) {
  std::size_t bytes = 0;
  queue.take([&](const Job& job) -> Decision {
    const Request& request = *job.request;
    if (is_locked(request, now)) {
      Job locked = job;
      locked.locked_since = now;
      queue_of(Work::locked).push_back(request.flow, locked);
      return {Verdict::take, 1};
    }
    if (is_under_way(request.route)) return skip;
    if (!segment.empty()) {
      if (segment.size() >= limits_.segment_requests || segment.front().goes_alone()) return stop;
      if (bytes + request.size_bytes() > most_bytes || job.goes_alone()) return skip;
    }
    segment.push_back(job);
    bytes += request.size_bytes();
    return {Verdict::take, costs_.cost_of(request)};
  });
  std::ranges::sort(segment, locks_before);
}

void Schedule::fill_heavy(std::vector<Job>& segment) {
  const std::ptrdiff_t most_of_one = most(Work::heavy_read) > 3 ? 2 : 1;
  queue_of(Work::heavy_read).take([&](const Job& job) -> Decision {
    if (!segment.empty()) return stop;
    const auto is_its = [&](const Running& running) {
      return running.work == Work::heavy_read &&
             running.organization == job.request->flow.organization;
    };
    if (std::ranges::count_if(running_, is_its) >= most_of_one) return skip;
    const std::size_t result_bytes = expected_bytes(job);
    if (!has_memory_for(result_bytes, segment)) return skip;
    segment.push_back(job);
    segment.back().expected_bytes = result_bytes;
    return {Verdict::take, costs_.cost_of(*job.request)};
  });
}

void Schedule::fill_locked(std::vector<Job>& segment) {
  queue_of(Work::locked).take([&](const Job& job) -> Decision {
    if (!segment.empty()) return stop;
    if (is_under_way(job.request->route)) return skip;
    segment.push_back(job);
    return {Verdict::take, 1};
  });
}

bool Schedule::is_under_way(std::uint64_t route) const {
  return std::ranges::any_of(running_, [&](const Running& running) {
    return std::ranges::find(running.routes, route) != running.routes.end();
  });
}

// --- What is known ---------------------------------------------------------------------------

bool Schedule::is_locked(const Request& request, TimePoint now) {
  if (locked_.empty()) return false;
  std::erase_if(locked_, [&](const Locked& locked) { return locked.until <= now; });
  if (std::ranges::find(locked_, request.route, &Locked::route) != locked_.end()) return true;
  return std::ranges::count(locked_, request.flow.organization, &Locked::organization) >=
         locked_routes_of_a_suspect;
}

/// Waiting apart one by one would serve nobody then: a migration locks a table, for instance.
bool Schedule::many_are_locked() const {
  std::array<std::uint64_t, most_locked_organizations> seen{};
  std::size_t count = 0;
  for (const Locked& locked : locked_) {
    const std::span known{seen.data(), count};
    if (std::ranges::find(known, locked.organization) != known.end()) continue;
    if (count == seen.size()) return true;
    seen[count++] = locked.organization;
  }
  return false;
}

std::size_t Schedule::expected_bytes(const Job& job) const {
  return std::max(job.result_bytes, costs_.result_bytes_of(*job.request));
}

bool Schedule::has_large(std::span<const Job> segment) const {
  return std::ranges::any_of(segment, [&](const Job& job) {
    return is_read(job) && job.expected_bytes >= limits_.large_result_bytes;
  });
}

/// One at a time while memory is short: so it goes on as long as there is some.
bool Schedule::has_memory_for(std::size_t result_bytes, std::span<const Job> segment) const {
  using Pressure = engine::MemoryBudget::Pressure;
  if (pressure_ == Pressure::none || result_bytes < limits_.large_result_bytes) return true;
  return pressure_ == Pressure::high && !has_large(segment) &&
         std::ranges::none_of(running_, &Running::large);
}

Timeouts Schedule::timeouts_of(Work work) const {
  switch (work) {
    case Work::read:
      return {session_.lock_timeout, session_.statement_timeout};
    case Work::heavy_read:
      return {session_.lock_timeout, limits_.heavy_statement_timeout};
    case Work::locked:
      return {limits_.lock_turn, session_.statement_timeout};
    case Work::write:
    case Work::large_write:
      break;
  }
  return {many_are_locked() ? limits_.lock_patience : limits_.shared_lock_timeout,
          session_.statement_timeout};
}

void Schedule::note_executed(Work work, std::span<const Job> segment, TimePoint::duration time) {
  const float measured = microseconds_of(time);
  if (work == Work::locked) {
    // It got through: what it waited says nothing of its cost.
    std::erase_if(locked_, [&](const Locked& locked) {
      return locked.route == segment.front().request->route;
    });
    return;
  }
  const float heavy = microseconds_of(limits_.heavy_read_time);
  float expected = 0;
  for (const Job& job : segment) expected += costs_.cost_of(*job.request);
  costs_.note(segment, measured);
  if (work != Work::read || segment.size() == 1) return;
  // One of them was heavy, and the time does not say which. Each list is measured alone once.
  if (measured < 2 * heavy || measured < surprise * expected) return;
  for (const Job& job : segment) {
    if (job.access() == Access::list_read) costs_.suspect(*job.request, heavy);
  }
}

std::string_view name(Work work) {
  switch (work) {
    case Work::read:
      return "read";
    case Work::write:
      return "write";
    case Work::large_write:
      return "large_write";
    case Work::heavy_read:
      return "heavy_read";
    case Work::locked:
      return "locked";
  }
  return "";
}

}  // namespace parsec::db
