#include "bench/analysis/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/bench/report/sample_result.h"

namespace parsec::bench {
namespace {

using parsec::testing::sample_result;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Comparison, DiffersOnlyBeyondTheSpread) {
  const Repeats was{.median = 100, .lowest = 95, .highest = 105};
  struct Row {
    Repeats is;
    Verdict more_is_better, less_is_better;
  };
  const Row rows[] = {
      {{100, 95, 105}, Verdict::same, Verdict::same},
      {{110, 109, 111}, Verdict::same, Verdict::same},
      {{111, 110, 112}, Verdict::better, Verdict::worse},
      {{89, 88, 90}, Verdict::worse, Verdict::better},
      {{130, 100, 140}, Verdict::same, Verdict::same},  // its own repeats are further apart
  };
  for (const Row& row : rows) {
    EXPECT_EQ(judge(was, row.is, true), row.more_is_better) << row.is.median;
    EXPECT_EQ(judge(was, row.is, false), row.less_is_better) << row.is.median;
  }
}

const Difference& find(const Comparison& comparison, const std::string& what) {
  const auto found = std::ranges::find(comparison.differences, what, &Difference::what);
  if (found == comparison.differences.end()) throw std::runtime_error(what);
  return *found;
}

TEST(Comparison, WithItselfThereIsNone) {
  const Comparison same = compare(sample_result(), sample_result());
  EXPECT_THAT(same.warnings, IsEmpty());
  EXPECT_GT(same.differences.size(), 14u);
  for (const Difference& difference : same.differences) {
    EXPECT_EQ(difference.verdict, Verdict::same) << difference.what;
    EXPECT_EQ(difference.ratio(), 1) << difference.what;
  }
}

TEST(Comparison, RepliesThatAreMissingAreRowsAndNoFigureIsTheSame) {
  Result broken = sample_result();
  for (Measurement& measurement : broken.run) {
    CommandResult& reads = measurement.commands.front();
    reads.replies["no_reply"] = reads.replies["ok"] * 32 / 68;
    measurement.commands.back().replies["bad_version"] = 1;
  }
  ASSERT_FALSE(broken.run.empty());
  const Comparison comparison = compare(sample_result(), broken);
  EXPECT_THAT(comparison.warnings, Contains(HasSubstr("no_reply: ")));
  const Difference& lost = find(comparison, "vlob_read, no_reply");
  EXPECT_EQ(lost.verdict, Verdict::worse);
  EXPECT_EQ(lost.before.median, 0);
  EXPECT_NEAR(lost.after.median, 0.32, 0.01);
  EXPECT_EQ(find(comparison, "vlob_update, bad_version").verdict, Verdict::worse);
  for (const Difference& difference : comparison.differences) {
    if (difference.what.starts_with("vlob_read")) {
      EXPECT_NE(difference.verdict, Verdict::same) << difference.what;
    }
  }
  EXPECT_EQ(find(compare(broken, broken), "vlob_read, no_reply").verdict, Verdict::same);
}

TEST(Comparison, OfAFasterServer) {
  const Comparison comparison = compare(sample_result(), sample_result(1.5));
  EXPECT_EQ(comparison.differences.front().what, "highest rate that keeps the promise");
  EXPECT_EQ(comparison.differences.front().verdict, Verdict::better);
  EXPECT_NEAR(comparison.differences.front().ratio(), 1.5, 0.15);
  // As many were asked for, and so many were answered.
  EXPECT_EQ(find(comparison, "vlob_read, answered").verdict, Verdict::same);
  const Difference& latency = find(comparison, "vlob_read, median");
  EXPECT_EQ(latency.verdict, Verdict::better);
  EXPECT_LT(latency.ratio(), 0.8);
  EXPECT_LE(latency.least_ratio(), latency.ratio());
  EXPECT_GE(latency.most_ratio(), latency.ratio());
  EXPECT_EQ(find(comparison, "server, CPU for a request").verdict, Verdict::better);
  EXPECT_EQ(find(comparison, "server, memory").verdict, Verdict::same);
}

TEST(Comparison, WithoutRepeatsNothingCanBeSaid) {
  Result once = sample_result();
  once.run.resize(1);
  const Comparison comparison = compare(once, sample_result(2));
  EXPECT_EQ(find(comparison, "vlob_read, median").verdict, Verdict::not_known);
  EXPECT_THAT(comparison.warnings, ElementsAre(HasSubstr("was measured once")));
}

TEST(Comparison, SaysWhatMakesItHard) {
  const Result before = sample_result();
  Result after = sample_result();
  after.scenario.name = "other";
  after.environment.cores = 1;
  after.environment.postgresql_settings["fsync"] = "off";
  after.search->p99_bound = std::chrono::seconds{1};
  for (Measurement& each : after.run) {
    each.load.rate = 1;
    each.connections = 1;
  }
  EXPECT_THAT(
      compare(before, after).warnings,
      ElementsAre("The scenarios differ.", "The processors differ.",
                  "PostgreSQL's settings differ.", "The promises of the two searches differ.",
                  HasSubstr("The loads differ"), "The numbers of connections differ."));
}

TEST(Comparison, WhatOneOfThemDoesNotTellIsLeftOut) {
  const Result before = sample_result();
  Result after = sample_result();
  after.search.reset();
  after.run[1].database.reset();
  after.run[1].server.reset();
  after.run[1].commands.pop_back();
  const Comparison comparison = compare(before, after);
  for (const Difference& difference : comparison.differences) {
    EXPECT_THAT(difference.what, ::testing::Not(HasSubstr("server")));
    EXPECT_THAT(difference.what, ::testing::Not(HasSubstr("vlob_update")));
    EXPECT_THAT(difference.what, ::testing::Not(HasSubstr("WAL")));
  }
  EXPECT_FALSE(comparison.differences.empty());
}

}  // namespace
}  // namespace parsec::bench
