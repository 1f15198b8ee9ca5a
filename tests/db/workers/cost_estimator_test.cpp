#include "db/workers/cost_estimator.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/db/made_jobs.h"

namespace parsec::db {
namespace {

class CostEstimatorTest : public ::testing::Test {
 protected:
  Job job(const Function& function, std::uint64_t organization, std::size_t bytes = 0) {
    return jobs.make(function, {organization, 0}, 0, bytes);
  }
  float cost_of(const Function& function, std::uint64_t organization) {
    return estimator.cost_of(*job(function, organization).request);
  }
  void note(const Job& executed, float microseconds, int times = 1) {
    for (int i = 0; i < times; ++i) estimator.note({&executed, 1}, microseconds);
  }

  testing::MadeJobs jobs;
  CostEstimator estimator;
};

TEST_F(CostEstimatorTest, LearnsWhatAFunctionCostsAnOrganization) {
  note(job(testing::made_list, 1), 20000, 10);
  EXPECT_NEAR(cost_of(testing::made_list, 1), 20000, 500);
  note(job(testing::made_list, 1), 50, 20);
  EXPECT_NEAR(cost_of(testing::made_list, 1), 50, 5);
}

TEST_F(CostEstimatorTest, OneOrganizationsCostsAreNotAnothers) {
  note(job(testing::made_list, 2), 60, 100);
  note(job(testing::made_list, 1), 20000);
  EXPECT_NEAR(cost_of(testing::made_list, 2), 60, 5);
  EXPECT_LT(cost_of(testing::made_list, 3), 2000);  // what it costs in general
}

TEST_F(CostEstimatorTest, ASegmentsTimeGoesToWhatWasExpectedToTakeIt) {
  note(job(testing::made_list, 1), 900, 30);
  note(job(testing::made_read, 2), 100, 30);
  for (int i = 0; i < 20; ++i) {
    const std::vector segment{job(testing::made_list, 1), job(testing::made_read, 2)};
    estimator.note(segment, 2000);
  }
  EXPECT_NEAR(cost_of(testing::made_list, 1), 1800, 20);
  EXPECT_NEAR(cost_of(testing::made_read, 2), 200, 20);
}

TEST_F(CostEstimatorTest, BytesTakeTime) {
  for (int i = 0; i < 20; ++i) {
    const std::vector segment{job(testing::made_write, 1, 1 << 20), job(testing::made_write, 2)};
    estimator.note(segment, 10000);
  }
  EXPECT_GT(cost_of(testing::made_write, 1), 8000);
  EXPECT_LT(cost_of(testing::made_write, 2), 2000);
}

TEST_F(CostEstimatorTest, ASuspicionHoldsUntilTheNextMeasurement) {
  note(job(testing::made_list, 1), 50, 20);
  estimator.suspect(*job(testing::made_list, 1).request, 8000);
  EXPECT_GE(cost_of(testing::made_list, 1), 8000);
  note(job(testing::made_list, 1), 50);
  EXPECT_LT(cost_of(testing::made_list, 1), 8000);
}

}  // namespace
}  // namespace parsec::db
