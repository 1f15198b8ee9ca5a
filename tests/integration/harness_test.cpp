// The canary: matchers, tables and the client's own checks do fail where something is wrong.
#include <gtest/gtest-spi.h>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Harness : public IntegrationTest {};

TEST_F(Harness, MatchersTellRepliesApart) {
  const Document ok = Map{{"status", "ok"}, {"pong", "x"}};
  const Document refused = Map{{"status", "not_found"}, {"reason", "why"}};
  EXPECT_THAT(ok, Ok({{"pong", "x"}}));
  for (const ReplyMatcher& wrong : {Ok(), Ok({{"pong", "y"}}), Ok({{"pong", "x"}, {"more", 1}}),
                                    Status("not_found"), Invalid({}), InvalidCertification()}) {
    EXPECT_THAT(ok, ::testing::Not(wrong));
  }
  EXPECT_THAT(refused, Refused("not_found", "why"));
  EXPECT_THAT(refused, ::testing::Not(Refused("not_found", "another text")));
  EXPECT_THAT(refused, ::testing::Not(Refused("not_allowed", "why")));
  EXPECT_THAT(refused.map().without("reason"),
              ::testing::Truly([](const Map& map) { return map.size() == 1; }));
}

TEST_F(Harness, DocumentsTellKindsApart) {
  const Array values{nullptr, false,      0,       0.0,   "",         ""_bin,
                     Uuid{},  DateTime{}, Array{}, Map{}, Ext{5, ""}, std::uint64_t{1} << 63};
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      EXPECT_EQ(values[i] == values[j], i == j) << values[i] << " and " << values[j];
    }
    EXPECT_EQ(values[i], Document(anything));
    if (i + 1 < values.size()) {  // integers beyond int64 are sent only
      EXPECT_EQ(unpack(pack(values[i])), values[i]);
    }
  }
  EXPECT_EQ((Map{{"a", 1}, {"b", 2}}), (Map{{"b", 2}, {"a", 1}}));
  EXPECT_FALSE((Map{{"a", 1}, {"b", 2}}) == (Map{{"a", 1}, {"b", 3}}));
}

struct ComparedRow {
  const char* name;
};

TEST_F(Harness, ARowThatThrowsFails) {
  static const ComparedRow rows[]{{"good"}, {"bad"}};
  const auto run = [] {
    for_each_row(rows, [](const ComparedRow& row) {
      if (row.name == std::string_view{"bad"}) throw ClientError("thrown by a row");
    });
  };
  EXPECT_NONFATAL_FAILURE(run(), "thrown by a row");
}

TEST_F(Harness, WaitsAreBounded) {
  Session session = alice();
  EXPECT_TRUE(session.stays_silent(10ms));
  EXPECT_THROW(session.receive(10ms), TimedOut);
  EXPECT_THROW(session.wait_end(10ms), TimedOut);
  EXPECT_FALSE(eventually([] { return false; }, 10ms));
  session.start("ping", {{"ping", "x"}});
  EXPECT_FALSE(session.stays_silent());
  EXPECT_THROW(session.require("realm_status", {{"realm_id", new_uuid()}}), ClientError);
  session.close();
  EXPECT_THROW(session.call("ping", {{"ping", "x"}}), ConnectionEnded);
}

}  // namespace
}  // namespace parsec::testing
