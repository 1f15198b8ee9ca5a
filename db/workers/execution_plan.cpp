#include "db/workers/execution_plan.h"

#include <algorithm>
#include <cstring>
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
  const SetStatement* before = reads ? nullptr : common_before(segment);
  group(segment, reads || before != nullptr);

  const bool has_set =
      std::any_of(groups_.begin(), groups_.begin() + static_cast<std::ptrdiff_t>(group_count_),
                  [](const Group& g) { return g.jobs.size() >= least_calls; });
  if (has_set && before != nullptr) {
    for (const Job& job : segment) before_.push_back(job.request);
    executions_.push_back({.set = before, .first = 0, .count = 0});
  }
  sorted_.clear();
  for (std::size_t i = 0; i < group_count_; ++i) {
    const Group& group = groups_[i];
    const bool is_set = group.set != nullptr && group.jobs.size() >= least_calls;
    if (is_set) {
      executions_.push_back(
          {.set = group.set, .first = sorted_.size(), .count = group.jobs.size()});
    }
    for (const std::size_t job : group.jobs) {
      if (!is_set) executions_.push_back({.set = nullptr, .first = sorted_.size(), .count = 1});
      sorted_.push_back(segment[job]);
    }
  }
  segment.swap(sorted_);
  for (const Job& job : segment) calls_.push_back(job.request);
}

/// Null: no sets in this segment.
const SetStatement* ExecutionPlan::common_before(std::span<const Job> segment) const {
  const SetStatement* common = nullptr;
  for (const Job& job : segment) {
    const SetStatement* set = job.request->function->set;
    if (set == nullptr || set->before == nullptr || job.no_set) return nullptr;
    if (common != nullptr && set->before != common) return nullptr;
    common = set->before;
  }
  return common;
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
