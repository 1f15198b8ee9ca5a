// https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
#include "db/driver/pipeline.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <string>
#include <string_view>
#include <utility>

namespace parsec::db {
namespace {

constexpr int binary = 1;

/// FATAL or PANIC: the connection ends with it.
bool is_last_word(const PGresult* error) {
  const char* severity = PQresultErrorField(error, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity != nullptr && std::string_view{severity} != "ERROR";
}

}  // namespace

Pipeline::Pipeline(Connection connection) : connection_(std::move(connection)) {
  PQsetnonblocking(connection_.native(), 1);
  const int entered = PQenterPipelineMode(connection_.native());
  assert(entered == 1);
  static_cast<void>(entered);
}

bool Pipeline::execute(const Request& request) {
  const auto parameters = request.parameters();
  assert(static_cast<int>(parameters.size()) == request.function->parameter_count);
  values_.clear();
  lengths_.clear();
  for (const auto& parameter : parameters) {
    const bool null = parameter.length < 0;
    // An empty value needs an address all the same: for libpq no address means null.
    const char* data = parameter.length == 0 ? "" : request.parameter_data(parameter);
    values_.push_back(null ? nullptr : data);
    lengths_.push_back(null ? 0 : parameter.length);
  }
  return send(*request.function, values_.data(), lengths_.data());
}

bool Pipeline::execute(const SetStatement& statement, std::span<const Request* const> calls) {
  set_parameters_.fill(statement, calls);
  return send(statement.function, set_parameters_.values().data(),
              set_parameters_.lengths().data());
}

bool Pipeline::send(const Function& function, const char* const* values, const int* lengths) {
  if (!is_prepared(&function) && !prepare(function)) return false;
  const auto count = static_cast<std::size_t>(function.parameter_count);
  if (formats_.size() < count) formats_.resize(count, binary);
  expected_.push_back({Step::execute, &function});
  return PQsendQueryPrepared(connection_.native(), function.name, function.parameter_count, values,
                             lengths, formats_.data(), binary) == 1;
}

bool Pipeline::prepare(const Function& function) {
  if (deallocate_) {
    deallocate_ = false;
    expected_.push_back({Step::deallocate, nullptr});
    if (PQsendQueryParams(connection_.native(), "DEALLOCATE ALL", 0, nullptr, nullptr, nullptr,
                          nullptr, binary) != 1) {
      return false;
    }
  }
  // Counts as prepared for what follows in the pipeline; taken back if it fails.
  prepared_.push_back(&function);
  ++prepared_count_;
  expected_.push_back({Step::prepare, &function});
  const std::string sql = connection_.resolved(function.sql);
  return PQsendPrepare(connection_.native(), function.name, sql.c_str(), 0, nullptr) == 1;
}

bool Pipeline::set_timeouts(std::chrono::milliseconds lock, std::chrono::milliseconds statement) {
  expected_.push_back({Step::setting, nullptr});
  const std::string lock_text = std::to_string(lock.count());
  const std::string statement_text = std::to_string(statement.count());
  const std::array values{lock_text.c_str(), statement_text.c_str()};
  return PQsendQueryParams(connection_.native(),
                           "SELECT set_config('lock_timeout', $1, false),"
                           " set_config('statement_timeout', $2, false)",
                           values.size(), nullptr, values.data(), nullptr, nullptr, binary) == 1;
}

bool Pipeline::is_prepared(const Function* function) const {
  return std::ranges::find(prepared_, function) != prepared_.end();
}

void Pipeline::forget_statements() {
  prepared_.clear();
  deallocate_ = true;
}

bool Pipeline::sync() {
  expected_.push_back({Step::sync, nullptr});
  return PQpipelineSync(connection_.native()) == 1;
}

Pipeline::Flush Pipeline::flush() {
  switch (PQflush(connection_.native())) {
    case 0:
      return Flush::done;
    case 1:
      return Flush::pending;
    default:
      return Flush::lost;
  }
}

bool Pipeline::receive() { return PQconsumeInput(connection_.native()) == 1; }

Pipeline::Event Pipeline::next_event() {
  while (!expected_.empty() && PQisBusy(connection_.native()) == 0) {
    ResultPtr result{PQgetResult(connection_.native())};
    if (result == nullptr) {
      // The end of one statement's results. Without it, libpq has nothing although we wait: the
      // connection is lost, which receive() says.
      if (!std::exchange(end_of_results_, false)) return {};
      continue;
    }
    Event event = take(std::move(result));
    if (event.kind != Event::Kind::none) return event;
  }
  return {};
}

/// Of the result that is next in the pipeline. `none`: of no interest to the caller.
Pipeline::Event Pipeline::take(ResultPtr result) {
  const auto status = PQresultStatus(result.get());
  const Expected expected = expected_.front();
  if (status == PGRES_PIPELINE_SYNC) {
    assert(expected.step == Step::sync);
    expected_.pop_front();
    end_of_results_ = false;
    return {Event::Kind::synced, nullptr};
  }
  end_of_results_ = true;
  // The commit itself failed; the Sync's own answer still follows.
  if (expected.step == Step::sync) return {Event::Kind::error, std::move(result)};
  expected_.pop_front();
  const bool failed = status == PGRES_FATAL_ERROR;
  const bool skipped = status == PGRES_PIPELINE_ABORTED;
  if (expected.step != Step::execute) {
    // PostgreSQL's last word: no execution is there to tell it.
    if (failed && is_last_word(result.get())) return {Event::Kind::error, std::move(result)};
    if (failed) prepare_error_ = std::move(result);
    if ((failed || skipped) && expected.step != Step::setting) {
      std::erase(prepared_, expected.function);
      deallocate_ = deallocate_ || expected.step == Step::deallocate;
    }
    return {};
  }
  if (skipped && prepare_error_) return {Event::Kind::error, std::move(prepare_error_)};
  if (skipped) return {Event::Kind::skipped, nullptr};
  return {failed ? Event::Kind::error : Event::Kind::rows, std::move(result)};
}

}  // namespace parsec::db
