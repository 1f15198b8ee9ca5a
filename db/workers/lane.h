// One connection of a worker, and the segment under way on it: requests that PostgreSQL executes in
// one transaction. What goes into a segment is the schedule's business (schedule.h), what becomes
// of it this one's.
//
// While a segment is under way, new requests wait and form the next one: the busier the database,
// the bigger the batches (there is no timer). One segment at a time, because a replay must not
// overtake what came after it on the same route.
//
//   unused --set_connecting()--> connecting --connected()--> idle <--> busy (a segment is under
//   way)
//                                     ^-------------- lose() ------------+
//
// Rules (storage contract §2):
//  * What a segment holds is answered after its Sync was: what it acknowledges is committed.
//  * An error rolls the segment back. The request that failed is marked `alone` and all are sent
//    again: those before it, it alone, those after it. Only if it fails alone it failed.
//  * An error of a set (execution_plan.h) tells nothing of one of its calls: all of the segment are
//    sent again, without sets.
//  * A write that met a lock which somebody keeps goes back to the host, and the others go on.
//  * Results wait for the Sync here. Reads whose results are too many bytes together, or large
//  while
//    memory is short, keep nothing of them and go back to the host, to be executed alone.
//  * A lost connection: reads go to another one. So do writes that are known to be rolled back
//    (PostgreSQL reported an error before it came to the Sync, or never got the Sync). The other
//    writes may be committed or not: Outcome::unknown.
//
// Worker's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/driver/counters.h"
#include "db/driver/failure.h"
#include "db/driver/pipeline.h"
#include "db/driver/settings.h"
#include "db/workers/execution_plan.h"
#include "db/workers/job.h"
#include "db/workers/lane_memory.h"
#include "db/workers/schedule.h"

namespace parsec::db {

/// Where a lane's requests go to.
class LaneHost {
 public:
  virtual ~LaneHost() = default;
  virtual void answer(const Job& job, Outcome outcome) = 0;
  /// It is to be executed on another connection.
  virtual void take_back(const Job& job) = 0;
  /// It waited for a lock in vain, and may wait again. False: it has waited long enough.
  virtual bool take_locked(const Job& job) = 0;
  /// Executed and committed in this time; their answers follow.
  virtual void executed(Work work, std::span<const Job> segment, TimePoint::duration time) = 0;
};

class Lane {
 public:
  enum class State : std::uint8_t { unused, connecting, idle, busy };

  /// held: the worker's share.
  Lane(const Settings& settings, LaneHost& host, Counters& counters,
       const engine::MemoryBudget& budget, engine::MemoryBudget::Share& held)
      : limits_(settings.lane),
        first_timeouts_{settings.session.lock_timeout, settings.session.statement_timeout},
        host_(host),
        counters_(counters),
        budget_(budget),
        memory_(held) {}

  State state() const { return state_; }
  bool is_up() const { return state_ == State::idle || state_ == State::busy; }
  std::size_t under_way() const { return segment_.size() + again_.size(); }
  /// What it does, or did last.
  Work work() const { return work_; }

  /// Somebody opens a connection for it.
  void set_connecting(TimePoint now);
  void connected(Connection connection, TimePoint now);

  /// When idle: sends a segment, which is swapped for an empty one.
  void start(Work work, const Timeouts& timeouts, std::vector<Job>& segment, TimePoint now);

  /// When idle: closes the connection.
  void retire(TimePoint now);
  /// Its buffers grew so large that they should go back to the allocator: since then.
  std::optional<TimePoint> large_buffers_since() const { return large_buffers_since_; }

  // When the socket is ready.
  void on_readable(TimePoint now);
  void on_writable(TimePoint now);
  /// -1: no connection.
  int fd() const { return pipeline_ ? pipeline_->fd() : -1; }
  bool wants_write() const { return wants_write_; }

  /// Gives up a connection that does not answer.
  void check_time(TimePoint now);

 private:
  void send_segment(TimePoint now);
  void send_again(TimePoint now);
  void flush(TimePoint now);
  void handle(Pipeline::Event event, TimePoint now);
  void take_result(ResultPtr result);
  void take_result_of(Job& job, ResultPtr result);
  void take_results_of_set(const Execution& execution, ResultPtr result);
  bool execute(const Execution& execution);
  bool is_too_much(const Job& job) const;
  void drop_result(Request& request);
  void hand_over();
  void restore_order();
  void disconnect(TimePoint now);
  void note_error(const Pipeline::Event& event, bool at_commit);
  void settle(TimePoint now);
  void settle_failed(TimePoint now);
  void lose(TimePoint now, std::string_view why);
  bool hand_over_locked();
  void settle_single(Remedy remedy);

  const LaneLimits& limits_;
  const Timeouts first_timeouts_;  // of a new connection
  LaneHost& host_;
  Counters& counters_;
  const engine::MemoryBudget& budget_;
  LaneMemory memory_;
  std::optional<TimePoint> large_buffers_since_;

  State state_ = State::unused;
  TimePoint down_since_;
  std::optional<Pipeline> pipeline_;
  bool wants_write_ = false;

  // The segment under way.
  static constexpr std::size_t no_job = SIZE_MAX;
  Work work_ = Work::read;
  std::vector<Job> segment_;
  std::vector<Job> again_;  // that were rolled back with another's error, last ones first
  TimePoint started_;
  ExecutionPlan plan_;
  std::size_t results_ = 0;          // executions that were answered
  bool sync_written_ = false;        // the kernel has the Sync
  bool failed_ = false;              // PostgreSQL reported an error
  std::size_t failed_job_ = no_job;  // whose; none: the commit's, or a set's
  bool set_failed_ = false;
  bool rolled_back_ = false;      // by that error, for certain
  Remedy remedy_ = Remedy::none;  // of that error
  std::string sqlstate_;
  std::string message_;
  TimePoint last_heard_;

  Timeouts wanted_timeouts_{};   // of the segment
  Timeouts session_timeouts_{};  // of PostgreSQL's session
};

std::string_view name(Lane::State state);

}  // namespace parsec::db
