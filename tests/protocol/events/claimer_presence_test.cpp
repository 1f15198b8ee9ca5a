#include "protocol/events/claimer_presence.h"

#include <gtest/gtest.h>

#include <vector>

#include "db/functions/invite.h"
#include "tests/support/scripted_database.h"

namespace parsec::testing {
namespace {

using namespace protocol;

class Presence : public ::testing::Test {
 protected:
  void hear(const char* status, Uuid token) {
    presence.hear(
        {"Org", InviteStatusChanged{.greeter = "alice", .token = token, .status = status}});
  }
  /// The database has answered everything that was submitted.
  void take_replies() {
    while (auto* reply = database.next_reply()) ASSERT_TRUE(presence.take_reply(reply));
  }
  void answer(const char* status = "ok") {
    database.answer({{text_cell(status)}});
    take_replies();
  }

  const InvitationKey key{"Org", Uuid{{std::byte{1}}}};
  ScriptedDatabase database;
  ClaimerCounts counts;
  std::vector<engine::ConnectionId> told;
  ClaimerPresence presence{database, counts, [this](auto claimer) { told.push_back(claimer); }};
};

TEST_F(Presence, StatusFromEvents) {
  EXPECT_EQ("IDLE", presence.status(key));
  hear("READY", key.token);
  hear("READY", key.token);
  EXPECT_EQ("READY", presence.status(key));
  EXPECT_EQ("IDLE", presence.status({"Other", key.token}));
  hear("IDLE", key.token);
  EXPECT_EQ("IDLE", presence.status(key));
  hear("READY", key.token);
  hear("DELETED", key.token);
  EXPECT_EQ("IDLE", presence.status(key));
  presence.hear({"Org", InviteConduitUpdated{key.token}});
  EXPECT_EQ("IDLE", presence.status(key));
}

TEST_F(Presence, AnnouncesOneAfterTheOther) {
  presence.join(key, "alice", {});
  ASSERT_EQ(1U, database.submitted.size());
  EXPECT_EQ(&db::functions::claimer_announce_function, database.submitted.front()->function);
  presence.leave(key);
  EXPECT_EQ(1U, database.submitted.size());
  answer();
  EXPECT_EQ(1U, database.submitted.size()) << "IDLE comes behind READY";
  answer();
  EXPECT_EQ(0U, database.submitted.size());
  EXPECT_EQ(0U, counts.size());
  EXPECT_EQ(0, database.acquired);
}

TEST_F(Presence, TellsTheClaimerWhenItsComingIsKnown) {
  const engine::ConnectionId first{.slot = 1}, second{.slot = 2};
  EXPECT_TRUE(presence.join(key, "alice", first));
  EXPECT_FALSE(presence.join(key, "alice", second)) << "told behind the first";
  EXPECT_TRUE(told.empty());
  answer();
  EXPECT_EQ(told, std::vector{first});
  answer();
  EXPECT_EQ(told, std::vector{first});
  EXPECT_TRUE(presence.join({"Org", Uuid{{std::byte{2}}}}, "alice", second));
  database.fail(db::Outcome::unavailable);
  take_replies();
  EXPECT_EQ(told, (std::vector{first, second})) << "nobody waits for the database's return";
}

TEST_F(Presence, GoesOnUntilItIsTold) {
  presence.join(key, "alice", {});
  for (const auto outcome : {db::Outcome::unavailable, db::Outcome::unknown}) {
    database.fail(outcome);
    take_replies();
    ASSERT_EQ(1U, database.submitted.size());
  }
  database.fail(db::Outcome::failed);  // it would fail for ever
  take_replies();
  EXPECT_EQ(0U, database.submitted.size());
  EXPECT_EQ(0, database.acquired);
}

TEST_F(Presence, WaitsForAFullRing) {
  database.full = true;
  presence.join(key, "alice", {});
  presence.retry();
  EXPECT_EQ(0U, database.submitted.size());
  database.full = false;
  presence.retry();
  presence.retry();
  EXPECT_EQ(1U, database.submitted.size());
  answer("deleted");
  EXPECT_EQ(0, database.acquired);
}

TEST_F(Presence, RepliesOfCommandsAreNotTaken) {
  auto* request = database.acquire();
  db::functions::invite_announce(*request, "Org", key.token, {});
  EXPECT_FALSE(presence.take_reply(request));
  database.release(request);
}

}  // namespace
}  // namespace parsec::testing
