// Results as files, both ways: what result_writer.cpp writes is what the reader makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "bench/report/result_json.h"
#include "tests/bench/report/sample_result.h"

namespace parsec::bench {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(ResultJson, ComesBackExactly) {
  const Result result = parsec::testing::sample_result();
  const std::string text = write_result(result);
  const auto back = read_result(text);
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(back->environment, result.environment);
  EXPECT_EQ(back->scenario.description, result.scenario.description);
  ASSERT_EQ(back->run.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const Measurement &was = result.run[i], &is = back->run[i];
    EXPECT_EQ(is.load.rate, was.load.rate);
    EXPECT_EQ(is.load.seed, was.load.seed);
    EXPECT_EQ(is.load.warm_up, was.load.warm_up);
    EXPECT_EQ(is.generator_delay, was.generator_delay);
    EXPECT_EQ(is.commands[0].replies, was.commands[0].replies);
    EXPECT_EQ(is.commands[0].latency, was.commands[0].latency);
    EXPECT_EQ(is.commands[1].service, was.commands[1].service);
    EXPECT_EQ(is.server->cpu_seconds, was.server->cpu_seconds);
    EXPECT_EQ(is.database->wal_bytes, was.database->wal_bytes);
    EXPECT_EQ(is.bottleneck, was.bottleneck);
  }
  EXPECT_EQ(back->search->found.rate, result.search->found.rate);
  EXPECT_EQ(back->ladder.size(), 10u);
  EXPECT_EQ(back->scaling->steps.size(), 6u);
  // Whatever the comparisons above leave out.
  EXPECT_EQ(write_result(*back), text);
}

TEST(ResultJson, WhatIsNotKnownStaysSo) {
  Result result = parsec::testing::sample_result();
  result.search.reset();
  result.ladder.clear();
  result.scaling.reset();
  for (Measurement& each : result.run) {
    each.server.reset();
    each.postgresql.reset();
    each.database.reset();
  }
  const auto back = read_result(write_result(result));
  ASSERT_TRUE(back) << back.error();
  EXPECT_FALSE(back->run.front().server);
  EXPECT_FALSE(back->run.front().database);
  EXPECT_FALSE(back->search);
  EXPECT_FALSE(back->scaling);
}

TEST(ResultJson, WhatIsWrongIsToldWithItsPlace) {
  Result result = parsec::testing::sample_result();
  result.search.reset();
  result.ladder.clear();
  result.scaling.reset();
  const std::string text = write_result(result);
  struct Row {
    const char* what;
    const char* by;
    const char* error;
  };
  const Row rows[] = {
      {"parsec-bench-result", "soup", "format: must be parsec-bench-result"},
      {"\"version\": 2", "\"version\": 3", "version: 3 is newer than this program, which knows 2"},
      {"\"kernel\"", "\"colonel\"", "environment.colonel: is not known"},
      {"\"weight\": 3", "\"weight\": 0", "scenario: commands[0].weight: must be above 0"},
      {"\"kind\": \"open\"", "\"kind\": \"ajar\"", "run[0].load.kind: `ajar` is not known"},
      {"\"seconds\": 2", "\"seconds\": 0", "run[0].seconds: must be above 0"},
      {"\"sent\": ", "\"sent\": -", "run[0].commands[0].sent: must be a whole number"},
      {"\"lowest\": ", "\"lowest\": 9", "run[0].commands[0].latency: contradicts itself"},
      {"\"buckets\": [[", "\"buckets\": [[1, ", "must be pairs of a value and a count"},
      {"\"command\": \"vlob_read\",\n          \"sent\"",
       "\"command\": \"vlob_write\",\n          \"sent\"", "run: must be of the same commands"},
      {"\"run\": [", "\"run\": [], \"ladder\": [", "run: must not be empty"},
  };
  for (const Row& row : rows) {
    const auto back = read_result(replaced(text, row.what, row.by));
    ASSERT_FALSE(back) << row.error;
    EXPECT_THAT(back.error(), HasSubstr(row.error));
  }
  const std::string nothing = text.substr(0, text.find(",\n  \"run\"")) + "}";
  EXPECT_EQ(read_result(nothing).error(), "run: is missing: nothing was measured");
}

TEST(ResultJson, AsAFile) {
  const std::string file =
      ::testing::TempDir() + "result_json_test." + std::to_string(::getpid()) + ".json";
  ASSERT_TRUE(save(file, "{}"));
  EXPECT_THAT(load_result(file).error(), EndsWith(".json: format: is missing"));
  std::filesystem::remove(file);
  EXPECT_EQ(load_result(file).error(), "cannot read " + file);
  EXPECT_EQ(save("/no/such/folder/x", "").error(), "cannot write /no/such/folder/x");
}

TEST(Result, StandsForItselfByTheMostOrdinaryLoad) {
  Result result = parsec::testing::sample_result();
  EXPECT_EQ(result.typical().data(), result.run.data());
  result.run.clear();
  // Half of the saturation: the rung of 50 %.
  EXPECT_EQ(result.typical().data(), result.ladder[3].repeats.data());
  result.ladder.clear();
  EXPECT_EQ(result.typical().front().load.rate, result.search->found.rate);
  result.search->found.rate = 0;
  EXPECT_EQ(result.typical().data(), result.search->found.rungs.back().repeats.data());
  result.search.reset();
  EXPECT_EQ(result.typical().data(), result.scaling->steps.back().repeats.data());
  result.scaling.reset();
  EXPECT_TRUE(result.typical().empty());
}

}  // namespace
}  // namespace parsec::bench
