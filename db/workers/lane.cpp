#include "db/workers/lane.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

#include "db/driver/failure.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

constexpr std::string_view lock_not_available = "55P03";

/// Of a result's rows; of very many an average one.
std::size_t longest_row(const PGresult* result) {
  constexpr int most_looked_at = 4096;
  const int rows = PQntuples(result);
  if (rows > most_looked_at) return PQresultMemorySize(result) / static_cast<std::size_t>(rows);
  std::size_t longest = 0;
  for (int row = 0; row < rows; ++row) {
    std::size_t bytes = 0;
    for (int column = 0; column < PQnfields(result); ++column) {
      bytes += static_cast<std::size_t>(PQgetlength(result, row, column));
    }
    longest = std::max(longest, bytes);
  }
  return longest;
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
  session_timeouts_ = first_timeouts_;
  last_heard_ = now;
  state_ = State::idle;
  counters_.add(Count::connects);
}

void Lane::retire(TimePoint now) {
  assert(state_ == State::idle);
  disconnect(now);
}

void Lane::disconnect(TimePoint now) {
  pipeline_.reset();
  memory_.disconnected();
  large_buffers_since_.reset();
  wants_write_ = false;
  state_ = State::unused;
  down_since_ = now;
}

/// The connection is of no use any more.
void Lane::lose(TimePoint now, std::string_view why) {
  assert(is_up());
  counters_.add(Count::losses);
  log::warn("Lost a connection to the database",
            "Lost a connection to the database ({}), {} requests were under way",
            log::field("reason", why), log::field("requests", under_way()));
  disconnect(now);

  const bool nothing_committed = rolled_back_ || !sync_written_;
  // Back in the order they had: each goes before the ones given back already.
  for (const Job& job : std::exchange(again_, {})) host_.take_back(job);
  restore_order();
  const std::vector<Job> segment = std::exchange(segment_, {});
  for (const Job& job : segment) drop_result(*job.request);
  memory_.end();
  for (std::size_t i = segment.size(); i-- > 0;) {
    Job job = segment[i];
    if (!is_read(job) && !nothing_committed) {
      host_.answer(job, Outcome::unknown);
    } else if (job.resends >= limits_.read_resends ||
               now - job.submitted > limits_.resent_read_age) {
      host_.answer(job, Outcome::unavailable);
    } else {
      ++job.resends;
      counters_.add(Count::resends);
      host_.take_back(job);
    }
  }
}

// --- Sending ---------------------------------------------------------------------------------

void Lane::start(Work work, const Timeouts& timeouts, std::vector<Job>& segment, TimePoint now) {
  assert(state_ == State::idle && segment_.empty() && again_.empty() && !segment.empty());
  segment_.swap(segment);
  work_ = work;
  wanted_timeouts_ = timeouts;
  send_segment(now);
}

/// The next part of what was rolled back.
void Lane::send_again(TimePoint now) {
  assert(segment_.empty());
  do {
    segment_.push_back(again_.back());
    again_.pop_back();
  } while (!again_.empty() && !again_.back().goes_alone() && !segment_.back().goes_alone());
  send_segment(now);
}

void Lane::send_segment(TimePoint now) {
  state_ = State::busy;
  results_ = 0;
  sync_written_ = false;
  failed_ = false;
  failed_job_ = no_job;
  set_failed_ = false;
  rolled_back_ = false;
  last_heard_ = now;
  started_ = now;
  for (Job& job : segment_) job.started = now;
  counters_.add(Count::segments);
  if (is_read(segment_.front())) counters_.add(Count::read_segments);
  plan_.make(segment_);
  counters_.add(Count::executions, plan_.executions().size());
  std::size_t parameter_bytes = 0;
  std::size_t expected_bytes = 0;
  for (const Job& job : segment_) {
    parameter_bytes += job.request->size_bytes();
    expected_bytes += job.expected_bytes;
  }
  memory_.begin(parameter_bytes, expected_bytes);
  if (session_timeouts_ != wanted_timeouts_ &&
      !pipeline_->set_timeouts(wanted_timeouts_.lock, wanted_timeouts_.statement)) {
    return lose(now, "cannot send");
  }
  for (const Execution& execution : plan_.executions()) {
    if (!execute(execution)) return lose(now, "cannot send");
  }
  counters_.add(Count::prepares, pipeline_->take_prepared_count());
  if (!pipeline_->sync()) return lose(now, "cannot send");
  flush(now);
}

bool Lane::execute(const Execution& execution) {
  if (execution.set == nullptr) return pipeline_->execute(*segment_[execution.first].request);
  counters_.add(Count::sets, execution.count == 0 ? 0 : 1);
  counters_.add(Count::set_calls, execution.count);
  return pipeline_->execute(*execution.set, plan_.calls_of(execution));
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
  const bool at_commit = results_ == plan_.executions().size();
  switch (event.kind) {
    case Kind::rows:
      return take_result(std::move(event.result));
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

void Lane::take_result(ResultPtr result) {
  const Execution& execution = plan_.executions()[results_++];
  if (execution.set != nullptr) return take_results_of_set(execution, std::move(result));
  memory_.grow_for(longest_row(result.get()));
  take_result_of(segment_[execution.first], std::move(result));
}

void Lane::take_result_of(Job& job, ResultPtr result) {
  job.result_bytes = PQresultMemorySize(result.get());
  memory_.take(job.result_bytes);
  if (is_too_much(job)) return memory_.drop(job.result_bytes);
  job.request->result = result.release();
}

/// A call that the set could not answer keeps no result, and is executed again.
void Lane::take_results_of_set(const Execution& execution, ResultPtr result) {
  if (execution.count == 0) return;
  memory_.grow_for(longest_row(result.get()));
  assert(static_cast<std::size_t>(PQntuples(result.get())) == execution.count);
  for (std::size_t i = 0; i < execution.count; ++i) {
    Job& job = segment_[execution.first + i];
    const int row = static_cast<int>(i);
    if (Rows{result.get()}.text(row, 0) == call_alone) {
      job.no_set = true;
      continue;
    }
    take_result_of(job, row_as_result(result, row));
  }
}

/// The first result that is kept may be as large as it likes, unless memory is short; and so may
/// the only one.
bool Lane::is_too_much(const Job& job) const {
  if (!is_read(job) || segment_.size() == 1) return false;
  if (job.result_bytes < limits_.large_result_bytes) return false;
  if (budget_.pressure() != engine::MemoryBudget::Pressure::none) return true;
  const std::size_t held = memory_.result_bytes();
  return held > job.result_bytes && held > limits_.segment_result_bytes;
}

void Lane::drop_result(Request& request) {
  if (request.result == nullptr) return;
  memory_.drop(request.result_bytes());
  PQclear(request.result);
  request.result = nullptr;
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
  if (!at_commit) {
    const Execution& execution = plan_.executions()[results_];
    set_failed_ = execution.set != nullptr;
    failed_job_ = set_failed_ ? no_job : execution.first;
  }
  sqlstate_ = sqlstate;
  message_ = one_line(error_field(event.result, PG_DIAG_MESSAGE_PRIMARY));
  if (message_.empty()) message_ = one_line(PQresultErrorMessage(event.result.get()));
  const ServerError error{.sqlstate = sqlstate,
                          .schema = error_field(event.result, PG_DIAG_SCHEMA_NAME),
                          .table = error_field(event.result, PG_DIAG_TABLE_NAME),
                          .constraint = error_field(event.result, PG_DIAG_CONSTRAINT_NAME)};
  remedy_ = remedy_for(error);
  if (const std::string cure = cure_for(error); !cure.empty()) message_ += ". " + cure;
}

/// The Sync was answered.
void Lane::settle(TimePoint now) {
  if (failed_) {
    settle_failed(now);
  } else {
    assert(results_ == plan_.executions().size());
    session_timeouts_ = wanted_timeouts_;
    if (!is_read(segment_.front())) counters_.add(Count::commits);
    host_.executed(work_, segment_, now - started_);
    hand_over();
  }
  const bool large = memory_.buffer_bytes() > limits_.kept_buffer_bytes;
  if (is_up() && large && !large_buffers_since_) large_buffers_since_ = now;
  if (state_ == State::idle && !again_.empty()) send_again(now);
}

/// All that succeeded together: answered if its result was kept.
void Lane::hand_over() {
  memory_.end();
  for (const Execution& execution : plan_.executions() | std::views::reverse) {
    for (std::size_t i = execution.count; i-- > 0;) {
      Job again = segment_[execution.first + i];
      if (again.request->result != nullptr) continue;
      const bool was_dropped = execution.set == nullptr || !again.no_set;
      again.alone = again.alone || was_dropped;
      if (was_dropped) counters_.add(Count::dropped_results);
      host_.take_back(again);
    }
  }
  for (const Job& job : segment_) {
    if (job.request->result != nullptr) host_.answer(job, Outcome::ok);
  }
  segment_.clear();
}

/// As they came: sets had moved them.
void Lane::restore_order() {
  if (!segment_.empty() && !is_read(segment_.front())) std::ranges::sort(segment_, locks_before);
}

void Lane::settle_failed(TimePoint now) {
  counters_.add(Count::aborts);
  for (const Job& job : segment_) drop_result(*job.request);
  memory_.end();
  const Remedy remedy = remedy_;
  if (remedy == Remedy::reconnect) return lose(now, message_);
  if (remedy == Remedy::prepare) pipeline_->forget_statements();
  if (segment_.size() == 1) return settle_single(remedy);

  counters_.add(Count::replays, segment_.size());
  if (sqlstate_ == lock_not_available && failed_job_ != no_job && hand_over_locked()) return;
  const bool at_commit = failed_job_ == no_job && !set_failed_;
  if (failed_job_ != no_job) segment_[failed_job_].alone = true;
  restore_order();
  for (Job job : segment_ | std::views::reverse) {
    job.alone = job.alone || at_commit;
    job.no_set = job.no_set || set_failed_;
    again_.push_back(job);
  }
  segment_.clear();
}

/// Whoever else wants the lock that a write of this segment waited for in vain goes with it.
bool Lane::hand_over_locked() {
  const Job& failed = segment_[failed_job_];
  if (is_read(failed)) return false;
  counters_.add(Count::lock_waits);
  const std::uint64_t route = failed.request->route;
  restore_order();
  const auto stays = [&](const Job& job) {
    return job.request->route != route || !host_.take_locked(job);
  };
  std::erase_if(again_, std::not_fn(stays));
  std::ranges::copy_if(segment_ | std::views::reverse, std::back_inserter(again_), stays);
  segment_.clear();
  return true;
}

/// A request failed alone.
void Lane::settle_single(Remedy remedy) {
  Job job = segment_.front();
  segment_.clear();
  if (sqlstate_ == lock_not_available && !is_read(job)) {
    counters_.add(Count::lock_waits);
    if (host_.take_locked(job)) return;
  }
  job.alone = true;
  const unsigned tries = remedy == Remedy::again ? limits_.retries : 1;
  if (remedy == Remedy::prepare && !job.prepared_again) {
    job.prepared_again = true;
  } else if ((remedy == Remedy::again || (remedy == Remedy::once_again && is_read(job))) &&
             job.tries < tries) {
    ++job.tries;
  } else {
    std::memcpy(job.request->sqlstate, sqlstate_.data(),
                std::min<std::size_t>(sqlstate_.size(), 5));
    log::error("Database function failed", "{} failed: {} ({})",
               log::field("function", job.request->function->name), log::field("reason", message_),
               log::field("sqlstate", sqlstate_));
    return host_.answer(job, Outcome::failed);
  }
  counters_.add(Count::retries);
  again_.push_back(job);
}

// --- Time ------------------------------------------------------------------------------------

void Lane::check_time(TimePoint now) {
  if (state_ == State::busy && now - last_heard_ > limits_.silence) {
    lose(now, "it does not answer");
  }
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
