// Who hears which event, and what a subscription that is loading makes of them
// (protocol/6-events.md §6.1).
#include "protocol/events/subscription.h"

#include <gtest/gtest.h>

#include "db/functions/organization.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;

Uuid realm(int number) {
  Uuid uuid;
  uuid.bytes[15] = static_cast<std::byte>(number);
  return uuid;
}

class SubscriptionTest : public ::testing::Test, public ServiceFixture {
 protected:
  /// A subscribed device that is a member of these realms.
  engine::ConnectionId subscribe(std::string_view device_id, std::vector<int> realms = {}) {
    const auto id = open_device("Org", device_id);
    send_command(id, "events_subscribe");
    answer_realms(realms);
    pass_fence();
    EXPECT_EQ(take_reply(id), R"({status="ok"})");
    return id;
  }
  void answer_realms(const std::vector<int>& realms) {
    std::vector<CellRow> rows{{text_cell("ok"), null_cell(), null_cell()}};
    for (const int number : realms) {
      rows.push_back({null_cell(), uuid_cell(realm(number)), text_cell("OWNER")});
    }
    answer(rows);
  }
  /// What the database says of an organization of which an expiration was told.
  void answer_expired(bool is_expired) {
    ASSERT_EQ(database.submitted.front()->function,
              &db::functions::organization_is_expired_function);
    answer({{text_cell("ok"), bool_cell(is_expired)}});
  }
  void tell(Event::Content content) { event({"Org", std::move(content)}); }

  /// What events_listen gives without waiting.
  std::string next_event(engine::ConnectionId id) {
    send_command(id, "events_listen", 1,
                 [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(false); });
    return take_reply(id);
  }
  static constexpr const char* none = R"({status="no_events"})";
};

TEST_F(SubscriptionTest, PingedReachesTheOrganizationButItsAuthorDevice) {
  const auto alice = subscribe("alice@dev1");
  const auto bob = subscribe("bob@dev1");
  tell(Pinged{"alice@dev1", "hi"});
  EXPECT_EQ(next_event(bob), R"({status="ok" event="pinged" ping="hi"})");
  EXPECT_EQ(next_event(alice), none);
}

TEST_F(SubscriptionTest, NothingIsCollectedBeforeSubscribing) {
  const auto alice = open_device("Org", "alice@dev1");
  tell(Pinged{"bob@dev1", "hi"});
  EXPECT_EQ(next_event(alice), none);
}

TEST_F(SubscriptionTest, OnlyMembersHearOfARealm) {
  const auto alice = subscribe("alice@dev1", {1});
  const auto bob = subscribe("bob@dev1", {2});
  tell(RealmVlobsUpdated{"carol@dev1", realm(1), 3, realm(9), 2});
  EXPECT_EQ(next_event(alice),
            "{status=\"ok\" event=\"realm.vlobs_updated\" "
            "realm_id=00000000000000000000000000000001 checkpoint=3 "
            "src_id=00000000000000000000000000000009 src_version=2}");
  EXPECT_EQ(next_event(bob), none);
}

TEST_F(SubscriptionTest, MembershipFollowsTheRoleEvents) {
  const auto bob = subscribe("bob@dev1");
  const RealmVlobsUpdated update{"alice@dev1", realm(1), 1, realm(9), 1};
  tell(update);
  tell(RealmRolesUpdated{"alice@dev1", realm(1), "bob", Role::reader});
  tell(update);
  tell(RealmRolesUpdated{"alice@dev1", realm(1), "bob", std::nullopt});
  tell(update);
  EXPECT_EQ(next_event(bob).substr(0, 46), R"({status="ok" event="realm.roles_updated" realm)");
  EXPECT_EQ(next_event(bob).substr(0, 46), R"({status="ok" event="realm.vlobs_updated" realm)");
  EXPECT_EQ(next_event(bob),
            "{status=\"ok\" event=\"realm.roles_updated\" "
            "realm_id=00000000000000000000000000000001 role=null}");
  EXPECT_EQ(next_event(bob), none);
}

TEST_F(SubscriptionTest, AWaitingListenGetsTheEventAtOnceAndOnlyThatOne) {
  const auto bob = subscribe("bob@dev1");
  send_command(bob, "events_listen");
  EXPECT_TRUE(take_sent(bob).empty());
  tell(MessageReceived{"alice@dev1", "bob", 4});
  EXPECT_EQ(take_reply(bob), R"({status="ok" event="message.received" index=4})");
  tell(MessageReceived{"alice@dev1", "bob", 5});
  EXPECT_TRUE(take_sent(bob).empty());
}

TEST_F(SubscriptionTest, TheNextRequestCancelsAWaitingListen) {
  const auto bob = subscribe("bob@dev1");
  send_command(bob, "events_listen");
  send_command(bob, "nope");
  EXPECT_EQ(take_reply(bob), R"({status="unknown_command" reason="Unknown command"})");
  tell(Pinged{"alice@dev1", "kept"});
  EXPECT_EQ(next_event(bob), R"({status="ok" event="pinged" ping="kept"})");
}

TEST_F(SubscriptionTest, AListenThatWaitsBehindAnotherRequestIsCancelledByTheOneBehindIt) {
  const auto bob = subscribe("bob@dev1");
  send_command(bob, "message_get", 1,
               [](msgpack::Writer& writer) { writer.str("offset"), writer.integer(0); });
  send_command(bob, "events_listen");
  send_command(bob, "nope");
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_sent(bob).size(), 2u);
}

// --- While loading

TEST_F(SubscriptionTest, EventsBeforeTheFenceAreNotDeliveredThoseBehindItAre) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  tell(Pinged{"alice@dev1", "before"});
  pass_fence();
  tell(Pinged{"alice@dev1", "behind"});
  EXPECT_TRUE(take_sent(bob).empty());
  answer_realms({});
  EXPECT_EQ(take_reply(bob), R"({status="ok"})");
  EXPECT_EQ(next_event(bob), R"({status="ok" event="pinged" ping="behind"})");
  EXPECT_EQ(next_event(bob), none);
}

TEST_F(SubscriptionTest, ARoleThatChangesWhileLoadingCounts) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  answer_realms({2});  // read before both changes committed
  tell(RealmRolesUpdated{"alice@dev1", realm(1), "bob", Role::reader});
  tell(RealmRolesUpdated{"alice@dev1", realm(2), "bob", std::nullopt});
  tell(RealmRolesUpdated{"alice@dev1", realm(3), "carol", Role::reader});
  pass_fence();
  take_sent(bob);
  for (int number : {1, 2, 3}) {
    tell(RealmMaintenance{"alice@dev1", realm(number), 2, true});
  }
  EXPECT_EQ(next_event(bob),
            "{status=\"ok\" event=\"realm.maintenance_started\" "
            "realm_id=00000000000000000000000000000001 encryption_revision=2}");
  EXPECT_EQ(next_event(bob), none);
}

TEST_F(SubscriptionTest, EventsForOthersThatAreHeardWhileLoadingAreNotDelivered) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  pass_fence();
  tell(MessageReceived{"alice@dev1", "carol", 1});
  tell(MessageReceived{"alice@dev1", "bob", 7});
  tell(RealmVlobsUpdated{"alice@dev1", realm(5), 1, realm(9), 1});
  answer_realms({1});
  take_sent(bob);
  EXPECT_EQ(next_event(bob), R"({status="ok" event="message.received" index=7})");
  EXPECT_EQ(next_event(bob), none);
}

TEST_F(SubscriptionTest, TheRevocationOfAnotherUserWhileLoadingEndsNobodyElse) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  pass_fence();
  tell(UserRevoked{"carol"});
  answer_realms({});
  EXPECT_EQ(take_reply(bob), R"({status="ok"})");
  EXPECT_FALSE(is_closed(bob));
}

TEST_F(SubscriptionTest, WithoutItsFenceASubscriptionEndsTheConnection) {
  const auto bob = open_device("Org", "bob@dev1");
  send_command(bob, "events_subscribe");
  pass_fence(false);
  EXPECT_EQ(take_sent(bob).back().close_code(), 1011);
  answer_realms({});
  EXPECT_EQ(database.acquired, 0);
}

// --- Endings

TEST_F(SubscriptionTest, RevocationAndExpirationEndConnectionsAtOnce) {
  const auto alice = open_device("Org", "alice@dev1");
  const auto bob = open_device("Org", "bob@dev1");
  const auto other = open_device("Other", "bob@dev1");
  tell(UserRevoked{"bob"});
  EXPECT_EQ(take_sent(bob).back().close_code(), 1000);
  EXPECT_TRUE(take_sent(alice).empty());
  tell(OrganizationExpired{});
  answer_expired(true);
  EXPECT_EQ(take_sent(alice).back().close_code(), 1000);
  EXPECT_TRUE(take_sent(other).empty());
}

TEST_F(SubscriptionTest, AnOldExpirationDoesNotEndTheConnectionsOfARenewedOrganization) {
  const auto alice = open_device("Org", "alice@dev1");
  tell(OrganizationExpired{});
  answer_expired(false);
  EXPECT_FALSE(is_closed(alice));
  EXPECT_TRUE(take_sent(alice).empty());
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(SubscriptionTest, AnExpirationNobodyIsConcernedByAsksNothing) {
  const auto alice = open_device("Other", "alice@dev1");
  tell(OrganizationExpired{});
  EXPECT_TRUE(database.submitted.empty());
  EXPECT_FALSE(is_closed(alice));
}

TEST_F(SubscriptionTest, AHandshakeUnderWayTellsItsResultWhateverTheEvent) {
  const auto expired = start_device("Org", "alice@dev1");
  tell(OrganizationExpired{});  // of the update that the database shows next
  answer_handshake("alice@dev1", true);
  answer_expired(true);
  answer({{text_cell("ok")}});  // the notice to all servers
  auto sent = take_sent(expired);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(describe(*msgpack::parse(sent[0].payload)),
            "{handshake=\"result\" result=\"organization_expired\" "
            "help=\"Trial organization has expired\"}");

  const auto late = start_device("Org", "bob@dev1");
  tell(UserRevoked{"bob"});  // committed after the database was read
  answer_handshake("bob@dev1");
  sent = take_sent(late);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(describe(*msgpack::parse(sent[0].payload)), R"({handshake="result" result="ok"})");
  EXPECT_EQ(sent[1].close_code(), 1000);
}

TEST_F(SubscriptionTest, AQueueThatOverflowsEndsTheConnection) {
  const auto bob = subscribe("bob@dev1");
  for (std::size_t i = 0; i < settings.max_waiting_events; ++i) tell(Pinged{"alice@dev1", "x"});
  EXPECT_FALSE(is_closed(bob));
  tell(Pinged{"alice@dev1", "one too many"});
  EXPECT_TRUE(is_closed(bob));
}

TEST_F(SubscriptionTest, AGapEndsWhoeverHadSubscribed) {
  const auto alice = open_device("Org", "alice@dev1");
  const auto bob = subscribe("bob@dev1", {1});
  inbox.post({});
  turn();
  EXPECT_TRUE(is_closed(bob));
  EXPECT_FALSE(is_closed(alice));
}

TEST_F(SubscriptionTest, AFullInboxIsAGap) {
  const auto bob = subscribe("bob@dev1");
  for (int i = 0; i < 1025; ++i) {
    inbox.post({.kind = InboxItem::Kind::event,
                .event = new SharedEvent({"Elsewhere", OrganizationExpired{}})});
  }
  turn();
  EXPECT_TRUE(is_closed(bob));
}

}  // namespace
}  // namespace parsec::testing
