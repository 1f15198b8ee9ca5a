// What becomes one statement, and in which order.
#include "db/workers/execution_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/db/made_jobs.h"

namespace parsec::db {
namespace {

using ::testing::ElementsAre;

constexpr std::array one_type{SqlType::text};
const SetStatement before{.function = {"before", "", 1, Access::shared_write}, .types = one_type};
const SetStatement writes{.function = {"writes", "", 1, Access::shared_write},
                          .types = one_type,
                          .distinct = 0,
                          .before = &before};
const SetStatement others{
    .function = {"others", "", 1, Access::shared_write}, .types = one_type, .before = &before};
const SetStatement reads{.function = {"reads", "", 1, Access::read}, .types = one_type};
const SetStatement free_writes{.function = {"free", "", 1, Access::shared_write},
                               .types = one_type};
const Function free_write{"free_write", "", 1, Access::shared_write, &free_writes};
const Function write{"write", "", 1, Access::shared_write, &writes};
const Function other{"other", "", 1, Access::shared_write, &others};
const Function lone{"lone", "", 1, Access::shared_write};
const Function read{"read", "", 1, Access::read, &reads};

class ExecutionPlanTest : public ::testing::Test {
 protected:
  /// Its number in what sent() says is its place in the order of calls.
  void add(const Function& function, std::string_view value = {}) {
    const std::string own = std::to_string(segment.size());
    segment.push_back(jobs.make(function, {}, segment.size()));
    segment.back().request->text(value.empty() ? own : value);
    if (is_read(segment.back())) segment.back().expected_bytes = 100;
  }
  void add(const Function& function, int count) {
    for (int i = 0; i < count; ++i) add(function);
  }

  /// "set: 0 1 2 3", "0" of a single call.
  std::vector<std::string> sent() {
    plan.make(segment);
    std::vector<std::string> executions;
    for (const Execution& execution : plan.executions()) {
      std::string text =
          execution.set != nullptr ? std::string{execution.set->function.name} + ":" : "";
      for (const Request* call : plan.calls_of(execution)) {
        text += (text.empty() ? "" : " ") + std::to_string(call->tag - 1);
      }
      if (execution.set == nullptr)
        text = std::to_string(segment[execution.first].request->tag - 1);
      executions.push_back(text);
      for (std::size_t i = 0; i < execution.count; ++i) {
        EXPECT_EQ(segment[execution.first + i].request, plan.calls_of(execution)[i]);
      }
    }
    return executions;
  }

  testing::MadeJobs jobs;
  std::vector<Job> segment;
  ExecutionPlan plan;
};

TEST_F(ExecutionPlanTest, AFewCallsGoOneByOne) {
  add(write, 3);
  EXPECT_THAT(sent(), ElementsAre("0", "1", "2"));
}

TEST_F(ExecutionPlanTest, CallsOfOneFunctionAreASet) {
  add(read, 2);
  add(lone);
  segment.back().request->function = &testing::made_read;
  add(read, 2);
  EXPECT_THAT(sent(), ElementsAre("reads: 0 1 3 4", "2"));
}

TEST_F(ExecutionPlanTest, WritesTakeAllLocksFirstInTheOrderTheyCame) {
  add(write, 2);
  add(other, 4);
  add(write, 2);
  EXPECT_THAT(sent(), ElementsAre("before: 0 1 2 3 4 5 6 7", "writes: 0 1 6 7", "others: 2 3 4 5"));
}

TEST_F(ExecutionPlanTest, ThoseThatAreTooFewComeAfterTheLocksToo) {
  add(other);
  add(write, 4);
  EXPECT_THAT(sent(), ElementsAre("before: 0 1 2 3 4", "0", "writes: 1 2 3 4"));
}

TEST_F(ExecutionPlanTest, AWriteThatLocksByItselfKeepsTheOrderOfLocks) {
  add(write, 4);
  add(lone);
  EXPECT_THAT(sent(), ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(ExecutionPlanTest, WritesThatLockNothingNeedNothingBefore) {
  add(free_write, 4);
  EXPECT_THAT(sent(), ElementsAre("free: 0 1 2 3"));
  segment.clear();
  add(write, 4);
  add(free_write, 1);
  EXPECT_THAT(sent(), ElementsAre("before: 4 5 6 7", "writes: 4 5 6 7", "8"));
}

TEST_F(ExecutionPlanTest, EqualOnesKeepTheirOrderInDifferentSets) {
  for (const auto* value : {"a", "b", "a", "c", "d", "a", "b", "e"}) add(write, value);
  EXPECT_THAT(sent(), ElementsAre("before: 0 1 2 3 4 5 6 7", "writes: 0 1 3 4 7", "2", "6", "5"));
}

TEST_F(ExecutionPlanTest, AThirdEqualOneDoesNotOvertakeTheSecond) {
  for (const auto* value : {"a", "b", "c", "d", "a", "b", "c", "d", "a"}) add(write, value);
  EXPECT_THAT(sent(),
              ElementsAre("before: 0 1 2 3 4 5 6 7 8", "writes: 0 1 2 3", "writes: 4 5 6 7", "8"));
}

TEST_F(ExecutionPlanTest, AfterAFailureAllGoOneByOne) {
  add(write, 5);
  for (Job& job : segment) job.no_set = true;
  EXPECT_THAT(sent(), ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(ExecutionPlanTest, ReadsWhoseResultsMayBeLongGoOneByOne) {
  add(read, 6);
  segment[1].expected_bytes = 0;  // nobody knows
  segment[3].expected_bytes = ExecutionPlan::most_expected_bytes + 1;
  EXPECT_THAT(sent(), ElementsAre("reads: 0 2 4 5", "1", "3"));
}

TEST_F(ExecutionPlanTest, NothingIsLeftOfTheSegmentBefore) {
  add(write, 4);
  sent();
  segment.clear();
  add(read, 1);
  EXPECT_THAT(sent(), ElementsAre("4"));
}

}  // namespace
}  // namespace parsec::db
