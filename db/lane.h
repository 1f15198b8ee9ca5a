// One connection of a worker, and the requests on their way through it.
//
// While a segment is under way, new requests wait and form the next one: the busier the database,
// the bigger the batches (there is no timer). One segment at a time, because a replay must not
// overtake what came after it on the same route.
//
//   unused --request--> connecting --connected()--> idle <--> busy (a segment is under way)
//                            ^-------------- lose() ------------+
//
// Rules (storage contract §2):
//  * What a segment holds is answered after its Sync was: what it acknowledges is committed.
//  * An error rolls the segment back. The request that failed is marked `alone` and all are sent
//    again: those before it, it alone, those after it. Only if it fails alone it failed.
//  * A lost connection: reads go to another one. So do writes that are known to be rolled back
//    (PostgreSQL reported an error before it came to the Sync, or never got the Sync). The other
//    writes may be committed or not: Outcome::unknown.
//
// Worker's thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/counters.h"
#include "db/pipeline.h"
#include "db/queue.h"
#include "db/request.h"
#include "db/settings.h"

namespace parsec::db {

using TimePoint = std::chrono::steady_clock::time_point;

/// A request in the hands of a worker.
struct Job {
  Request* request = nullptr;
  std::uint64_t sequence = 0;  // orders jobs of one route
  TimePoint submitted;
  std::uint32_t shard = 0;
  std::uint8_t tries = 0;       // that failed for a reason that passes
  std::uint8_t resends = 0;     // after a lost connection
  bool alone = false;           // in a segment of its own
  bool prepared_again = false;  // its statement was out of date once
};

inline bool is_read(const Job& job) {
  return !is_write(job.request->function->access);
}

/// Where a lane's requests come from and their answers go.
class LaneHost {
 public:
  virtual ~LaneHost() = default;
  virtual void answer(const Job& job, Outcome outcome) = 0;
};

class Lane {
 public:
  enum class State : std::uint8_t { unused, connecting, idle, busy };

  /// reads: the queue this lane takes reads from, shared with other lanes; null: none.
  Lane(const LaneLimits& limits, LaneHost& host, Counters& counters, Queue<Job>* reads)
      : limits_(limits), host_(host), counters_(counters), reads_(reads) {}

  State state() const { return state_; }
  bool is_up() const { return state_ == State::idle || state_ == State::busy; }
  bool serves_reads() const { return reads_ != nullptr; }
  Queue<Job>& writes() { return writes_; }
  std::size_t under_way() const { return segment_.size(); }
  TimePoint down_since() const { return down_since_; }

  /// Somebody opens a connection for it.
  void set_connecting(TimePoint now);
  void connected(Connection connection, TimePoint now);

  /// When idle: sends the next segment, if there is something to send, of so many reads at most.
  void start_segment(TimePoint now, std::size_t most_reads);

  // When the socket is ready.
  void on_readable(TimePoint now);
  void on_writable(TimePoint now);
  /// -1: no connection.
  int fd() const { return pipeline_ ? pipeline_->fd() : -1; }
  bool wants_write() const { return wants_write_; }

  /// Gives up a connection that does not answer, and requests that waited too long.
  void check_time(TimePoint now);

 private:
  Queue<Job>* next_queue();
  void take_segment(Queue<Job>& queue, std::size_t most);
  void send_segment(TimePoint now);
  void flush(TimePoint now);
  void handle(Pipeline::Event event, TimePoint now);
  void note_error(const Pipeline::Event& event, bool at_commit);
  void settle(TimePoint now);
  void settle_failed(TimePoint now);
  void lose(TimePoint now, std::string_view why);
  void send_again(const Job& job);
  Queue<Job>& queue_of(const Job& job) { return is_read(job) ? *reads_ : writes_; }

  const LaneLimits& limits_;
  LaneHost& host_;
  Counters& counters_;
  Queue<Job>* const reads_;
  Queue<Job> writes_;

  State state_ = State::unused;
  TimePoint down_since_;
  std::optional<Pipeline> pipeline_;
  bool wants_write_ = false;

  // The segment under way.
  static constexpr std::size_t no_job = SIZE_MAX;
  std::vector<Job> segment_;
  std::size_t results_ = 0;          // executions that were answered
  bool sync_written_ = false;        // the kernel has the Sync
  bool failed_ = false;              // PostgreSQL reported an error
  std::size_t failed_job_ = no_job;  // whose; none: the commit's
  bool rolled_back_ = false;         // by that error, for certain
  std::string sqlstate_;
  std::string message_;
  TimePoint last_heard_;
  bool last_was_write_ = false;  // for lanes that serve both, to alternate
};

std::string_view name(Lane::State state);

}  // namespace parsec::db
