#include "bench/analysis/failures.h"

#include <gtest/gtest.h>

#include <vector>

namespace parsec::bench {
namespace {

Measurement measured(std::map<std::string, std::uint64_t> reads,
                     std::map<std::string, std::uint64_t> updates) {
  Measurement made;
  made.commands.resize(2);
  made.commands[0].command = "vlob_read";
  made.commands[0].replies = std::move(reads);
  made.commands[1].command = "vlob_update";
  made.commands[1].replies = std::move(updates);
  return made;
}

TEST(Failures, AreAddedUpOverRepeatsAndCommands) {
  const std::vector<Measurement> repeats{
      measured({{"ok", 60}}, {{"ok", 10}}),
      measured({{"ok", 8}, {"no_reply", 20}}, {{"bad_version", 2}})};
  const Failures all = failures_of(repeats);
  EXPECT_EQ(all.requests, 100u);
  EXPECT_TRUE(all.lost());
  EXPECT_DOUBLE_EQ(all.share("no_reply"), 0.2);
  EXPECT_DOUBLE_EQ(all.share(), 0.22);
  EXPECT_EQ(describe(all),
            "22 % of the requests were not answered ok (bad_version: 2, no_reply: 20)");
  const Failures updates = failures_of(repeats, "vlob_update");
  EXPECT_EQ(updates.requests, 12u);
  EXPECT_FALSE(updates.lost());
}

TEST(Failures, ARepeatWithoutAnyAnswerIsOne) {
  const std::vector<Measurement> repeats{measured({{"ok", 1}}, {}), measured({}, {})};
  EXPECT_TRUE(failures_of(repeats).lost());
  EXPECT_EQ(describe(failures_of(repeats)), "of 1 of the repeats nothing was answered");
}

TEST(Failures, ThereMayBeNone) {
  const std::vector<Measurement> repeats{measured({{"ok", 1}}, {{"no_reply", 0}})};
  EXPECT_EQ(describe(failures_of(repeats)), std::nullopt);
  EXPECT_FALSE(failures_of(repeats).lost());
  EXPECT_EQ(failures_of({}).share(), 0);
}

}  // namespace
}  // namespace parsec::bench
