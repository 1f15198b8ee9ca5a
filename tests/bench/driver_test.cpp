// What the numbers of a measurement mean: replies that never came are not answers, and are not ok.
#include "bench/driver.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

CommandResult result(std::map<std::string, std::uint64_t> replies) {
  CommandResult command;
  command.replies = std::move(replies);
  return command;
}

TEST(Driver, LostRequestsAreNeitherAnsweredNorOk) {
  const CommandResult command = result({{"ok", 7}, {"not_found", 2}, {"no_reply", 3}});
  EXPECT_EQ(command.answered(), 9u);
  EXPECT_EQ(command.not_ok(), 5u);
}

TEST(Driver, AMeasurementAddsItsCommandsUp) {
  Measurement measurement;
  measurement.seconds = 2;
  measurement.commands = {result({{"ok", 6}}), result({{"ok", 3}, {"timeout", 1}})};
  measurement.commands[0].completed = 4;  // the rest came when it was over
  measurement.commands[1].completed = 4;
  measurement.commands[0].latency.record(100, 6);
  measurement.commands[1].latency.record(900, 4);
  EXPECT_EQ(measurement.answered(), 10u);
  EXPECT_EQ(measurement.not_ok(), 1u);
  EXPECT_DOUBLE_EQ(measurement.completed_per_second(), 4);
  EXPECT_EQ(measurement.latency().count(), 10u);
  EXPECT_EQ(measurement.latency().highest(), 900u);
}

}  // namespace
}  // namespace parsec::bench
