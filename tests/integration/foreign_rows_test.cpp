// db/storage.md §1: rows that another server of the deployment wrote are served, and gone on with.
#include <array>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// Another server of the deployment: it writes the plain way, and counts without a lock.
class Foreign : public IntegrationTest {
 protected:
  static Document key(DatabaseProbe& probe, const Organization& organization, const char* table,
                      const char* column, const Document& value) {
    return probe.value("SELECT t._id FROM " + std::string{table} +
                           " AS t JOIN organization AS o ON o._id = t.organization"
                           " WHERE organization_id = $1 AND " +
                           column + " = $2",
                       {organization.id(), value});
  }
  static void store_message(DatabaseProbe& probe, const Organization& organization,
                            const char* recipient, const Octets& body, DateTime at,
                            const Document& index = nullptr) {
    probe.execute(
        "INSERT INTO message (organization, recipient, timestamp, index, sender, body)"
        " SELECT u.organization, u._id, $4, COALESCE($5::text::int, (SELECT count(*) + 1"
        "  FROM message WHERE recipient = u._id)), d._id, $3"
        " FROM user_ AS u JOIN device AS d ON d.organization = u.organization"
        " JOIN organization AS o ON o._id = u.organization"
        " WHERE organization_id = $1 AND user_id = $2 AND device_id = 'alice@dev1'",
        {organization.id(), recipient, body, at,
         index.is_nil() ? index : Document(to_text(index))});
  }
  static void store_version(DatabaseProbe& probe, const Organization& organization, Uuid realm_id,
                            Uuid vlob_id, int version, const Octets& blob, DateTime at,
                            const char* author) {
    probe.execute(
        "WITH place AS (SELECT r._id AS realm, r.organization, v._id AS revision, d._id AS author"
        "  FROM organization AS o JOIN realm AS r ON r.organization = o._id"
        "  JOIN vlob_encryption_revision AS v ON v.realm = r._id"
        "  JOIN device AS d ON d.organization = o._id"
        "  WHERE organization_id = $1 AND realm_id = $2 AND device_id = $7),"
        " atom AS (INSERT INTO vlob_atom (organization, vlob_encryption_revision, vlob_id, version,"
        "  blob, size, author, created_on)"
        "  SELECT organization, revision, $3, $4, $5, length($5), author, $6 FROM place"
        "  RETURNING _id)"
        " INSERT INTO realm_vlob_update (realm, index, vlob_atom)"
        " SELECT realm, COALESCE((SELECT max(index) FROM realm_vlob_update AS u"
        "  WHERE u.realm = place.realm), 0) + 1, atom._id FROM place, atom",
        {organization.id(), realm_id, vlob_id, version, blob, at, author});
  }
};

TEST_F(Foreign, MessagesAreServedByTheirPlace) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  DatabaseProbe other_server = database();
  const Organization& organization = alice.organization();
  const DateTime at = now();
  store_message(other_server, organization, "bob", "1"_bin, at);
  alice.share(realm_id, "bob", "READER", "2"_bin);
  // Servers that raced left equal numbers and holes.
  for (const int index : {3, 3, 7}) {
    store_message(other_server, organization, "bob", "foreign"_bin, at, index);
  }
  alice.share(realm_id, "bob", "MANAGER", "6"_bin);
  for (int offset = 0; offset <= 6; ++offset) {
    Array got, wanted;
    const Document reply = bob.call("message_get", {{"offset", offset}});
    for (const Document& one : reply["messages"].array()) {
      got.push_back(list(one["count"], one["body"]));
    }
    const std::array<Octets, 6> bodies{"1"_bin,       "2"_bin,       "foreign"_bin,
                                       "foreign"_bin, "foreign"_bin, "6"_bin};
    for (int i = offset; i < 6; ++i) {
      wanted.push_back(list(i + 1, bodies[static_cast<std::size_t>(i)]));
    }
    EXPECT_EQ(Document(got), Document(wanted)) << offset;
  }
}

TEST_F(Foreign, VlobsAreServedAndContinued) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  DatabaseProbe other_server = database();
  const Organization& organization = alice.organization();
  const Uuid vlob_id = new_uuid();
  const DateTime at = now() - 1min;
  store_version(other_server, organization, realm_id, vlob_id, 1, "foreign"_bin, at, "bob@dev1");
  alice.update_vlob(vlob_id, 2, "ours"_bin);
  store_version(other_server, organization, realm_id, vlob_id, 3, "foreign 3"_bin, now(),
                "bob@dev1");
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 3), Status("bad_version"));
  bob.update_vlob(vlob_id, 4, "ours 4"_bin);
  EXPECT_THAT(
      alice.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}, {"version", 1}}),
      Ok({{"version", 1}, {"blob", "foreign"_bin}, {"author", "bob@dev1"}, {"timestamp", at}}));
  EXPECT_THAT(bob.call("vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 0}}),
              Ok({{"changes", Map{{vlob_id, 4}}}, {"current_checkpoint", 4}}));
}

TEST_F(Foreign, RolesAndMaintenanceCountAtOnce) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  DatabaseProbe other_server = database();
  const Organization& organization = alice.organization();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  const Document realm = key(other_server, organization, "realm", "realm_id", realm_id);
  const Document device = key(other_server, organization, "device", "device_id", "alice@dev1");
  for (const auto& [role, status] : {std::pair{Document(), "not_allowed"},
                                     {Document("READER"), "ok"},
                                     {Document(), "not_allowed"}}) {
    other_server.execute(
        "INSERT INTO realm_user_role (realm, user_, role, certificate, certified_by, certified_on)"
        " VALUES ($1, $2, $3::text::realm_role, $4, $5, $6)",
        {realm, key(other_server, organization, "user_", "user_id", "bob"), role,
         alice.role(realm_id, "bob", role), device, now()});
    EXPECT_THAT(bob.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}}),
                Status(status));
  }
  other_server.execute(
      "UPDATE realm SET encryption_revision = 2, maintenance_type = 'REENCRYPTION',"
      " maintenance_started_on = now(), maintenance_started_by = $2 WHERE _id = $1",
      {realm, device});
  other_server.execute(
      "INSERT INTO vlob_encryption_revision (realm, encryption_revision) VALUES ($1, 2)", {realm});
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 2), Status("in_maintenance"));
  EXPECT_THAT(alice.reencrypt_everything(realm_id), Ok({{"total", 1}, {"done", 1}}));
  alice.finish_reencryption(realm_id);
  alice.update_vlob(vlob_id, 2, {}, {}, 2);
}

TEST_F(Foreign, UsersConnect) {
  Session alice = this->alice();
  DatabaseProbe other_server = database();
  const Document human = list("zoe@example.com", "Zo\xC3\xA9");
  const Device zoe = alice.organization().new_device("zoe@dev1", "OUTSIDER", human, "x");
  const Map made = user_certificates(alice.device(), zoe);
  other_server.execute(
      "WITH o AS (SELECT o._id, d._id AS certifier FROM organization AS o"
      "  JOIN device AS d ON d.organization = o._id WHERE organization_id = $1),"
      " h AS (INSERT INTO human (organization, email, label)"
      "  SELECT _id, 'zoe@example.com', $7 FROM o RETURNING _id),"
      " u AS (INSERT INTO user_ (organization, user_id, user_certificate,"
      "  redacted_user_certificate, user_certifier, created_on, human, profile)"
      "  SELECT o._id, 'zoe', $2, $3, certifier, $6, h._id, 'OUTSIDER' FROM o, h RETURNING _id)"
      " INSERT INTO device (organization, user_, device_id, device_certificate,"
      "  redacted_device_certificate, device_certifier, created_on, device_label)"
      "  SELECT o._id, u._id, 'zoe@dev1', $4, $5, certifier, $6, 'x' FROM o, u",
      {alice.organization_id(), *made.find("user_certificate"),
       *made.find("redacted_user_certificate"), *made.find("device_certificate"),
       *made.find("redacted_device_certificate"), now(), human[1]});
  Session session = alice.organization().connect(zoe);
  EXPECT_THAT(session.call("realm_create"),
              Refused("not_allowed", "Outsider user cannot create realm"));
  EXPECT_EQ(alice.call("human_find", {{"query", "zoe"}})["results"],
            list(Map{{"user_id", "zoe"}, {"human_handle", human}, {"revoked", false}}));
}

}  // namespace
}  // namespace parsec::testing
