#include "bench/report/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bench/report/sample_result.h"

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;

Measurement measured(std::uint64_t answers, std::uint64_t nanoseconds) {
  Measurement measurement;
  measurement.seconds = 2;
  measurement.connections = 9;
  CommandResult command;
  command.command = "vlob_read";
  command.replies = {{"ok", answers}, {"no_reply", 1}};
  command.completed = answers;
  command.latency.record(nanoseconds, answers);
  command.service.record(nanoseconds / 2, answers);
  measurement.commands.push_back(std::move(command));
  measurement.server = ProcessUsage{.cpu_seconds = 1, .resident_bytes = 3 << 20, .threads = 2};
  measurement.database = DatabaseUsage{.commits = answers / 2, .wal_bytes = 100 * answers};
  measurement.bottleneck = Bottleneck::database;
  return measurement;
}

TEST(Text, OfSeveralRepeats) {
  const Measurement repeats[] = {measured(200, 1'000'000), measured(400, 2'000'000),
                                 measured(600, 8'000'000)};
  const std::string text = describe(repeats);
  EXPECT_THAT(text, HasSubstr("vlob_read                200/s ± 50%"));  // median; half the spread
  EXPECT_THAT(text, HasSubstr("  no_reply: 3  ok: 1200"));
  EXPECT_THAT(text, HasSubstr("connections 9"));
  EXPECT_THAT(text, HasSubstr("server       0.50 cores, 1666.7 µs of CPU per request"));
  EXPECT_THAT(text, HasSubstr("3.0 MiB"));
  EXPECT_THAT(text, HasSubstr("0.500 commits, 100 bytes of WAL"));
  EXPECT_THAT(text, HasSubstr("limited by: database"));
}

TEST(Text, OfASearch) {
  using namespace std::chrono_literals;
  Rung rung{.rate = 250, .repeats = {measured(500, 3'000'000)}};
  EXPECT_THAT(describe(rung, 5ms), HasSubstr("250/s  answered       250/s  p50    3.0"));
  EXPECT_THAT(describe(rung, 5ms), HasSubstr("broken, 1 not ok, database at its limit"));
  Saturation found{.rate = 250, .generator_was_the_limit = true, .rungs = {}};
  EXPECT_THAT(describe(found, 5ms),
              HasSubstr("250 requests per second keep 99 % of the answers within 5 ms.\n"));
  EXPECT_THAT(describe(found, 5ms), HasSubstr("--threads"));
  found.rate = 0;
  EXPECT_EQ(describe(found, 2500us), "No rate keeps 99 % of the answers within 2.5 ms.\n");
}

TEST(ReportText, ASeriesAndItsLaw) {
  const auto result = testing::sample_result(1);
  EXPECT_THAT(describe(result.scaling->steps.front()), HasSubstr("/s ±"));
  EXPECT_THAT(describe(*result.scaling), HasSubstr("Universal Scalability Law over shards: "));
  EXPECT_THAT(describe(*result.scaling), HasSubstr("with 16 it expects "));
  ScalingSeries one{.parameter = "shards", .steps = {result.scaling->steps.front()}};
  EXPECT_THAT(describe(one), HasSubstr("No law: "));
}

TEST(ReportText, AComparison) {
  auto before = testing::sample_result(1);
  before.environment.cores = 64;
  const std::string text = describe(compare(before, testing::sample_result(2)));
  EXPECT_THAT(text, HasSubstr("Careful: The processors differ."));
  EXPECT_THAT(text, HasSubstr("highest rate that keeps the promise"));
  EXPECT_THAT(text, HasSubstr(" better\n"));
}

}  // namespace
}  // namespace parsec::bench
