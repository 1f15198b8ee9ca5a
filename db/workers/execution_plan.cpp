#include "db/workers/execution_plan.h"

#include <algorithm>
#include <string_view>

namespace parsec::db {
namespace {

std::string_view value_of(const Request& call, int parameter) {
  const auto& value = call.parameters()[static_cast<std::size_t>(parameter)];
  return {call.parameter_data(value), static_cast<std::size_t>(std::max(value.length, 0))};
}

bool may_share(const Job& job) {
  if (job.request->function->set == nullptr || job.no_set || job.alone) return false;
  // What nobody has seen yet may be long.
  return !is_read(job) ||
         (job.expected_bytes > 0 && job.expected_bytes <= ExecutionPlan::most_expected_bytes);
}

}  // namespace

std::span<const Request* const> ExecutionPlan::calls_of(const Execution& execution) const {
  if (execution.count == 0) return before_;
  return std::span{calls_}.subspan(execution.first, execution.count);
}

void ExecutionPlan::make(std::vector<Job>& segment) {
  executions_.clear();
  calls_.clear();
  before_.clear();
  const bool reads = is_read(segment.front());
  group(segment, reads || may_have_sets(segment));
  if (!reads && std::ranges::any_of(groups(), is_set)) add_before(segment);
  sorted_.clear();
  for (const Group& group : groups()) {
    if (is_set(group)) {
      executions_.push_back(
          {.set = group.set, .first = sorted_.size(), .count = group.jobs.size()});
    }
    for (const std::size_t job : group.jobs) {
      if (!is_set(group)) {
        executions_.push_back({.set = nullptr, .first = sorted_.size(), .count = 1});
      }
      sorted_.push_back(segment[job]);
    }
  }
  segment.swap(sorted_);
  for (const Job& job : segment) calls_.push_back(job.request);
}

void ExecutionPlan::add_before(std::span<const Job> segment) {
  const SetStatement* before = nullptr;
  for (const Job& job : segment) {
    if (job.request->function->set->before == nullptr) continue;
    before = job.request->function->set->before;
    before_.push_back(job.request);
  }
  if (before != nullptr) executions_.push_back({.set = before, .first = 0, .count = 0});
}

bool ExecutionPlan::may_have_sets(std::span<const Job> writes) {
  const SetStatement* before = nullptr;
  for (const Job& job : writes) {
    const SetStatement* set = job.request->function->set;
    if (set == nullptr || job.no_set || job.alone) return false;
    if (set->before == nullptr) continue;
    if (before != nullptr && set->before != before) return false;
    before = set->before;
  }
  return true;
}

void ExecutionPlan::group(std::span<const Job> segment, bool with_sets) {
  group_count_ = 0;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    Group& group = with_sets && may_share(segment[i]) ? group_for(segment, i) : add_group(nullptr);
    group.jobs.push_back(i);
  }
}

/// The last one that holds nothing equal, so that equals keep their order.
ExecutionPlan::Group& ExecutionPlan::group_for(std::span<const Job> segment, std::size_t job) {
  const Request& call = *segment[job].request;
  const SetStatement* set = call.function->set;
  Group* found = nullptr;
  for (std::size_t i = 0; i < group_count_; ++i) {
    Group& group = groups_[i];
    if (group.set != set) continue;
    const auto is_equal = [&](std::size_t other) {
      return value_of(*segment[other].request, set->distinct) == value_of(call, set->distinct);
    };
    if (set->distinct >= 0 && std::ranges::any_of(group.jobs, is_equal)) {
      found = nullptr;
    } else if (found == nullptr) {
      found = &group;
    }
  }
  return found != nullptr ? *found : add_group(set);
}

ExecutionPlan::Group& ExecutionPlan::add_group(const SetStatement* set) {
  if (group_count_ == groups_.size()) groups_.emplace_back();
  Group& group = groups_[group_count_++];
  group.set = set;
  group.jobs.clear();
  return group;
}

}  // namespace parsec::db
