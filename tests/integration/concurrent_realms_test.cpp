// protocol/4-commands.md, "Concurrency": roles, messages and maintenance of realms at once.
#include <algorithm>
#include <map>
#include <set>

#include "tests/integration/concurrency.h"

namespace parsec::testing {
namespace {

// --- Messages ------------------------------------------------------------------------------------

TEST_F(Concurrency, MessageNumbersWithoutGaps) {
  auto [alice, bob] = pair();
  bob.subscribe();
  std::vector<Session> senders = several(alice, 6);
  constexpr int each = 5;
  std::set<std::string> sent;
  std::vector<Uuid> realms;
  for (std::size_t i = 0; i < senders.size(); ++i) realms.push_back(senders[i].create_realm());
  for (int turn = 0; turn < each; ++turn) {
    for (std::size_t i = 0; i < senders.size(); ++i) {
      const std::string body = std::to_string(i) + "/" + std::to_string(turn);
      sent.insert(body);
      senders[i].start("realm_update_roles",
                       {{"role_certificate",
                         senders[i].role(realms[i], "bob", turn % 2 == 0 ? "READER" : "MANAGER")},
                        {"recipient_message", Octets{body}}});
    }
  }
  for (Session& sender : senders) {
    for (int i = 0; i < each; ++i) EXPECT_THAT(sender.reply(), Ok());
  }
  std::int64_t number = 0;
  std::map<char, std::string> last_of_sender;
  const Document reply = bob.call("message_get", {{"offset", 0}});
  for (const Document& message : reply["messages"].array()) {
    EXPECT_EQ(message["count"], Document(++number));
    const std::string body = message["body"].octets().bytes;
    EXPECT_EQ(sent.erase(body), 1u) << body;
    EXPECT_LT(last_of_sender[body[0]], body) << "out of the sender's order";
    last_of_sender[body[0]] = body;
  }
  EXPECT_TRUE(sent.empty());
  // The events have the same numbers, each once and in order.
  std::int64_t index = 0;
  for (std::int64_t i = 0; i < 2 * number; ++i) {
    const Map event = bob.next_event();
    if (*event.find("event") == Document("message.received")) {
      EXPECT_EQ(event, message_received(++index));
    }
  }
  EXPECT_EQ(index, number);
}

TEST_F(Concurrency, ReencryptionsWithTheSameParticipants) {
  Session alice = this->alice();
  std::vector<std::string> names{"alice"};
  for (int i = 0; i < 5; ++i) names.push_back(alice.add_user("user" + std::to_string(i)).user_id());
  std::vector<Session> starters = several(alice, 4);
  std::vector<Uuid> realms;
  for (std::size_t i = 0; i < starters.size(); ++i) {
    realms.push_back(alice.create_realm());
    for (std::size_t user = 1; user < names.size(); ++user) {
      alice.share(realms.back(), names[user], "READER");
    }
  }
  expect_all_ok(at_once(starters, "realm_start_reencryption_maintenance", [&](std::size_t i) {
    Map messages;
    for (const std::string& name : names) messages.set(name, by(i));
    if (i % 2 == 1) std::ranges::reverse(names);  // each in another order
    return Map{{"realm_id", realms[i]},
               {"encryption_revision", 2},
               {"timestamp", now()},
               {"per_participant_message", messages}};
  }));
  for (const std::string& name : names) {
    Session reader = alice.organization().connect(alice.organization().device(name + "@dev1"));
    std::int64_t number = 0;
    std::set<std::string> bodies;
    const Document reply = reader.call("message_get", {{"offset", 0}});
    for (const Document& message : reply["messages"].array()) {
      EXPECT_EQ(message["count"], Document(++number));
      bodies.insert(message["body"].octets().bytes);
    }
    EXPECT_EQ(bodies.size(), realms.size()) << name;
  }
}

// --- Realms and roles ----------------------------------------------------------------------------

TEST_F(Concurrency, CreatorsOfOneRealm) {
  auto [alice, bob] = pair();
  std::vector<Session> creators = several(alice, 5);
  for (Session& more : several(bob, 5)) creators.push_back(std::move(more));
  const Uuid realm_id = new_uuid();
  const std::size_t winner = expect_one_ok(
      at_once(creators, "realm_create",
              [&](std::size_t i) {
                return Map{{"role_certificate",
                            creators[i].role(realm_id, creators[i].device().user_id(), "OWNER")}};
              }),
      "already_exists");
  Session& owner = winner < 5 ? alice : bob;
  Session& other = winner < 5 ? bob : alice;
  EXPECT_EQ(owner.call("realm_get_role_certificates", {{"realm_id", realm_id}})["certificates"]
                .array()
                .size(),
            1u);
  EXPECT_THAT(other.call("realm_status", {{"realm_id", realm_id}}), Status("not_allowed"));
}

TEST_F(Concurrency, GrantsOfOneRole) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  std::vector<Session> granters = several(alice, 10);
  for (const Document& role : {Document("READER"), Document("OWNER"), Document()}) {
    expect_one_ok(at_once(granters, "realm_update_roles",
                          [&](std::size_t) {
                            return Map{{"role_certificate", alice.role(realm_id, "bob", role)},
                                       {"recipient_message", nullptr}};
                          }),
                  "already_granted");
  }
}

TEST_F(Concurrency, OwnersWhoRemoveEachOther) {
  auto [alice, bob] = pair();
  Session elsewhere = again(bob, there());
  for (int round = 0; round < 10; ++round) {
    const Uuid realm_id = alice.create_realm();
    alice.share(realm_id, "bob", "OWNER");
    alice.start("realm_update_roles", {{"role_certificate", alice.role(realm_id, "bob", nullptr)},
                                       {"recipient_message", nullptr}});
    elsewhere.start("realm_update_roles",
                    {{"role_certificate", elsewhere.role(realm_id, "alice", nullptr)},
                     {"recipient_message", nullptr}});
    const Document by_alice = alice.reply();
    expect_one_ok({by_alice, elsewhere.reply()}, "not_allowed");
  }
}

TEST_F(Concurrency, NoWriteAfterARightIsWithdrawn) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  std::vector<Session> writers = several(bob, 6);
  constexpr int each = 30;
  for (int round = 0; round < 3; ++round) {
    if (round > 0) alice.share(realm_id, "bob", "CONTRIBUTOR");
    for (Session& writer : writers) {
      for (int i = 0; i < each; ++i) writer.start("vlob_create", creation(realm_id, new_uuid()));
      writer.socket().flush(within(patience));
    }
    alice.share(realm_id, "bob", nullptr);
    const Document last = poll(alice, realm_id)["current_checkpoint"];
    for (Session& writer : writers) {
      bool refused = false;
      for (int i = 0; i < each; ++i) {
        const Document reply = writer.reply();
        EXPECT_THAT(reply, refused ? Status("not_allowed") : ReplyMatcher(::testing::_));
        refused = refused || reply["status"] == Document("not_allowed");
      }
      EXPECT_THAT(writer.call("vlob_create", creation(realm_id, new_uuid())),
                  Status("not_allowed"));
    }
    EXPECT_EQ(poll(alice, realm_id)["current_checkpoint"], last);
  }
}

// --- Re-encryption -------------------------------------------------------------------------------

TEST_F(Concurrency, StartsAndEndsOfOneReencryption) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  alice.create_vlob(realm_id);
  std::vector<Session> owners = several(alice, 8);
  const std::size_t winner =
      expect_one_ok(at_once(owners, "realm_start_reencryption_maintenance",
                            [&](std::size_t i) {
                              return Map{{"realm_id", realm_id},
                                         {"encryption_revision", 2},
                                         {"timestamp", now()},
                                         {"per_participant_message", Map{{"alice", by(i)}}}};
                            }),
                    "in_maintenance");
  const Document messages = alice.call("message_get", {{"offset", 0}})["messages"];
  EXPECT_EQ(messages.array().size(), 1u);
  EXPECT_EQ(messages[0]["body"], Document(by(winner)));
  alice.reencrypt_everything(realm_id);
  expect_one_ok(at_once(owners, "realm_finish_reencryption_maintenance",
                        [&](std::size_t) {
                          return Map{{"realm_id", realm_id}, {"encryption_revision", 2}};
                        }),
                "not_in_maintenance");
}

TEST_F(Concurrency, SaversOfOneBatch) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  for (int i = 0; i < 10; ++i) alice.update_vlob(alice.create_vlob(realm_id), 2);
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  std::vector<Session> savers = several(alice, 5);
  const Map realm{{"realm_id", realm_id}, {"encryption_revision", 2}};
  const std::vector<Document> batches =
      at_once(savers, "vlob_maintenance_get_reencryption_batch", [&](std::size_t) {
        return realm.with({{"size", 100}});
      });
  for (const Document& reply :
       at_once(savers, "vlob_maintenance_save_reencryption_batch", [&](std::size_t i) {
         return realm.with({{"batch", batches[i]["batch"]}});
       })) {
    EXPECT_THAT(reply, Ok({{"total", 20}, {"done", 20}}));
  }
  alice.finish_reencryption(realm_id);
}

TEST_F(Concurrency, WritersDuringAReencryption) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  std::vector<Session> writers = several(bob, 4);
  std::vector<Uuid> vlobs;
  std::vector<int> versions(writers.size(), 1);
  for (Session& writer : writers) vlobs.push_back(writer.create_vlob(realm_id));
  constexpr int each = 25;
  for (std::size_t i = 0; i < writers.size(); ++i) {
    for (int version = 2; version <= each; ++version) {
      writers[i].start("vlob_update", Session::update_fields(vlobs[i], version));
    }
    writers[i].socket().flush(within(patience));
  }
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  // A write either precedes the maintenance, and is re-encrypted, or is refused.
  for (std::size_t i = 0; i < writers.size(); ++i) {
    for (int version = 2; version <= each; ++version) {
      const Document reply = writers[i].reply();
      if (reply["status"] == Document("ok")) {
        EXPECT_EQ(versions[i] + 1, version);
        versions[i] = version;
      } else {
        EXPECT_THAT(reply, Status("in_maintenance"));
      }
    }
  }
  int total = 0;
  for (const int last : versions) total += last;
  EXPECT_THAT(alice.reencrypt_everything(realm_id), Ok({{"total", total}, {"done", total}}));
  alice.finish_reencryption(realm_id);
  for (std::size_t i = 0; i < writers.size(); ++i) {
    EXPECT_THAT(writers[i].try_update_vlob(vlobs[i], versions[i] + 1),
                Status("bad_encryption_revision"));
    writers[i].update_vlob(vlobs[i], versions[i] + 1, {}, {}, 2);
  }
  EXPECT_EQ(poll(bob, realm_id)["current_checkpoint"],
            Document(total + static_cast<int>(writers.size())));
}

}  // namespace
}  // namespace parsec::testing
