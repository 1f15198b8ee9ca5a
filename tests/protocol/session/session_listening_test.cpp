// How a command waits for an event of a topic (protocol/events/topic.h): shown by user_invite,
// which listens, catches up, stores its invitation and waits for a claim.
#include <gtest/gtest.h>

#include <string>

#include "protocol/events/topic.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;
using namespace std::string_literals;

std::vector<std::byte> octets(std::string_view text) {
  return {as_bytes(text).begin(), as_bytes(text).end()};
}

class SessionListening : public ::testing::Test, protected ServiceFixture {
 protected:
  SessionListening() : alice(open_device("Org", "alice@dev1", true)) {}

  void send_invite(std::string_view user_id = "zoe") {
    send_command(alice, "user_invite", 1,
                 [&](msgpack::Writer& writer) { writer.str("user_id"), writer.str(user_id); });
  }
  /// Until the command waits for its event.
  void start_invite(std::string_view user_id = "zoe") {
    send_invite(user_id);
    pass_fence();
    answer({{text_cell("ok")}});
    EXPECT_TRUE(take_sent(alice).empty());
  }
  void claim(std::string_view user_id = "zoe", std::string_view encrypted_claim = "claim",
             std::string_view organization_id = "Org") {
    event({std::string{organization_id}, Claimed{std::string{user_id}, octets(encrypted_claim)}});
  }
  void gap() {
    inbox.post({});
    turn();
  }
  std::uint16_t close_code() {
    const auto sent = take_sent(alice);
    return sent.empty() ? std::uint16_t{0} : sent.back().close_code();
  }
  static constexpr const char* claimed = R"({status="ok" encrypted_claim=<5 bytes>})";

  const engine::ConnectionId alice;
};

TEST(Topic, IncludesItsKinds) {
  const auto both = topic<UserCreated, InvitationCancelled>("zoe");
  EXPECT_EQ(both.subject, "zoe");
  EXPECT_TRUE(both.includes(UserCreated{}));
  EXPECT_TRUE(both.includes(InvitationCancelled{}));
  EXPECT_FALSE(both.includes(Claimed{}));
  EXPECT_FALSE(both.includes(Pinged{}));
  EXPECT_TRUE(topic<Pinged>("x").includes(Pinged{}));
}

TEST_F(SessionListening, AnEventOfTheTopicEndsTheWait) {
  start_invite();
  claim("zoe2");
  claim("zoe", "claim", "Elsewhere");
  event({"Org", InvitationCancelled{"zoe"}});
  event({"Org", Pinged{"bob@dev1", "zoe"}});
  EXPECT_TRUE(take_sent(alice).empty());
  claim();
  EXPECT_EQ(take_reply(alice), claimed);
  claim();
  EXPECT_TRUE(take_sent(alice).empty());
}

TEST_F(SessionListening, WhatCommittedBeforeTheFenceIsForgotten) {
  send_invite();
  EXPECT_TRUE(database.submitted.empty());  // first the fence
  claim("zoe", "an old one");
  pass_fence();
  answer({{text_cell("ok")}});
  EXPECT_TRUE(take_sent(alice).empty());
  claim();
  EXPECT_EQ(take_reply(alice), claimed);
}

TEST_F(SessionListening, AnEventBeforeTheDatabaseAnsweredCounts) {
  send_invite();
  pass_fence();
  claim();
  claim("zoe", "another claim");  // the first one is kept
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(alice), claimed);
}

TEST_F(SessionListening, OneEventAnswersAllWhoListen) {
  start_invite();
  const auto other = open_device("Org", "bob@dev1", true);
  send_command(other, "user_invite", 1,
               [](msgpack::Writer& writer) { writer.str("user_id"), writer.str("zoe"); });
  pass_fence();
  answer({{text_cell("ok")}});
  claim();
  EXPECT_EQ(take_reply(alice), claimed);
  EXPECT_EQ(take_reply(other), claimed);
}

TEST_F(SessionListening, TheNextRequestCancelsAWaitingLongPoll) {
  start_invite();
  send_command(alice, "nope");
  EXPECT_EQ(take_reply(alice), R"({status="unknown_command" reason="Unknown command"})");
  EXPECT_FALSE(transport[alice].deadline);
  claim();
  EXPECT_TRUE(take_sent(alice).empty());
}

TEST_F(SessionListening, ARequestBehindItCancelsItOnceItWaits) {
  send_invite();
  send_command(alice, "nope");
  EXPECT_TRUE(take_sent(alice).empty());  // the invitation has yet to be stored
  pass_fence();
  EXPECT_TRUE(take_sent(alice).empty());
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(alice), R"({status="unknown_command" reason="Unknown command"})");
}

TEST_F(SessionListening, OneListensAgainAndAgain) {
  start_invite("zoe");
  send_invite("yan");
  pass_fence();
  answer({{text_cell("ok")}});
  claim("zoe");
  EXPECT_TRUE(take_sent(alice).empty());
  claim("yan");
  EXPECT_EQ(take_reply(alice), claimed);
  start_invite("zoe");
  claim("zoe");
  EXPECT_EQ(take_reply(alice), claimed);
}

/// protocol/1-transport.md §1.2: an *_invite behind an *_invite cancels it; a claim of the
/// invitation, which was there all the time, finds one of them.
TEST_F(SessionListening, OneThatCancelsTheSameHearsWhatComesMeanwhile) {
  start_invite();
  send_invite();
  claim();
  EXPECT_TRUE(take_sent(alice).empty());
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(alice), claimed);
  send_invite();
  claim("zoe", "an old one");  // the wait was over in between
  pass_fence();
  answer({{text_cell("ok")}});
  EXPECT_TRUE(take_sent(alice).empty());
}

TEST_F(SessionListening, ADeadlineEndsTheWait) {
  start_invite();
  EXPECT_EQ(transport[alice].deadline, settings.claim_timeout);
  transport[alice].deadline.reset();
  service.on_deadline(alice);
  EXPECT_EQ(take_reply(alice),
            R"({status="timeout" reason="Timeout while waiting for new user to be claimed."})");
  claim();
  EXPECT_TRUE(take_sent(alice).empty());
}

TEST_F(SessionListening, TheDeadlineGoesWithTheWait) {
  start_invite();
  claim();
  EXPECT_EQ(take_reply(alice), claimed);
  EXPECT_FALSE(transport[alice].deadline);
  start_invite();
  EXPECT_TRUE(transport[alice].deadline);
}

TEST_F(SessionListening, WhoMayHaveMissedAnEventIsTold) {
  start_invite();
  gap();
  EXPECT_EQ(close_code(), 1000);
  EXPECT_TRUE(is_closed(alice));
}

TEST_F(SessionListening, AGapBeforeTheDatabaseAnsweredCounts) {
  send_invite();
  pass_fence();
  gap();
  EXPECT_FALSE(is_closed(alice));
  answer({{text_cell("ok")}});
  EXPECT_EQ(close_code(), 1000);
}

TEST_F(SessionListening, AGapBeforeTheFenceIsNoMatter) {
  send_invite();
  gap();
  pass_fence();
  answer({{text_cell("ok")}});
  claim();
  EXPECT_EQ(take_reply(alice), claimed);
}

TEST_F(SessionListening, ABrokenFenceEndsTheConnection) {
  send_invite();
  pass_fence(false);
  EXPECT_EQ(close_code(), 1011);
}

TEST_F(SessionListening, AGapIsNothingToWhoDoesNotListen) {
  gap();
  EXPECT_FALSE(is_closed(alice));
  start_invite();
  claim();
  take_sent(alice);
  gap();
  EXPECT_FALSE(is_closed(alice));
}

TEST_F(SessionListening, ConnectionsEndInTheMiddle) {
  start_invite();
  event({"Org", UserRevoked{"alice"}});
  EXPECT_EQ(close_code(), 1000);
  close(alice);
  claim();  // to nobody

  const auto bob = open_device("Org", "bob@dev1", true);
  send_command(bob, "user_invite", 1,
               [](msgpack::Writer& writer) { writer.str("user_id"), writer.str("zoe"); });
  close(bob);
  pass_fence();
  claim();
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(SessionListening, AStoppingServerWaitsForNobody) {
  start_invite();
  service.on_shutdown();
  EXPECT_EQ(close_code(), 1000);
}

TEST_F(SessionListening, AStoppingServerDoesNotBeginToWait) {
  send_invite();
  pass_fence();
  service.on_shutdown();
  EXPECT_FALSE(is_closed(alice));
  answer({{text_cell("ok")}});
  EXPECT_EQ(close_code(), 1000);
}

TEST_F(SessionListening, SubscribersAreNotToldOfWhatIsBetweenServers) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  pass_fence();
  const Event::Content internal[] = {Claimed{"bob", {}}, InvitationCancelled{"bob"},
                                     UserCreated{"bob", {}, {}, {}},
                                     DeviceCreated{"bob@dev1", {}, {}}};
  for (const auto& content : internal) event({"Org", content});
  answer({{text_cell("ok"), null_cell(), null_cell()}});
  EXPECT_EQ(take_reply(bob), R"({status="ok"})");
  for (const auto& content : internal) {
    EXPECT_FALSE(is_told_to_clients(content));
    event({"Org", content});
  }
  send_command(bob, "events_listen", 1,
               [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(false); });
  EXPECT_EQ(take_reply(bob), R"({status="no_events"})");
}

}  // namespace
}  // namespace parsec::testing
