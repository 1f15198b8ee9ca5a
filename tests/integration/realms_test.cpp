// protocol/4-commands.md §4.5: realm_create, realm_status, realm_stats,
// realm_get_role_certificates.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Realms : public IntegrationTest {
 protected:
  static Document create(Session& author, std::optional<Uuid> realm_id = {},
                         const Map& changes = {}, std::optional<DateTime> timestamp = {}) {
    return author.call(
        "realm_create",
        {{"role_certificate", author.role(realm_id.value_or(new_uuid()), author.device().user_id(),
                                          "OWNER", timestamp, changes)}});
  }
  static Map idle_status(int revision) {
    return {{"in_maintenance", false},
            {"maintenance_type", nullptr},
            {"maintenance_started_on", nullptr},
            {"maintenance_started_by", nullptr},
            {"encryption_revision", revision}};
  }
};

TEST_F(Realms, CreateByAnybodyButOutsiders) {
  for (const char* profile : {"ADMIN", "STANDARD"}) {
    auto [alice, bob] = pair(profile);
    const Uuid realm_id = new_uuid();
    const Octets certificate = bob.role(realm_id, "bob", "OWNER");
    EXPECT_THAT(bob.call("realm_create", {{"role_certificate", certificate}}), Ok());
    EXPECT_THAT(bob.call("realm_status", {{"realm_id", realm_id}}), Ok(idle_status(1)));
    EXPECT_THAT(bob.call("realm_get_role_certificates", {{"realm_id", realm_id}}),
                Ok({{"certificates", list(certificate)}}));
    EXPECT_THAT(alice.call("realm_status", {{"realm_id", realm_id}}), Status("not_allowed"));
  }
  auto [alice, olga] = pair("OUTSIDER", "olga");
  EXPECT_THAT(create(olga), Refused("not_allowed", "Outsider user cannot create realm"));
}

TEST_F(Realms, CreateChecksInTheirOrder) {
  auto [alice, bob] = pair();
  EXPECT_THAT(alice.call("realm_create", {{"role_certificate", ""_bin}}), InvalidCertification());
  const Octets forged =
      SigningKey{}.certify(role_content("alice@dev1", now(), new_uuid(), "alice", "OWNER"));
  EXPECT_THAT(alice.call("realm_create", {{"role_certificate", forged}}), InvalidCertification());
  EXPECT_THAT(create(alice, {}, {{"author", "alice@dev2"}}),
              WrongAuthor("alice@dev1", "alice@dev2"));
  for (const Map& change :
       {Map{{"author", nullptr}}, Map{{"author", omitted}}, Map{{"type", "user_certificate"}},
        Map{{"timestamp", omitted}}, Map{{"realm_id", omitted}}, Map{{"realm_id", "x"}},
        Map{{"user_id", omitted}}, Map{{"user_id", "a b"}}, Map{{"role", omitted}},
        Map{{"role", "KING"}}, Map{{"role", "owner"}}, Map{{"role", 1}}}) {
    EXPECT_THAT(create(alice, {}, change), InvalidCertification()) << change;
  }
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const Map& change : {Map{}, Map{{"user_id", "bob"}}, Map{{"role", "READER"}}}) {
      EXPECT_THAT(create(alice, {}, change, at),
                  Refused("invalid_certification", "Invalid timestamp in certification."));
    }
  }
  const Uuid taken = alice.create_realm();
  for (const Document& role : {Document("OWNER"), Document("READER"), Document()}) {
    EXPECT_THAT(create(alice, taken, {{"user_id", "bob"}, {"role", role}}),
                Refused("invalid_data", "Initial realm role certificate must be self-signed."));
  }
  for (const Document& role : every_role) {
    if (role == Document("OWNER")) continue;
    for (const Uuid realm_id : {taken, new_uuid()}) {
      EXPECT_THAT(create(alice, realm_id, {{"role", role}}),
                  Refused("invalid_data", "Initial realm role certificate must set OWNER role."));
    }
  }
  EXPECT_THAT(create(alice, taken), Status("already_exists"));
  EXPECT_THAT(create(bob, taken), Status("already_exists"));
  Session elsewhere = this->alice();
  EXPECT_THAT(create(elsewhere, taken), Ok());
}

TEST_F(Realms, ReadingRights) {
  auto [alice, bob] = pair();
  Session stranger = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid unknown = new_uuid();
  const char* commands[]{"realm_status", "realm_stats", "realm_get_role_certificates"};
  const auto expect_for_bob = [&](const char* status) {
    for (const char* cmd : commands) {
      EXPECT_THAT(bob.call(cmd, {{"realm_id", realm_id}}), Status(status)) << cmd;
    }
  };
  for (const char* cmd : commands) {
    EXPECT_THAT(bob.call(cmd, {{"realm_id", unknown}}), Refused("not_found", no_realm(unknown)));
    EXPECT_THAT(stranger.call(cmd, {{"realm_id", realm_id}}),
                Refused("not_found", no_realm(realm_id)));
  }
  expect_for_bob("not_allowed");
  for (const Document& role : every_role) {
    SCOPED_TRACE(role_name(role));
    alice.share(realm_id, "bob", role);
    expect_for_bob(role.is_nil() ? "not_allowed" : "ok");
  }
}

TEST_F(Realms, StatusOfAMaintenance) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const DateTime started = now() - 1min;
  alice.create_vlob(realm_id);
  alice.require("realm_start_reencryption_maintenance",
                {{"realm_id", realm_id},
                 {"encryption_revision", 2},
                 {"timestamp", started},
                 {"per_participant_message", Map{{"alice", ""_bin}, {"bob", ""_bin}}}});
  for (Session* session : {&alice, &bob}) {
    EXPECT_THAT(session->call("realm_status", {{"realm_id", realm_id}}),
                Ok({{"in_maintenance", true},
                    {"maintenance_type", "REENCRYPTION"},
                    {"maintenance_started_on", started},
                    {"maintenance_started_by", "alice@dev1"},
                    {"encryption_revision", 2}}));
  }
  alice.reencrypt_everything(realm_id);
  alice.finish_reencryption(realm_id);
  EXPECT_THAT(bob.call("realm_status", {{"realm_id", realm_id}}), Ok(idle_status(2)));
}

TEST_F(Realms, Stats) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid other = alice.create_realm();
  const auto expect_stats = [&](Uuid realm, int blocks, int vlobs) {
    EXPECT_THAT(alice.call("realm_stats", {{"realm_id", realm}}),
                Ok({{"blocks_size", blocks}, {"vlobs_size", vlobs}}));
  };
  expect_stats(realm_id, 0, 0);
  const Uuid vlob_id = alice.create_vlob(realm_id, Octets{10, 'x'});
  alice.update_vlob(vlob_id, 2, Octets{7, 'x'});
  alice.create_vlob(realm_id, {});
  alice.create_block(realm_id, Octets{100, 'y'});
  alice.create_block(realm_id, Octets{23, 'y'});
  alice.create_block(realm_id, {});
  alice.create_vlob(other, Octets{1000, 'z'});
  expect_stats(realm_id, 123, 17);
  expect_stats(other, 0, 1000);
  // Copies of a re-encryption are not counted again, whatever their size.
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  alice.require(
      "vlob_maintenance_save_reencryption_batch",
      {{"realm_id", realm_id},
       {"encryption_revision", 2},
       {"batch", list(Map{{"vlob_id", vlob_id}, {"version", 1}, {"blob", Octets{900, 'x'}}})}});
  expect_stats(realm_id, 123, 17);
  alice.reencrypt_everything(realm_id);
  alice.finish_reencryption(realm_id);
  alice.update_vlob(vlob_id, 3, Octets{5, 'x'}, {}, 2);
  expect_stats(realm_id, 123, 22);
}

TEST_F(Realms, RoleCertificatesByTimestamp) {
  auto [alice, bob] = pair();
  alice.add_user("carol");
  const Uuid realm_id = new_uuid();
  const DateTime base = now() - 10min;
  std::vector<Octets> certificates{
      alice.role(realm_id, "alice", "OWNER", base),
      alice.role(realm_id, "bob", "READER", base + 1s),
      alice.role(realm_id, "carol", "MANAGER", base + 2s),
      alice.role(realm_id, "bob", nullptr, base + 3s),
  };
  alice.require("realm_create", {{"role_certificate", certificates[0]}});
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    alice.require("realm_update_roles",
                  {{"role_certificate", certificates[i]}, {"recipient_message", nullptr}});
  }
  struct Row {
    const char* name;
    Document since;
    std::size_t first;
  };
  const Row rows[]{{"absent", omitted, 0},
                   {"null", nullptr, 0},
                   {"just before the second", base + 1s - 1us, 1},
                   {"the second", base + 1s, 2},
                   {"just after the second", base + 1s + 1us, 2},
                   {"the last", base + 3s, 4}};
  for_each_row(rows, [&](const Row& row) {
    const Array wanted{certificates.begin() + static_cast<std::ptrdiff_t>(row.first),
                       certificates.end()};
    EXPECT_THAT(alice.call("realm_get_role_certificates",
                           Map{{"realm_id", realm_id}}.with({{"since", row.since}})),
                Ok({{"certificates", wanted}}));
  });
}

}  // namespace
}  // namespace parsec::testing
