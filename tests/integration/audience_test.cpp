// protocol/6-events.md §6.1: to whom each event is delivered.
#include <map>
#include <optional>
#include <tuple>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// Subscribed connections by name, on both servers, and a herald apart from them: alice twice on
/// her first device and once on a second, bob likewise, and carol.
class Audience : public IntegrationTest {
 protected:
  using Expected = std::vector<std::pair<const char*, std::vector<Map>>>;

  void SetUp() override {
    Session alice = IntegrationTest::alice();
    organization_ = alice.shared_organization();
    const Device alice_2 = alice.add_device("dev2");
    const Device bob = alice.add_user("bob");
    const Device bob_2 = organization_->connect(bob).add_device("dev2");
    const Device carol = alice.add_user("carol", "OUTSIDER");
    herald_.emplace(organization_->connect(alice.add_user("herald")));
    const std::tuple<const char*, const Device*, const Address*> connections[]{
        {"alice", &organization_->alice(), &here()},
        {"alice again", &organization_->alice(), &here()},
        {"alice dev2", &alice_2, &there()},
        {"bob", &bob, &here()},
        {"bob again", &bob, &there()},
        {"bob dev2", &bob_2, &there()},
        {"carol", &carol, &here()}};
    for (const auto& [name, device, address] : connections) {
      sessions_.emplace(name, organization_->connect(*device, *address)).first->second.subscribe();
    }
  }

  /// Each named connection hears its events (in this order), and then everybody the herald's ping.
  void expect_heard(const Expected& expected, Where where = Where::current()) {
    SCOPED_TRACE("at line " + std::to_string(where.line()));
    for (const auto& [name, events] : expected) {
      SCOPED_TRACE(name);
      for (const Map& event : events) EXPECT_EQ(sessions_.at(name).next_event(), event);
    }
    const std::string text = "herald " + std::to_string(++fences_);
    herald_->require("ping", {{"ping", text}});
    for (auto& [name, session] : sessions_) EXPECT_EQ(session.next_event(), pinged(text)) << name;
  }

  std::shared_ptr<Organization> organization_;
  std::map<std::string, Session> sessions_;
  std::optional<Session> herald_;
  int fences_ = 0;
};

TEST_F(Audience, OfPing) {
  const Map event = pinged("hi");
  sessions_.at("alice").require("ping", {{"ping", "hi"}});
  expect_heard({{"alice dev2", {event}},
                {"bob", {event}},
                {"bob again", {event}},
                {"bob dev2", {event}},
                {"carol", {event}}});
  sessions_.at("bob again").require("ping", {{"ping", "hi"}});
  expect_heard({{"alice", {event}},
                {"alice again", {event}},
                {"alice dev2", {event}},
                {"bob dev2", {event}},
                {"carol", {event}}});
}

TEST_F(Audience, OfRolesAndMessages) {
  Session& alice = sessions_.at("alice");
  const Uuid realm_id = alice.create_realm();
  const Map owner = roles_updated(realm_id, "OWNER");
  expect_heard({{"alice", {owner}}, {"alice again", {owner}}, {"alice dev2", {owner}}});
  int index = 0;
  for (const Document& role : {Document("READER"), Document("CONTRIBUTOR"), Document("MANAGER"),
                               Document("OWNER"), Document(), Document("READER")}) {
    // From the other server; the role event comes before its message event.
    sessions_.at("alice dev2").share(realm_id, "bob", role, "key"_bin);
    const std::vector<Map> events{roles_updated(realm_id, role), message_received(++index)};
    expect_heard({{"bob", events}, {"bob again", events}, {"bob dev2", events}});
  }
  alice.share(realm_id, "carol", "CONTRIBUTOR");
  expect_heard({{"carol", {roles_updated(realm_id, "CONTRIBUTOR")}}});
}

TEST_F(Audience, OfVlobs) {
  const Uuid realm_id = sessions_.at("alice").create_realm();
  const Map owner = roles_updated(realm_id, "OWNER");
  expect_heard({{"alice", {owner}}, {"alice again", {owner}}, {"alice dev2", {owner}}});
  const Uuid vlob_id = sessions_.at("alice").create_vlob(realm_id);
  expect_heard({{"alice dev2", {vlobs_updated(realm_id, 1, vlob_id, 1)}}});
  sessions_.at("alice").share(realm_id, "bob", "CONTRIBUTOR");
  const Map granted = roles_updated(realm_id, "CONTRIBUTOR");
  expect_heard({{"bob", {granted}}, {"bob again", {granted}}, {"bob dev2", {granted}}});
  sessions_.at("bob dev2").update_vlob(vlob_id, 2);
  const Map second = vlobs_updated(realm_id, 2, vlob_id, 2);
  expect_heard({{"alice", {second}},
                {"alice again", {second}},
                {"alice dev2", {second}},
                {"bob", {second}},
                {"bob again", {second}}});
}

TEST_F(Audience, OfMaintenance) {
  Session& alice = sessions_.at("alice");
  const Uuid realm_id = alice.create_realm();
  alice.share(realm_id, "bob", "OWNER");
  const Map owner = roles_updated(realm_id, "OWNER");
  expect_heard({{"alice", {owner}},
                {"alice again", {owner}},
                {"alice dev2", {owner}},
                {"bob", {owner}},
                {"bob again", {owner}},
                {"bob dev2", {owner}}});
  sessions_.at("bob").start_reencryption(realm_id, {{"alice", "a"_bin}, {"bob", "b"_bin}});
  // The maintenance event comes before the message events; messages are not filtered by author.
  const std::vector<Map> both{maintenance_event("started", realm_id, 2), message_received(1)};
  const std::vector<Map> message{message_received(1)};
  expect_heard({{"alice", both},
                {"alice again", both},
                {"alice dev2", both},
                {"bob", message},
                {"bob again", message},
                {"bob dev2", both}});
  alice.finish_reencryption(realm_id);
  const std::vector<Map> finished{maintenance_event("finished", realm_id, 2)};
  expect_heard({{"alice dev2", finished},
                {"bob", finished},
                {"bob again", finished},
                {"bob dev2", finished}});
}

}  // namespace
}  // namespace parsec::testing
