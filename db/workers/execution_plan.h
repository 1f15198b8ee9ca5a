// What a segment is sent as: calls of one function that are in it together become one statement
// (db/driver/call_set.h), the others go one by one.
//
// Sets form from what is there; nobody waits for company. A few calls are not worth one: starting a
// statement over arrays costs as much as some calls of the function.
//
// Order: calls that are equal in SetStatement::distinct (of one vlob) keep theirs, in different
// executions. Locks: what `before` takes for the whole segment, it takes in the segment's order,
// which is the one of all servers (db/functions/route.h). So a segment of writes has sets only if
// all its functions have one, and name the same `before` or none: those lock nothing by themselves.
//
// One thread: its lane's. Memory is kept from segment to segment.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "db/driver/call_set.h"
#include "db/workers/job.h"

namespace parsec::db {

struct Execution {
  const SetStatement* set = nullptr;  // null: a single call
  std::size_t first = 0;              // its jobs in the segment
  std::size_t count = 1;              // 0: it comes before them, for all of them
};

class ExecutionPlan {
 public:
  /// Fewer calls go one by one.
  static constexpr std::size_t least_calls = 4;
  /// Of a set of reads, so that what comes back at once is bounded: longer results are expected
  /// alone.
  static constexpr std::size_t most_expected_bytes = 64 << 10;

  /// Moves the jobs of a set next to each other.
  void make(std::vector<Job>& segment);

  std::span<const Execution> executions() const { return executions_; }
  /// What an execution is about, `before` included.
  std::span<const Request* const> calls_of(const Execution& execution) const;

 private:
  struct Group {
    const SetStatement* set;  // null: one that goes alone
    std::vector<std::size_t> jobs;
  };
  static bool is_set(const Group& group) {
    return group.set != nullptr && group.jobs.size() >= least_calls;
  }

  static bool may_have_sets(std::span<const Job> writes);
  void add_before(std::span<const Job> segment);
  void group(std::span<const Job> segment, bool with_sets);
  std::span<const Group> groups() const { return std::span{groups_}.first(group_count_); }
  Group& group_for(std::span<const Job> segment, std::size_t job);
  Group& add_group(const SetStatement* set);

  std::vector<Group> groups_;
  std::size_t group_count_ = 0;  // of those, in use
  std::vector<Job> sorted_;
  std::vector<Execution> executions_;
  std::vector<const Request*> calls_;   // of the segment, as it is now
  std::vector<const Request*> before_;  // and as it came
};

}  // namespace parsec::db
