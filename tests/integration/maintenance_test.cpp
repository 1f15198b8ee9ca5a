// protocol/4-commands.md §4.5, §4.6: re-encryption from its start over its batches to its end.
#include <array>
#include <map>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Maintenance : public IntegrationTest {
 protected:
  static Map messages_to(const std::vector<const char*>& users) {
    Map messages;
    for (const char* user : users) messages.set(user, "m"_bin);
    return messages;
  }
  static Document start(Session& author, Uuid realm_id, const std::vector<const char*>& users,
                        const Map& changes = {}) {
    const Map fields{{"realm_id", realm_id},
                     {"encryption_revision", 2},
                     {"timestamp", now()},
                     {"per_participant_message", messages_to(users)}};
    return author.call("realm_start_reencryption_maintenance", fields.with(changes));
  }
  static Document finish(Session& author, Uuid realm_id, int revision = 2) {
    return author.call("realm_finish_reencryption_maintenance",
                       {{"realm_id", realm_id}, {"encryption_revision", revision}});
  }
  static Document get_batch(Session& author, Uuid realm_id, int size = 100, int revision = 2) {
    return author.call("vlob_maintenance_get_reencryption_batch",
                       {{"realm_id", realm_id}, {"encryption_revision", revision}, {"size", size}});
  }
  static Document save_batch(Session& author, Uuid realm_id, const Array& batch, int revision = 2) {
    return author.call(
        "vlob_maintenance_save_reencryption_batch",
        {{"realm_id", realm_id}, {"encryption_revision", revision}, {"batch", batch}});
  }
  static Document entry(Uuid vlob_id, int version, const Octets& blob = "new"_bin) {
    return Map{{"vlob_id", vlob_id}, {"version", version}, {"blob", blob}};
  }
  static ReplyMatcher Progress(int total, int done) {
    return Ok({{"total", total}, {"done", done}});
  }
  static Document read(Session& reader, Uuid vlob_id, int revision, const Document& version) {
    return reader.call(
        "vlob_read",
        {{"encryption_revision", revision}, {"vlob_id", vlob_id}, {"version", version}});
  }

  /// alice, her realm in maintenance, and its one vlob.
  struct InMaintenance {
    Session alice;
    Uuid realm_id;
    Uuid vlob_id;
  };
  static InMaintenance in_maintenance(int versions = 3) {
    Session alice = IntegrationTest::alice();
    const Uuid realm_id = alice.create_realm();
    const Uuid vlob_id = alice.create_vlob(realm_id, "old"_bin);
    for (int version = 2; version <= versions; ++version) {
      alice.update_vlob(vlob_id, version, "old"_bin);
    }
    alice.start_reencryption(realm_id, {{"alice", "m"_bin}});
    return {std::move(alice), realm_id, vlob_id};
  }
};

// --- Start ---------------------------------------------------------------------------------------

TEST_F(Maintenance, StartChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  alice.add_user("carol");
  const Uuid unknown = new_uuid();
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const Uuid realm : {realm_id, unknown}) {
      EXPECT_THAT(start(bob, realm, {}, {{"timestamp", at}, {"encryption_revision", 9}}),
                  Refused("bad_timestamp", "Timestamp is out of date."));
    }
  }
  EXPECT_THAT(start(bob, unknown, {}, {{"encryption_revision", 9}}),
              Refused("not_found", no_realm(unknown)));
  for (const int revision : {-1, 0, 1, 3, 100}) {
    EXPECT_THAT(start(bob, realm_id, {}, {{"encryption_revision", revision}}),
                Status("bad_encryption_revision"));
  }
  for (const Document& role : every_role) {
    if (role == Document("OWNER")) continue;
    alice.share(realm_id, "bob", role);
    EXPECT_THAT(start(bob, realm_id, {}), Status("not_allowed")) << role_name(role);
  }
  alice.share(realm_id, "bob", "READER");
  const ReplyMatcher mismatch =
      Refused("participants_mismatch", "Realm participants and message recipients mismatch");
  for (const std::vector<const char*>& users : {std::vector<const char*>{},
                                                {"alice"},
                                                {"bob"},
                                                {"alice", "carol"},
                                                {"alice", "bob", "carol"},
                                                {"alice", "bob", "nobody"}}) {
    EXPECT_THAT(start(alice, realm_id, users), mismatch);
  }
  EXPECT_THAT(start(alice, realm_id, {"bob", "alice"}), Ok());
  for (Session* session : {&alice, &bob}) {
    for (const int revision : {2, 3, 99}) {
      EXPECT_THAT(start(*session, realm_id, {}, {{"encryption_revision", revision}}),
                  Status("in_maintenance"));
    }
  }
}

TEST_F(Maintenance, RevokedUsersAreNoParticipants) {
  auto [alice, bob, realm_id] = realm_pair("OWNER");
  alice.revoke("bob");
  EXPECT_THAT(start(alice, realm_id, {"alice", "bob"}), Status("participants_mismatch"));
  EXPECT_THAT(start(alice, realm_id, {"alice"}), Ok());
}

TEST_F(Maintenance, UsersRevokedAheadAreNoParticipants) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  alice.require("user_revoke",
                {{"revoked_user_certificate", alice.revocation("bob", now() + 10min)}});
  EXPECT_THAT(start(alice, realm_id, {"alice", "bob"}), Status("participants_mismatch"));
  EXPECT_THAT(start(alice, realm_id, {"alice"}), Ok());
}

// --- Finish --------------------------------------------------------------------------------------

TEST_F(Maintenance, FinishChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  const Uuid unknown = new_uuid();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  alice.update_vlob(vlob_id, 2);
  EXPECT_THAT(finish(bob, unknown, 9), Refused("not_found", no_realm(unknown)));
  for (const Document& role : every_role) {
    if (role == Document("OWNER")) continue;
    alice.share(realm_id, "bob", role);
    EXPECT_THAT(finish(bob, realm_id, 9), Status("not_allowed")) << role_name(role);
  }
  for (const int revision : {1, 2, 9}) {
    EXPECT_THAT(finish(alice, realm_id, revision),
                Refused("not_in_maintenance", not_under_maintenance(realm_id)));
  }
  alice.start_reencryption(realm_id, messages_to({"alice"}));
  EXPECT_THAT(finish(bob, realm_id), Status("not_allowed"));
  for (const int revision : {0, 1, 3}) {
    EXPECT_THAT(finish(alice, realm_id, revision), Status("bad_encryption_revision"));
  }
  for (const int version : {2, 1}) {
    EXPECT_THAT(finish(alice, realm_id),
                Refused("maintenance_error", "Reencryption operations are not over"));
    EXPECT_THAT(save_batch(alice, realm_id, {entry(vlob_id, version)}), Progress(2, 3 - version));
  }
  EXPECT_THAT(finish(alice, realm_id), Ok());
  EXPECT_THAT(finish(alice, realm_id), Status("not_in_maintenance"));
}

TEST_F(Maintenance, ARealmWithoutVlobsMayFinish) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  for (const int revision : {2, 3, 4}) {
    alice.start_reencryption(realm_id, messages_to({"alice"}), revision);
    EXPECT_THAT(get_batch(alice, realm_id, 10, revision), Ok({{"batch", list()}}));
    EXPECT_THAT(finish(alice, realm_id, revision), Ok());
  }
}

TEST_F(Maintenance, AnyOwnerMayContinue) {
  auto [alice, bob, realm_id] = realm_pair("OWNER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  EXPECT_THAT(start(alice, realm_id, {"alice", "bob"}), Ok());
  EXPECT_THAT(save_batch(bob, realm_id, {entry(vlob_id, 1)}), Progress(1, 1));
  EXPECT_THAT(finish(bob, realm_id), Ok());
}

// --- Batches -------------------------------------------------------------------------------------

TEST_F(Maintenance, WholeCycle) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const DateTime base = now() - 5min;
  std::map<Uuid, int> versions;
  for (int last = 1; last <= 3; ++last) {
    const Uuid vlob_id = alice.create_vlob(realm_id, "old"_bin, {}, base);
    for (int version = 2; version <= last; ++version) {
      bob.update_vlob(vlob_id, version, "old"_bin, base + version * 1s);
    }
    versions[vlob_id] = last;
  }
  EXPECT_THAT(start(alice, realm_id, {"alice", "bob"}), Ok());
  int done = 0;
  for (;;) {
    const Document reply = get_batch(alice, realm_id, 2);
    ASSERT_THAT(reply, Ok({{"batch", anything}}));
    Array saved;
    for (const Document& item : reply["batch"].array()) {
      EXPECT_EQ(item,
                Document(Map{{"vlob_id", anything}, {"version", anything}, {"blob", "old"_bin}}));
      const auto version = item["version"].integer();
      saved.push_back(item.map().with({{"blob", Octets{"new " + std::to_string(version)}}}));
    }
    if (saved.empty()) break;
    ASSERT_LE(saved.size(), 2u);
    done += static_cast<int>(saved.size());
    EXPECT_THAT(save_batch(alice, realm_id, saved), Progress(6, done));
  }
  EXPECT_EQ(done, 6);
  EXPECT_THAT(finish(alice, realm_id), Ok());
  Map newest;
  for (const auto& [vlob_id, last] : versions) {
    newest.set(vlob_id, last);
    EXPECT_THAT(read(bob, vlob_id, 1, 1), Status("bad_encryption_revision"));
    for (int version = 1; version <= last; ++version) {
      EXPECT_THAT(read(bob, vlob_id, 2, version),
                  Ok({{"version", version},
                      {"blob", Octets{"new " + std::to_string(version)}},
                      {"author", version == 1 ? "alice@dev1" : "bob@dev1"},
                      {"timestamp", version == 1 ? base : base + version * 1s}}));
    }
    EXPECT_THAT(read(bob, vlob_id, 2, last + 1), Status("bad_version"));
  }
  // The log of updates knows nothing of the copies.
  const auto poll = [&](int checkpoint) {
    return bob.call("vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", checkpoint}});
  };
  EXPECT_THAT(poll(0), Ok({{"changes", newest}, {"current_checkpoint", 6}}));
  EXPECT_THAT(poll(6), Ok({{"changes", Map{}}, {"current_checkpoint", 6}}));
  const auto& [vlob_id, last] = *versions.begin();
  bob.update_vlob(vlob_id, last + 1, "next"_bin, {}, 2);
  EXPECT_THAT(poll(6), Ok({{"changes", Map{{vlob_id, last + 1}}}, {"current_checkpoint", 7}}));
}

TEST_F(Maintenance, CycleAfterCycle) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid vlob_id = alice.create_vlob(realm_id, "r1"_bin);
  for (const int revision : {2, 3, 4}) {
    const Octets blob{"r" + std::to_string(revision)};
    alice.start_reencryption(realm_id, messages_to({"alice"}), revision);
    Array saved;
    const Document batch = get_batch(alice, realm_id, 100, revision);
    for (const Document& item : batch["batch"].array()) {
      saved.push_back(item.map().with({{"blob", blob}}));
    }
    EXPECT_THAT(save_batch(alice, realm_id, saved, revision), Progress(revision - 1, revision - 1));
    EXPECT_THAT(finish(alice, realm_id, revision), Ok());
    alice.update_vlob(vlob_id, revision, blob, {}, revision);
  }
  EXPECT_EQ(read(alice, vlob_id, 4, 1)["blob"], Document("r4"_bin));
}

TEST_F(Maintenance, SizeOfABatch) {
  auto [alice, realm_id, vlob_id] = in_maintenance();
  for (const auto& [size, count] : {std::pair{0, 0u}, {1, 1u}, {2, 2u}, {3, 3u}, {1000, 3u}}) {
    EXPECT_EQ(get_batch(alice, realm_id, size)["batch"].array().size(), count) << size;
  }
  const Map fields{{"realm_id", realm_id}, {"encryption_revision", 2}};
  for (const Document& size : {Document(-1), Document(1001), Document("x"), Document()}) {
    EXPECT_THAT(
        alice.call("vlob_maintenance_get_reencryption_batch", fields.with({{"size", size}})),
        Invalid({{"size", anything}}))
        << size;
  }
  EXPECT_THAT(save_batch(alice, realm_id, {entry(vlob_id, 2)}), Progress(3, 1));
  std::vector<std::int64_t> left;
  const Document batch = get_batch(alice, realm_id);
  for (const Document& item : batch["batch"].array()) left.push_back(item["version"].integer());
  EXPECT_THAT(left, ::testing::UnorderedElementsAre(1, 3));
}

TEST_F(Maintenance, WhatIsSavedIsSavedOnce) {
  auto [alice, realm_id, vlob_id] = in_maintenance(2);
  EXPECT_THAT(save_batch(alice, realm_id,
                         {entry(vlob_id, 1, "first"_bin), entry(vlob_id, 1, "second"_bin)}),
              Progress(2, 1));
  EXPECT_THAT(save_batch(alice, realm_id, {entry(vlob_id, 1, "third"_bin)}), Progress(2, 1));
  EXPECT_THAT(
      save_batch(alice, realm_id, {entry(vlob_id, 1, "fourth"_bin), entry(vlob_id, 2, "two"_bin)}),
      Progress(2, 2));
  EXPECT_THAT(finish(alice, realm_id), Ok());
  EXPECT_EQ(read(alice, vlob_id, 2, 1)["blob"], Document("first"_bin));
}

TEST_F(Maintenance, IgnoresEntriesThatNameNothing) {
  auto [alice, realm_id, vlob_id] = in_maintenance();
  const Uuid elsewhere = alice.create_vlob(alice.create_realm(), "mine"_bin);
  EXPECT_THAT(save_batch(alice, realm_id, {}), Progress(3, 0));
  EXPECT_THAT(save_batch(alice, realm_id, {entry(vlob_id, 4), entry(vlob_id, 0)}), Progress(3, 0));
  EXPECT_THAT(save_batch(alice, realm_id, {entry(new_uuid(), 1)}), Progress(3, 0));
  EXPECT_THAT(save_batch(alice, realm_id, {entry(elsewhere, 1), entry(vlob_id, 1)}),
              Progress(3, 1));
  EXPECT_EQ(read(alice, elsewhere, 1, 1)["blob"], Document("mine"_bin));
}

TEST_F(Maintenance, AThousandEntries) {
  auto [alice, realm_id, vlob_id] = in_maintenance(1);
  Array batch;
  for (int version = 1; version <= 1000; ++version) {
    batch.push_back(entry(vlob_id, version, Octets{3000, 'y'}));
  }
  EXPECT_THAT(save_batch(alice, realm_id, batch), Progress(1, 1));
}

TEST_F(Maintenance, BatchChecksInTheirOrderAndRights) {
  Session alice = this->alice();
  Session bob = alice.organization().connect(alice.add_user("bob"));
  const auto both = [](Session& session, Uuid realm_id, int revision) {
    return std::array{get_batch(session, realm_id, 10, revision),
                      save_batch(session, realm_id, {}, revision)};
  };
  const Uuid unknown = new_uuid();
  for (const Document& reply : both(bob, unknown, 9)) {
    EXPECT_THAT(reply, Refused("not_found", no_realm(unknown)));
  }
  for (const Document& role : every_role) {
    SCOPED_TRACE(role_name(role));
    const Uuid realm_id = alice.create_realm();
    if (!role.is_nil()) alice.share(realm_id, "bob", role);
    for (const Document& reply : both(bob, realm_id, 9)) {
      EXPECT_THAT(reply, Refused("not_in_maintenance", not_under_maintenance(realm_id)));
    }
    alice.start_reencryption(
        realm_id, role.is_nil() ? messages_to({"alice"}) : messages_to({"alice", "bob"}));
    for (const int revision : {0, 1, 3}) {
      for (const Document& reply : both(bob, realm_id, revision)) {
        EXPECT_THAT(reply, Status("bad_encryption_revision"));
      }
    }
    for (const Document& reply : both(bob, realm_id, 2)) {
      EXPECT_THAT(reply, Status(role == Document("OWNER") ? "ok" : "not_allowed"));
    }
  }
}

}  // namespace
}  // namespace parsec::testing
