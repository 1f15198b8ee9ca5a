#include "db/lane.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "db/failure.h"
#include "engine/log.h"

namespace parsec::db {
namespace {

bool goes_alone(const Job& job) {
  const Access access = job.request->function->access;
  return job.alone || access == Access::solo_write || access == Access::heavy_read;
}

void drop_result(Request& request) {
  PQclear(request.result);
  request.result = nullptr;
}

std::string_view error_field(const ResultPtr& result, int code) {
  const char* text = PQresultErrorField(result.get(), code);
  return text != nullptr ? text : "";
}

}  // namespace

// --- Life ------------------------------------------------------------------------------------

void Lane::set_connecting(TimePoint now) {
  assert(state_ == State::unused);
  state_ = State::connecting;
  down_since_ = now;
}

void Lane::connected(Connection connection, TimePoint now) {
  assert(state_ == State::connecting && segment_.empty());
  pipeline_.emplace(std::move(connection));
  wants_write_ = false;
  last_heard_ = now;
  state_ = State::idle;
  counters_.add(Count::connects);
}

/// The connection is of no use any more.
void Lane::lose(TimePoint now, std::string_view why) {
  assert(is_up());
  counters_.add(Count::losses);
  log::warn("Lost a connection to the database ({}), {} requests were under way", why,
            segment_.size());
  pipeline_.reset();
  wants_write_ = false;
  state_ = State::unused;
  down_since_ = now;

  const bool nothing_committed = rolled_back_ || !sync_written_;
  const std::vector<Job> segment = std::exchange(segment_, {});
  for (std::size_t i = segment.size(); i-- > 0;) {
    Job job = segment[i];
    drop_result(*job.request);
    if (!is_read(job) && !nothing_committed) {
      host_.answer(job, Outcome::unknown);
    } else if (job.resends >= limits_.read_resends ||
               now - job.submitted > limits_.resent_read_age) {
      host_.answer(job, Outcome::unavailable);
    } else {
      ++job.resends;
      counters_.add(Count::resends);
      queue_of(job).push_front(job);
    }
  }
}

// --- Sending ---------------------------------------------------------------------------------

/// The queue the next segment comes from; null: nothing waits.
Queue<Job>* Lane::next_queue() {
  const bool has_reads = reads_ != nullptr && !reads_->empty();
  if (has_reads && (writes_.empty() || last_was_write_)) return reads_;
  return writes_.empty() ? nullptr : &writes_;
}

void Lane::take_segment(Queue<Job>& queue, std::size_t most) {
  assert(segment_.empty());
  std::size_t bytes = 0;
  do {
    const Job job = queue.pop_front();
    segment_.push_back(job);
    bytes += job.request->size_bytes();
    if (goes_alone(job)) break;
  } while (!queue.empty() && !goes_alone(queue.front()) && segment_.size() < most &&
           bytes + queue.front().request->size_bytes() <= limits_.segment_bytes);
  last_was_write_ = !is_read(segment_.front());
  if (!last_was_write_) return;
  // Every server takes the locks of a transaction in this order, so that none waits in a circle.
  std::ranges::sort(segment_, {}, [](const Job& job) {
    return std::pair{job.request->route, job.sequence};
  });
}

void Lane::start_segment(TimePoint now, std::size_t most_reads) {
  assert(state_ == State::idle);
  Queue<Job>* const queue = next_queue();
  if (queue == nullptr) return;
  take_segment(*queue, queue == reads_ ? std::min(most_reads, limits_.segment_requests)
                                       : limits_.segment_requests);
  send_segment(now);
}

void Lane::send_segment(TimePoint now) {
  state_ = State::busy;
  results_ = 0;
  sync_written_ = false;
  failed_ = false;
  failed_job_ = no_job;
  rolled_back_ = false;
  last_heard_ = now;
  counters_.add(Count::segments);
  if (!last_was_write_) counters_.add(Count::read_segments);
  counters_.add(Count::executions, segment_.size());
  for (const Job& job : segment_) {
    if (!pipeline_->execute(*job.request)) return lose(now, "cannot send");
  }
  counters_.add(Count::prepares, pipeline_->take_prepared_count());
  if (!pipeline_->sync()) return lose(now, "cannot send");
  flush(now);
}

void Lane::flush(TimePoint now) {
  switch (pipeline_->flush()) {
    case Pipeline::Flush::done:
      wants_write_ = false;
      sync_written_ = true;
      return;
    case Pipeline::Flush::pending:
      wants_write_ = true;
      return;
    case Pipeline::Flush::lost:
      return lose(now, "cannot send");
  }
}

void Lane::on_writable(TimePoint now) {
  if (is_up() && wants_write_) flush(now);
}

// --- Receiving -------------------------------------------------------------------------------

void Lane::on_readable(TimePoint now) {
  if (!is_up()) return;
  last_heard_ = now;
  const bool alive = pipeline_->receive();
  while (is_up()) {
    Pipeline::Event event = pipeline_->next_event();
    if (event.kind == Pipeline::Event::Kind::none) break;
    handle(std::move(event), now);
  }
  if (is_up() && !alive) lose(now, "the server closed it");
}

void Lane::handle(Pipeline::Event event, TimePoint now) {
  using Kind = Pipeline::Event::Kind;
  assert(state_ == State::busy);
  const bool at_commit = results_ == segment_.size();
  switch (event.kind) {
    case Kind::rows:
      segment_[results_++].request->result = event.result.release();
      return;
    case Kind::skipped:
      ++results_;
      return;
    case Kind::error: {
      note_error(event, at_commit);
      if (!at_commit) ++results_;
      const std::string_view severity = error_field(event.result, PG_DIAG_SEVERITY_NONLOCALIZED);
      if (severity != "ERROR") lose(now, message_);
      return;
    }
    case Kind::synced:
      state_ = State::idle;
      return settle(now);
    case Kind::none:
      return;
  }
}

void Lane::note_error(const Pipeline::Event& event, bool at_commit) {
  const std::string_view sqlstate = error_field(event.result, PG_DIAG_SQLSTATE);
  const bool last_word = error_field(event.result, PG_DIAG_SEVERITY_NONLOCALIZED) != "ERROR";
  // What PostgreSQL says of an execution it says before it comes to the Sync, even if it is its
  // last word (FATAL). At the commit its last word may come after the commit. Without an SQLSTATE
  // it is not PostgreSQL that speaks, but libpq about the connection.
  if (!sqlstate.empty() && (!at_commit || !last_word)) rolled_back_ = true;
  if (failed_) return;
  failed_ = true;
  failed_job_ = at_commit ? no_job : results_;
  sqlstate_ = sqlstate;
  message_ = one_line(error_field(event.result, PG_DIAG_MESSAGE_PRIMARY));
  if (message_.empty()) message_ = one_line(PQresultErrorMessage(event.result.get()));
}

/// The Sync was answered.
void Lane::settle(TimePoint now) {
  if (failed_) return settle_failed(now);
  assert(results_ == segment_.size());
  if (last_was_write_) counters_.add(Count::commits);
  for (const Job& job : segment_) host_.answer(job, Outcome::ok);
  segment_.clear();
}

void Lane::settle_failed(TimePoint now) {
  counters_.add(Count::aborts);
  for (const Job& job : segment_) drop_result(*job.request);
  const Remedy remedy = remedy_for(sqlstate_);
  if (remedy == Remedy::reconnect) return lose(now, message_);
  if (remedy == Remedy::prepare) pipeline_->forget_statements();

  if (segment_.size() == 1) {
    Job job = segment_.front();
    segment_.clear();
    job.alone = true;
    const unsigned tries = remedy == Remedy::again ? limits_.retries : 1;
    if (remedy == Remedy::prepare && !job.prepared_again) {
      job.prepared_again = true;
    } else if ((remedy == Remedy::again || remedy == Remedy::once_again) && job.tries < tries) {
      ++job.tries;
    } else {
      std::memcpy(job.request->sqlstate, sqlstate_.data(),
                  std::min<std::size_t>(sqlstate_.size(), 5));
      log::error("{} failed: {} ({})", job.request->function->name, message_, sqlstate_);
      return host_.answer(job, Outcome::failed);
    }
    counters_.add(Count::retries);
    return queue_of(job).push_front(job);
  }
  counters_.add(Count::replays, segment_.size());
  for (std::size_t i = segment_.size(); i-- > 0;) {
    Job job = segment_[i];
    if (failed_job_ == no_job || failed_job_ == i) job.alone = true;
    queue_of(job).push_front(job);
  }
  segment_.clear();
}

// --- Time ------------------------------------------------------------------------------------

void Lane::check_time(TimePoint now) {
  if (state_ == State::busy && now - last_heard_ > limits_.silence) {
    lose(now, "it does not answer");
  }
  if (writes_.empty()) return;
  writes_.extract_if([&](const Job& job) {
    const auto expires = is_up() ? job.submitted + limits_.queue_age
                                 : std::max(job.submitted, down_since_) + limits_.unavailable_after;
    if (now <= expires) return false;
    host_.answer(job, Outcome::unavailable);
    return true;
  });
}

std::string_view name(Lane::State state) {
  switch (state) {
    case Lane::State::unused:
      return "unused";
    case Lane::State::connecting:
      return "connecting";
    case Lane::State::idle:
      return "idle";
    case Lane::State::busy:
      return "busy";
  }
  return "";
}

}  // namespace parsec::db
