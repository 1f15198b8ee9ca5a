// protocol/6-events.md §6.1: what a connection hears, in which order, and that nothing is missed.
// (audience_test.cpp: each event's audience.)
#include <map>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Events : public IntegrationTest {};

// --- Who hears what
// ----------------------------------------------------------------------------------

TEST_F(Events, EveryRoleIsAMember) {
  auto [alice, bob] = pair();
  bob.subscribe();
  for (const char* role : {"READER", "CONTRIBUTOR", "MANAGER", "OWNER"}) {
    const Uuid realm_id = alice.create_realm();
    alice.share(realm_id, "bob", role);
    EXPECT_EQ(bob.next_event(), roles_updated(realm_id, role));
    const Uuid vlob_id = alice.create_vlob(realm_id);
    EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  }
}

TEST_F(Events, StayInTheirOrganization) {
  auto [alice, bob] = pair();
  auto [other_alice, other_bob] = pair();
  const Uuid realm_id = new_uuid();
  for (Session* owner : {&alice, &other_alice}) {
    owner->create_realm(realm_id);
    owner->share(realm_id, "bob", "READER");
  }
  bob.subscribe();
  other_bob.subscribe();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  alice.share(realm_id, "bob", "MANAGER", "m"_bin);
  alice.require("ping", {{"ping", "here"}});
  EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  EXPECT_EQ(bob.next_event(), roles_updated(realm_id, "MANAGER"));
  EXPECT_EQ(bob.next_event(), message_received(1));
  EXPECT_EQ(bob.next_event(), pinged("here"));
  other_alice.require("ping", {{"ping", "there"}});
  EXPECT_EQ(other_bob.next_event(), pinged("there"));
}

TEST_F(Events, NoneOfWhatIsRefusedOrHasNone) {
  auto [alice, bob, realm_id] = realm_pair("OWNER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  bob.subscribe();
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 1), Status("bad_version"));
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 3), Status("bad_version"));
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 2, {}, {}, 2), Status("bad_encryption_revision"));
  EXPECT_THAT(
      alice.call("realm_update_roles", {{"role_certificate", alice.role(realm_id, "bob", "OWNER")},
                                        {"recipient_message", "again"_bin}}),
      Status("already_granted"));
  // Blocks, reads, users, devices and re-encryption batches have no event.
  const Uuid block_id = alice.create_block(realm_id);
  alice.require("block_read", {{"block_id", block_id}});
  alice.require("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
  alice.add_user("zack");
  alice.add_device("dev2");
  alice.revoke("zack");
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  alice.reencrypt_everything(realm_id);
  alice.finish_reencryption(realm_id);
  EXPECT_EQ(bob.next_event(), maintenance_event("started", realm_id, 2));
  EXPECT_EQ(bob.next_event(), message_received(1));
  EXPECT_EQ(bob.next_event(), maintenance_event("finished", realm_id, 2));
  expect_no_event(bob);
}

TEST_F(Events, PingsUpTo64Characters) {
  auto [alice, bob] = pair();
  bob.subscribe();
  std::string wide;
  for (int i = 0; i < 32; ++i) wide += "\xC3\xA9\xE2\x9C\x93";
  for (const std::string& text : {std::string{}, std::string(64, 'x'), wide}) {
    alice.require("ping", {{"ping", text}});
    EXPECT_EQ(bob.next_event(), pinged(text));
  }
  for (const std::string& text : {std::string(65, 'x'), wide + "x", std::string(1'048'576, 'x')}) {
    EXPECT_THAT(alice.call("ping", {{"ping", text}}), Status("ok"));
  }
  alice.require("ping", {{"ping", "end"}});
  EXPECT_EQ(bob.next_event(), pinged("end"));
}

// --- events_subscribe, events_listen -------------------------------------------------------------

TEST_F(Events, NothingBeforeSubscribe) {
  auto [alice, bob] = pair();
  alice.require("ping", {{"ping", "before"}});
  expect_no_event(bob);
  bob.start("events_listen");
  bob.ping();
  alice.require("ping", {{"ping", "before"}});
  EXPECT_TRUE(bob.stays_silent());
  EXPECT_THAT(bob.call("events_subscribe", {{"wait", "x"}, {"more", 1}}), Ok());
  expect_no_event(bob);
  alice.require("ping", {{"ping", "after"}});
  EXPECT_EQ(bob.next_event(), pinged("after"));
}

TEST_F(Events, SubscribeIsIdempotent) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid gone = alice.create_realm();
  alice.share(gone, "bob", "READER");
  for (int i = 0; i < 3; ++i) bob.subscribe();
  alice.require("ping", {{"ping", "1"}});
  alice.share(gone, "bob", nullptr);
  for (int i = 0; i < 2; ++i) bob.subscribe();
  alice.create_vlob(gone);
  const Uuid vlob_id = alice.create_vlob(realm_id);
  EXPECT_EQ(bob.next_event(), pinged("1"));
  EXPECT_EQ(bob.next_event(), roles_updated(gone, nullptr));
  EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  expect_no_event(bob);
}

TEST_F(Events, ListenWaitsOrNot) {
  auto [alice, bob] = pair();
  bob.subscribe();
  for (const Map& fields : {Map{}, Map{{"wait", true}}, Map{{"wait", 1}}, Map{{"wait", "t"}}}) {
    bob.start("events_listen", fields);
    bob.ping();
    alice.require("ping", {{"ping", "now"}});
    EXPECT_THAT(bob.reply(), Ok(pinged("now"))) << fields;
  }
  for (const Document& wait : {Document(false), Document(0), Document("false")}) {
    EXPECT_THAT(bob.call("events_listen", {{"wait", wait}}), Status("no_events"));
  }
  // An invalid request takes no event.
  alice.require("ping", {{"ping", "kept"}});
  EXPECT_THAT(bob.call("events_listen", {{"wait", "maybe"}}),
              Invalid({{"wait", "Not a valid boolean."}}));
  EXPECT_EQ(bob.next_event(), pinged("kept"));
}

TEST_F(Events, InOrderWhateverTheListenersPace) {
  auto [alice, bob] = pair();
  Session slow = again(bob);
  Session elsewhere = again(bob, there());
  for (Session* session : {&bob, &slow, &elsewhere}) session->subscribe();
  for (int i = 0; i < 50; ++i) {
    alice.require("ping", {{"ping", std::to_string(i)}});
    EXPECT_EQ(bob.next_event(), pinged(std::to_string(i)));
  }
  for (Session* session : {&slow, &elsewhere}) {
    for (int i = 0; i < 50; ++i) EXPECT_EQ(session->next_event(), pinged(std::to_string(i)));
    expect_no_event(*session);
  }
}

TEST_F(Events, PipelinedListens) {
  auto [alice, bob] = pair();
  bob.subscribe();
  for (const char* text : {"0", "1"}) alice.require("ping", {{"ping", text}});
  EXPECT_EQ(bob.next_event(), pinged("0"));
  alice.require("ping", {{"ping", "2"}});
  EXPECT_EQ(bob.next_event(), pinged("1"));
  EXPECT_EQ(bob.next_event(), pinged("2"));
  for (int i = 0; i < 3; ++i) bob.start("events_listen", {{"wait", false}});
  bob.start("ping", {{"ping", "end"}});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(bob.reply(), Status("no_events"));
  EXPECT_THAT(bob.reply(), Ok({{"pong", "end"}}));
}

TEST_F(Events, MeetTheCancellationOfTheirListener) {
  for (const Address& address : {here(), there()}) {
    auto [alice, first] = pair();
    Session bob = again(first, address);
    bob.subscribe();
    for (int i = 0; i < 40; ++i) {
      const Map event = pinged(std::to_string(i));
      bob.start("events_listen");
      if (i % 2 == 0) bob.ping();
      alice.start("ping", {{"ping", std::to_string(i)}});
      if (i % 3 != 0) alice.socket().flush(within(patience));
      bob.start("ping", {{"ping", "cancel"}});
      const Document reply = bob.reply();
      const bool heard = reply.map().find("event") != nullptr;
      if (heard) {
        EXPECT_THAT(reply, Ok(event));
        EXPECT_THAT(bob.reply(), Ok({{"pong", "cancel"}}));
      } else {
        EXPECT_THAT(reply, Ok({{"pong", "cancel"}}));
      }
      alice.reply();
      if (!heard) {
        EXPECT_EQ(bob.next_event(), event);
      }
    }
    expect_no_event(bob);
  }
}

// --- Membership ----------------------------------------------------------------------------------

TEST_F(Events, MembershipFollowsTheRoles) {
  for (const Address& address : {here(), there()}) {
    auto [alice, first, realm_id] = realm_pair(nullptr);
    Session bob = again(first, address);
    const Uuid vlob_id = alice.create_vlob(realm_id);
    bob.subscribe();
    int version = 1;
    for (const Document& role : {Document("READER"), Document("MANAGER"), Document(),
                                 Document("CONTRIBUTOR"), Document(), Document("OWNER")}) {
      alice.share(realm_id, "bob", role);
      alice.update_vlob(vlob_id, ++version);
      EXPECT_EQ(bob.next_event(), roles_updated(realm_id, role));
      if (!role.is_nil()) {
        EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, version, vlob_id, version));
      }
    }
    expect_no_event(bob);
  }
}

TEST_F(Events, MembershipIsPerRealm) {
  auto [alice, bob] = pair();
  std::vector<Uuid> realms;
  for (int i = 0; i < 6; ++i) realms.push_back(alice.create_realm());
  for (const std::size_t i : {0u, 2u, 4u}) alice.share(realms[i], "bob", "READER");
  alice.share(realms[4], "bob", nullptr);  // the newest role counts when the list is loaded
  bob.subscribe();
  alice.add_user("carol");
  alice.share(realms[2], "carol", "READER");  // of no concern to bob
  alice.share(realms[0], "bob", nullptr);
  alice.share(realms[1], "bob", "READER");
  EXPECT_EQ(bob.next_event(), roles_updated(realms[0], nullptr));
  EXPECT_EQ(bob.next_event(), roles_updated(realms[1], "READER"));
  std::vector<Uuid> vlobs;
  for (const Uuid realm_id : realms) vlobs.push_back(alice.create_vlob(realm_id));
  for (const std::size_t i : {1u, 2u}) {
    EXPECT_EQ(bob.next_event(), vlobs_updated(realms[i], 1, vlobs[i], 1));
  }
  expect_no_event(bob);
}

TEST_F(Events, OwnRealmMadeAfterSubscribe) {
  Session alice = this->alice();
  Session second = alice.organization().connect(alice.add_device("dev2"));
  for (Session* session : {&alice, &second}) session->subscribe();
  const Uuid realm_id = alice.create_realm();
  const Uuid vlob_id = second.create_vlob(realm_id);
  EXPECT_EQ(alice.next_event(), roles_updated(realm_id, "OWNER"));
  EXPECT_EQ(alice.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  EXPECT_EQ(second.next_event(), roles_updated(realm_id, "OWNER"));
  expect_no_event(second);
}

// --- Nothing is missed ---------------------------------------------------------------------------

TEST_F(Events, NothingIsMissedAfterSubscribe) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  for (int version = 2; version < 22; ++version) {
    Session listener = again(bob, version % 2 == 0 ? here() : there());
    listener.subscribe();
    alice.update_vlob(vlob_id, version);
    EXPECT_EQ(listener.next_event(), vlobs_updated(realm_id, version, vlob_id, version));
  }
}

TEST_F(Events, ARoleGivenDuringSubscribeIsNotMissed) {
  auto [alice, bob] = pair();
  for (int i = 0; i < 20; ++i) {
    const Uuid realm_id = alice.create_realm();
    Session listener = again(bob, i % 2 == 0 ? here() : there());
    const Octets certificate = alice.role(realm_id, "bob", "READER");
    const Map grant{{"role_certificate", certificate}, {"recipient_message", nullptr}};
    if (i % 3 == 0) listener.start("events_subscribe");
    alice.start("realm_update_roles", grant);
    if (i % 3 != 0) listener.start("events_subscribe");
    EXPECT_THAT(alice.reply(), Ok());
    EXPECT_THAT(listener.reply(), Ok());
    const Uuid vlob_id = alice.create_vlob(realm_id);
    Map heard = listener.next_event();
    if (heard == roles_updated(realm_id, "READER")) heard = listener.next_event();
    EXPECT_EQ(heard, vlobs_updated(realm_id, 1, vlob_id, 1));
  }
}

TEST_F(Events, SubscribingAmidWriters) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  int version = 1;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      alice.start("vlob_update", Session::update_fields(vlob_id, ++version));
    }
  };
  for (int round = 0; round < 6; ++round) {
    Session listener = again(bob, round % 2 == 0 ? here() : there());
    write(10);
    listener.start("events_subscribe");
    write(10);
    EXPECT_THAT(listener.reply(), Ok());
    const auto seen =
        listener
            .require("vlob_poll_changes",
                     {{"realm_id", realm_id}, {"last_checkpoint", 0}})["current_checkpoint"]
            .integer();
    for (int i = 0; i < 20; ++i) EXPECT_THAT(alice.reply(), Ok());
    // From the ok on every checkpoint comes once, in order, with no hole.
    std::int64_t next = 0;
    while (next <= version) {
      const std::int64_t checkpoint = [&] {
        if (seen == version && next == 0) return std::int64_t{version};
        return listener.next_event().find("checkpoint")->integer();
      }();
      if (next == 0) {
        EXPECT_LE(checkpoint, seen + 1);
      } else {
        EXPECT_EQ(checkpoint, next);
      }
      next = checkpoint + 1;
    }
  }
}

TEST_F(Events, PipelinedSubscribe) {
  Session alice = this->alice();
  const Uuid realm_id = new_uuid();
  alice.start("events_subscribe");
  alice.start("realm_create", {{"role_certificate", alice.role(realm_id, "alice", "OWNER")}});
  alice.start("events_listen");
  EXPECT_THAT(alice.reply(), Ok());
  EXPECT_THAT(alice.reply(), Ok());
  EXPECT_THAT(alice.reply(), Ok(roles_updated(realm_id, "OWNER")));
}

TEST_F(Events, WhoHasHeardCanRead) {
  auto [alice, first, realm_id] = realm_pair("READER");
  Session bob = again(first, there());
  bob.subscribe();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  for (int version = 2; version <= 20; ++version) {
    alice.start("vlob_update", Session::update_fields(vlob_id, version));
  }
  for (int version = 1; version <= 20; ++version) {
    EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, version, vlob_id, version));
    EXPECT_THAT(bob.call("vlob_read",
                         {{"encryption_revision", 1}, {"vlob_id", vlob_id}, {"version", version}}),
                Status("ok"));
    EXPECT_GE(bob.call("vlob_poll_changes",
                       {{"realm_id", realm_id}, {"last_checkpoint", 0}})["current_checkpoint"]
                  .integer(),
              version);
  }
  for (int version = 2; version <= 20; ++version) EXPECT_THAT(alice.reply(), Ok());
}

TEST_F(Events, CheckpointsComeInOrderWhoeverWritesWhere) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const Device carol = alice.add_user("carol");
  alice.share(realm_id, "carol", "READER");
  std::vector<Session> listeners;
  for (const Address& address : {here(), there()}) {
    listeners.push_back(alice.organization().connect(carol, address));
    listeners.back().subscribe();
  }
  std::vector<Session> writers;
  for (const Address& address : {here(), there()}) {
    writers.push_back(again(alice, address));
    writers.push_back(again(bob, address));
  }
  constexpr int each = 10;
  for (Session& writer : writers) {
    const Uuid vlob_id = new_uuid();
    writer.start("vlob_create", {{"realm_id", realm_id},
                                 {"encryption_revision", 1},
                                 {"vlob_id", vlob_id},
                                 {"timestamp", now()},
                                 {"blob", ""_bin}});
    for (int version = 2; version <= each; ++version) {
      writer.start("vlob_update", Session::update_fields(vlob_id, version));
    }
  }
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) EXPECT_THAT(writer.reply(), Ok());
  }
  for (Session& listener : listeners) {
    std::map<Uuid, int> versions;
    for (int checkpoint = 1; checkpoint <= each * static_cast<int>(writers.size()); ++checkpoint) {
      const Map event = listener.next_event();
      const Uuid vlob_id = event.find("src_id")->uuid();
      EXPECT_EQ(event, vlobs_updated(realm_id, checkpoint, vlob_id, ++versions[vlob_id]));
    }
    expect_no_event(listener);
  }
}

TEST_F(Events, ListenersThatLeaveDoNoHarm) {
  auto [alice, bob] = pair();
  bob.subscribe();
  for (int i = 0; i < 6; ++i) {
    Session leaver = again(bob);
    leaver.subscribe();
    if (i % 2 == 0) leaver.start("events_listen");
    alice.require("ping", {{"ping", std::to_string(i)}});
    leaver.abort();
  }
  for (int i = 0; i < 6; ++i) EXPECT_EQ(bob.next_event(), pinged(std::to_string(i)));
}

}  // namespace
}  // namespace parsec::testing
