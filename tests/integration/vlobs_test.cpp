// protocol/4-commands.md §4.6: vlob_create, vlob_read, vlob_update, vlob_poll_changes,
// vlob_list_versions.
#include <limits>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

constexpr const char* out_of_date = "Timestamp is out of date.";

class Vlobs : public IntegrationTest {
 protected:
  static Document create(Session& author, Uuid realm_id, const Map& changes = {}) {
    const Map fields{{"realm_id", realm_id},
                     {"encryption_revision", 1},
                     {"vlob_id", new_uuid()},
                     {"timestamp", now()},
                     {"blob", "v1"_bin}};
    return author.call("vlob_create", fields.with(changes));
  }
  static Document update(Session& author, Uuid vlob_id, std::int64_t version,
                         const Map& changes = {}) {
    return author.call("vlob_update", Session::update_fields(vlob_id, version).with(changes));
  }
  static Document read(Session& reader, Uuid vlob_id, const Map& changes = {}) {
    return reader.call("vlob_read",
                       Map{{"encryption_revision", 1}, {"vlob_id", vlob_id}}.with(changes));
  }
  static Document poll(Session& reader, Uuid realm_id, const Document& checkpoint) {
    return reader.call("vlob_poll_changes",
                       {{"realm_id", realm_id}, {"last_checkpoint", checkpoint}});
  }
  static ReplyMatcher Changes(const Map& changes, std::int64_t checkpoint) {
    return Ok({{"changes", changes}, {"current_checkpoint", checkpoint}});
  }

  /// A vlob of three versions, a second apart.
  struct Three {
    Session alice;
    Uuid vlob_id;
    std::vector<DateTime> times;
  };
  static Three three_versions() {
    Session alice = IntegrationTest::alice();
    const DateTime base = now() - 5min;
    const std::vector<DateTime> times{base, base + 1s, base + 2s};
    const Uuid vlob_id = alice.create_vlob(alice.create_realm(), "v1"_bin, {}, times[0]);
    alice.update_vlob(vlob_id, 2, "v2"_bin, times[1]);
    alice.update_vlob(vlob_id, 3, "v3"_bin, times[2]);
    return {std::move(alice), vlob_id, times};
  }
};

// --- vlob_create ---------------------------------------------------------------------------------

TEST_F(Vlobs, CreateKeepsBlobAuthorAndTimestamp) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::string every_octet;
  for (int i = 0; i < 256; ++i) every_octet += static_cast<char>(i);
  for (const Octets& blob : {"hello"_bin, Octets{}, Octets{every_octet}, random_octets(65'536)}) {
    const Uuid vlob_id = new_uuid();
    const DateTime at = now() - 20min;
    EXPECT_THAT(create(alice, realm_id, {{"vlob_id", vlob_id}, {"timestamp", at}, {"blob", blob}}),
                Ok());
    EXPECT_THAT(read(alice, vlob_id),
                Ok({{"version", 1}, {"blob", blob}, {"author", "alice@dev1"}, {"timestamp", at}}));
  }
}

TEST_F(Vlobs, CreateChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid elsewhere = this->alice().create_realm();
  const Uuid unknown = new_uuid();
  const Uuid taken = alice.create_vlob(realm_id, "mine"_bin);
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const Uuid realm : {realm_id, unknown}) {
      EXPECT_THAT(create(bob, realm, {{"timestamp", at}, {"encryption_revision", 9}}),
                  Refused("bad_timestamp", out_of_date));
    }
  }
  for (const Uuid realm : {unknown, elsewhere}) {
    EXPECT_THAT(create(bob, realm, {{"encryption_revision", 9}}),
                Refused("not_found", no_realm(realm)));
  }
  for (const int revision : {-1, 0, 2, 1000}) {
    EXPECT_THAT(create(bob, realm_id, {{"encryption_revision", revision}, {"vlob_id", taken}}),
                Status("bad_encryption_revision"));
  }
  EXPECT_THAT(create(bob, realm_id, {{"vlob_id", taken}}), Status("not_allowed"));
  EXPECT_THAT(create(alice, realm_id, {{"vlob_id", taken}}), Status("already_exists"));
  EXPECT_EQ(read(alice, taken)["blob"], Document("mine"_bin));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  for (Session* session : {&alice, &bob}) {
    for (const int revision : {1, 2, 9}) {
      EXPECT_THAT(
          create(*session, realm_id, {{"encryption_revision", revision}, {"vlob_id", taken}}),
          Status("in_maintenance"));
    }
  }
}

TEST_F(Vlobs, InTheBallpark) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  EXPECT_THAT(create(alice, realm_id, {{"timestamp", now() - ballpark + margin}}), Ok());
  EXPECT_THAT(create(alice, realm_id, {{"timestamp", now() + ballpark - margin}}), Ok());
}

TEST_F(Vlobs, IdsAreUniqueInTheOrganization) {
  Session alice = this->alice();
  const Uuid vlob_id = alice.create_vlob(alice.create_realm(), "first"_bin);
  const Uuid other_realm = alice.create_realm();
  EXPECT_THAT(create(alice, other_realm, {{"vlob_id", vlob_id}}), Status("already_exists"));
  EXPECT_THAT(poll(alice, other_realm, 0), Changes({}, 0));
  Session stranger = this->alice();
  EXPECT_THAT(create(stranger, stranger.create_realm(), {{"vlob_id", vlob_id}}), Ok());
  EXPECT_EQ(read(alice, vlob_id)["blob"], Document("first"_bin));
}

TEST_F(Vlobs, AnyUuidIsAnId) {
  Session alice = this->alice();
  for (const char octet : {'\0', '\xFF', '\x11'}) {
    const Uuid id = Uuid::from(Octets{16, octet}.view());
    const Uuid realm_id = alice.create_realm(id);
    alice.create_vlob(realm_id, "x"_bin, id);
    EXPECT_THAT(poll(alice, realm_id, 0), Changes({{id, 1}}, 1));
  }
}

// --- Rights --------------------------------------------------------------------------------------

TEST_F(Vlobs, RightsByRole) {
  for (const Document& role : every_role) {
    SCOPED_TRACE(role_name(role));
    auto [alice, bob, realm_id] = realm_pair(role);
    const Uuid vlob_id = alice.create_vlob(realm_id);
    const bool reads = !role.is_nil();
    const bool writes = reads && role != Document("READER");
    EXPECT_THAT(create(bob, realm_id), Status(writes ? "ok" : "not_allowed"));
    EXPECT_THAT(update(bob, vlob_id, 2), Status(writes ? "ok" : "not_allowed"));
    for (const Document& reply :
         {read(bob, vlob_id), read(bob, vlob_id, {{"version", 1}}), poll(bob, realm_id, 0),
          bob.call("vlob_list_versions", {{"vlob_id", vlob_id}})}) {
      EXPECT_THAT(reply, Status(reads ? "ok" : "not_allowed"));
    }
    EXPECT_EQ(read(alice, vlob_id)["version"], Document(writes ? 2 : 1));
  }
}

TEST_F(Vlobs, RightsThatAreWithdrawn) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const Uuid vlob_id = bob.create_vlob(realm_id);
  alice.share(realm_id, "bob", "READER");
  EXPECT_THAT(update(bob, vlob_id, 2), Status("not_allowed"));
  EXPECT_THAT(read(bob, vlob_id), Status("ok"));
  alice.share(realm_id, "bob", nullptr);
  EXPECT_THAT(read(bob, vlob_id), Status("not_allowed"));
  alice.share(realm_id, "bob", "CONTRIBUTOR");
  EXPECT_THAT(update(bob, vlob_id, 2), Ok());
}

// --- vlob_read -----------------------------------------------------------------------------------

TEST_F(Vlobs, ReadByVersionOrTime) {
  auto [alice, vlob_id, times] = three_versions();
  struct Row {
    const char* name;
    Map fields;
    int version;  // 0: bad_version
  };
  const std::vector<Row> rows{
      {"newest", {}, 3},
      {"nulls", {{"version", nullptr}, {"timestamp", nullptr}}, 3},
      {"version 1", {{"version", 1}}, 1},
      {"version 2", {{"version", 2}}, 2},
      {"version 3", {{"version", 3}}, 3},
      {"version 4", {{"version", 4}}, 0},
      {"a huge version", {{"version", 2'000'000'000}}, 0},
      {"at the second", {{"timestamp", times[1]}}, 2},
      {"just before the second", {{"timestamp", times[1] - 1us}}, 1},
      {"just after the second", {{"timestamp", times[1] + 1us}}, 2},
      {"at the first", {{"timestamp", times[0]}}, 1},
      {"just before the first", {{"timestamp", times[0] - 1us}}, 0},
      {"long ago", {{"timestamp", times[0] - 240'000h}}, 0},
      {"in the future", {{"timestamp", now() + 240'000h}}, 3},
      {"year 1", {{"timestamp", DateTime{DateTime::min_microseconds}}}, 0},
      {"year 9999", {{"timestamp", DateTime{253'402'300'799'000'000}}}, 3},
      {"version wins over timestamp", {{"version", 3}, {"timestamp", times[0]}}, 3},
      {"unknown version wins over timestamp", {{"version", 4}, {"timestamp", times[0]}}, 0},
  };
  for_each_row(rows, [&](const Row& row) {
    const Document reply = read(alice, vlob_id, row.fields);
    if (row.version == 0) {
      EXPECT_THAT(reply, Status("bad_version"));
    } else {
      EXPECT_THAT(reply, Ok({{"version", row.version},
                             {"blob", Octets{"v" + std::to_string(row.version)}},
                             {"author", "alice@dev1"},
                             {"timestamp", times[static_cast<std::size_t>(row.version - 1)]}}));
    }
  });
}

TEST_F(Vlobs, VersionsThatCannotBe) {
  auto [alice, vlob_id, times] = three_versions();
  for (const Document& version : {Document(0), Document(-1), Document("x")}) {
    EXPECT_THAT(read(alice, vlob_id, {{"version", version}}), Invalid({{"version", anything}}));
    EXPECT_THAT(update(alice, vlob_id, 0, {{"version", version}}),
                Invalid({{"version", anything}}));
  }
  for (const Document& version : {Document(std::int64_t{1} << 31), Document(std::uint64_t{1} << 63),
                                  Document(std::numeric_limits<std::uint64_t>::max())}) {
    for (const Document& reply : {read(alice, vlob_id, {{"version", version}}),
                                  update(alice, vlob_id, 0, {{"version", version}})}) {
      EXPECT_TRUE(reply["status"] == Document("bad_version") ||
                  reply["status"] == Document("bad_message"))
          << reply;
    }
  }
}

TEST_F(Vlobs, ReadChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  Session stranger = this->alice();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  const Uuid elsewhere = stranger.create_vlob(stranger.create_realm());
  const Map nine{{"encryption_revision", 9}, {"version", 9}};
  for (const Uuid unknown : {new_uuid(), elsewhere}) {
    EXPECT_THAT(read(bob, unknown, nine), Refused("not_found", no_vlob(unknown)));
  }
  EXPECT_THAT(read(bob, vlob_id, nine), Status("bad_encryption_revision"));
  EXPECT_THAT(read(bob, vlob_id, {{"version", 9}}), Status("not_allowed"));
  EXPECT_THAT(read(alice, vlob_id, {{"version", 9}}), Status("bad_version"));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  for (Session* session : {&alice, &bob}) {
    for (const int revision : {1, 2, 9}) {
      EXPECT_THAT(read(*session, vlob_id, {{"encryption_revision", revision}, {"version", 9}}),
                  Status("in_maintenance"));
    }
  }
}

// --- vlob_update ---------------------------------------------------------------------------------

TEST_F(Vlobs, UpdateKeepsEachVersion) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const Uuid vlob_id = alice.create_vlob(realm_id, "1"_bin);
  const DateTime at = now();
  EXPECT_THAT(update(bob, vlob_id, 2, {{"blob", "two"_bin}, {"timestamp", at}}), Ok());
  EXPECT_THAT(update(alice, vlob_id, 3, {{"blob", ""_bin}}), Ok());
  EXPECT_THAT(read(alice, vlob_id, {{"version", 2}}),
              Ok({{"version", 2}, {"blob", "two"_bin}, {"author", "bob@dev1"}, {"timestamp", at}}));
  EXPECT_THAT(
      read(bob, vlob_id),
      Ok({{"version", 3}, {"blob", ""_bin}, {"author", "alice@dev1"}, {"timestamp", anything}}));
}

TEST_F(Vlobs, UpdateChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  const Uuid unknown = new_uuid();
  const Map nine{{"encryption_revision", 9}};
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const Uuid vlob : {vlob_id, unknown}) {
      EXPECT_THAT(update(bob, vlob, 9, nine.with({{"timestamp", at}})),
                  Refused("bad_timestamp", out_of_date));
    }
  }
  EXPECT_THAT(update(bob, unknown, 9, nine), Refused("not_found", no_vlob(unknown)));
  EXPECT_THAT(update(bob, vlob_id, 9, nine), Status("bad_encryption_revision"));
  EXPECT_THAT(update(bob, vlob_id, 9), Status("not_allowed"));
  for (const int version : {1, 3, 4, 100}) {
    EXPECT_THAT(update(alice, vlob_id, version), Status("bad_version"));
  }
  EXPECT_EQ(read(alice, vlob_id)["version"], Document(1));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  for (Session* session : {&alice, &bob}) {
    for (const int revision : {1, 2, 9}) {
      EXPECT_THAT(update(*session, vlob_id, 9, {{"encryption_revision", revision}}),
                  Status("in_maintenance"));
    }
  }
}

TEST_F(Vlobs, UpdateNeverGoesBackInTime) {
  auto [alice, vlob_id, times] = three_versions();
  const Map earlier{{"timestamp", times[2] - 1us}};
  EXPECT_THAT(update(alice, vlob_id, 4, earlier), Status("bad_timestamp"));
  EXPECT_THAT(update(alice, vlob_id, 9, earlier), Status("bad_version"));
  EXPECT_THAT(update(alice, vlob_id, 4, {{"timestamp", times[2]}}), Ok());
  EXPECT_THAT(update(alice, vlob_id, 5, {{"timestamp", times[2] + 1us}}), Ok());
}

// --- vlob_poll_changes, vlob_list_versions -------------------------------------------------------

TEST_F(Vlobs, PollChanges) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  EXPECT_THAT(poll(alice, realm_id, 0), Changes({}, 0));
  const Uuid first = alice.create_vlob(realm_id);
  const Uuid second = alice.create_vlob(realm_id);
  alice.update_vlob(first, 2);
  alice.update_vlob(first, 3);
  const Map everything{{first, 3}, {second, 1}};
  EXPECT_THAT(poll(alice, realm_id, -1), Changes(everything, 4));
  EXPECT_THAT(poll(alice, realm_id, 0), Changes(everything, 4));
  EXPECT_THAT(poll(alice, realm_id, 1), Changes(everything, 4));
  EXPECT_THAT(poll(alice, realm_id, 2), Changes({{first, 3}}, 4));
  EXPECT_THAT(poll(alice, realm_id, 3), Changes({{first, 3}}, 4));
  EXPECT_THAT(poll(alice, realm_id, 4), Changes({}, 4));
  EXPECT_THAT(poll(alice, realm_id, 7), Changes({}, 7));
  // Each realm counts for itself.
  const Uuid other_realm = alice.create_realm();
  const Uuid third = alice.create_vlob(other_realm);
  EXPECT_THAT(poll(alice, other_realm, 0), Changes({{third, 1}}, 1));
  EXPECT_THAT(poll(alice, realm_id, 4), Changes({}, 4));
}

TEST_F(Vlobs, PollChangesAndListVersionsRefused) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  const Uuid vlob_id = alice.create_vlob(realm_id);
  const Uuid unknown = new_uuid();
  EXPECT_THAT(poll(bob, unknown, 0), Refused("not_found", no_realm(unknown)));
  EXPECT_THAT(poll(bob, realm_id, 0), Status("not_allowed"));
  EXPECT_THAT(bob.call("vlob_list_versions", {{"vlob_id", unknown}}),
              Refused("not_found", no_vlob(unknown)));
  EXPECT_THAT(bob.call("vlob_list_versions", {{"vlob_id", vlob_id}}), Status("not_allowed"));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  for (Session* session : {&alice, &bob}) {
    EXPECT_THAT(poll(*session, realm_id, 0), Status("in_maintenance"));
    EXPECT_THAT(session->call("vlob_list_versions", {{"vlob_id", vlob_id}}),
                Status("in_maintenance"));
  }
}

TEST_F(Vlobs, ListVersions) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const DateTime base = now() - 1min;
  const Uuid vlob_id = alice.create_vlob(realm_id, "1"_bin, {}, base);
  bob.update_vlob(vlob_id, 2, "2"_bin, base + 1us);
  EXPECT_THAT(
      alice.call("vlob_list_versions", {{"vlob_id", vlob_id}}),
      Ok({{"versions", Map{{1, list(base, "alice@dev1")}, {2, list(base + 1us, "bob@dev1")}}}}));
}

}  // namespace
}  // namespace parsec::testing
