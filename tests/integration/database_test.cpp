// db/storage.md §1, "Which value goes where": the rows that commands write.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// The tables, each with the public name of what its references mean.
struct Column {
  const char* name;
  const char* shown;  // an expression over the row `r`
};

class Rows : public IntegrationTest {
 protected:
  static constexpr const char* of_organization =
      "r.organization = (SELECT _id FROM organization WHERE organization_id = $1)";
  static constexpr const char* of_its_realms =
      "r.realm IN (SELECT realm._id FROM realm JOIN organization AS o ON o._id = organization"
      " WHERE organization_id = $1)";

  /// The rows of an organization in the order they were made, references by their public names.
  static std::vector<Map> rows(const Organization& organization, const std::string& table,
                               const std::vector<Column>& columns, const char* where) {
    std::string sql = "SELECT ";
    for (const auto& [name, shown] : columns) {
      if (sql.size() > 7) sql += ", ";
      sql += std::string{shown} + " AS \"" + name + '"';
    }
    return database().rows(sql + " FROM " + table + " AS r WHERE " + where + " ORDER BY r._id",
                           {organization.id()});
  }

  static std::vector<Map> organizations(const Organization& one) {
    return rows(one, "organization",
                {{"bootstrap_token", "bootstrap_token"},
                 {"root_verify_key", "root_verify_key"},
                 {"expiration_date", "expiration_date"}},
                "r.organization_id = $1");
  }
  static std::vector<Map> humans(const Organization& one) {
    return rows(one, "human", {{"email", "email"}, {"label", "label"}}, of_organization);
  }
  static std::vector<Map> users(const Organization& one) {
    return rows(one, "user_",
                {{"user_id", "user_id"},
                 {"user_certificate", "user_certificate"},
                 {"redacted", "redacted_user_certificate"},
                 {"certifier", "(SELECT device_id FROM device WHERE _id = r.user_certifier)"},
                 {"created_on", "created_on"},
                 {"revoked_on", "revoked_on"},
                 {"revocation", "revoked_user_certificate"},
                 {"revoker", "(SELECT device_id FROM device WHERE _id = r.revoked_user_certifier)"},
                 {"human", "(SELECT email FROM human WHERE _id = r.human)"},
                 {"profile", "profile"}},
                of_organization);
  }
  static std::vector<Map> devices(const Organization& one) {
    return rows(one, "device",
                {{"user", "(SELECT user_id FROM user_ WHERE _id = r.user_)"},
                 {"device_id", "device_id"},
                 {"device_certificate", "device_certificate"},
                 {"redacted", "redacted_device_certificate"},
                 {"certifier", "(SELECT device_id FROM device WHERE _id = r.device_certifier)"},
                 {"created_on", "created_on"},
                 {"label", "device_label"}},
                of_organization);
  }
  static std::vector<Map> realms(const Organization& one) {
    return rows(one, "realm",
                {{"realm_id", "realm_id"},
                 {"revision", "encryption_revision"},
                 {"by", "(SELECT device_id FROM device WHERE _id = r.maintenance_started_by)"},
                 {"on", "maintenance_started_on"},
                 {"type", "maintenance_type"}},
                of_organization);
  }
  static std::vector<Map> roles(const Organization& one) {
    return rows(one, "realm_user_role",
                {{"realm", "(SELECT realm_id FROM realm WHERE _id = r.realm)"},
                 {"user", "(SELECT user_id FROM user_ WHERE _id = r.user_)"},
                 {"role", "role"},
                 {"certificate", "certificate"},
                 {"by", "(SELECT device_id FROM device WHERE _id = r.certified_by)"},
                 {"on", "certified_on"}},
                of_its_realms);
  }
  static std::vector<Map> revisions(const Organization& one) {
    return rows(one, "vlob_encryption_revision",
                {{"realm", "(SELECT realm_id FROM realm WHERE _id = r.realm)"},
                 {"revision", "encryption_revision"}},
                of_its_realms);
  }
  static std::vector<Map> messages(const Organization& one) {
    return rows(one, "message",
                {{"recipient", "(SELECT user_id FROM user_ WHERE _id = r.recipient)"},
                 {"timestamp", "timestamp"},
                 {"index", "index"},
                 {"sender", "(SELECT device_id FROM device WHERE _id = r.sender)"},
                 {"body", "body"}},
                of_organization);
  }
  static std::vector<Map> atoms(const Organization& one) {
    return rows(one, "vlob_atom",
                {{"revision",
                  "(SELECT encryption_revision FROM vlob_encryption_revision"
                  " WHERE _id = r.vlob_encryption_revision)"},
                 {"vlob_id", "vlob_id"},
                 {"version", "version"},
                 {"blob", "blob"},
                 {"size", "size"},
                 {"author", "(SELECT device_id FROM device WHERE _id = r.author)"},
                 {"created_on", "created_on"},
                 {"deleted_on", "deleted_on"}},
                of_organization);
  }
  static std::vector<Map> updates(const Organization& one) {
    return rows(one, "realm_vlob_update",
                {{"realm", "(SELECT realm_id FROM realm WHERE _id = r.realm)"},
                 {"index", "index"},
                 {"vlob_id", "(SELECT vlob_id FROM vlob_atom WHERE _id = r.vlob_atom)"},
                 {"version", "(SELECT version FROM vlob_atom WHERE _id = r.vlob_atom)"}},
                of_its_realms);
  }

  static Map user_row(const Device& device, DateTime created_on, const Document& certifier,
                      const Map& changes = {}) {
    return Map{{"user_id", device.user_id()},
               {"user_certificate", *device.certificates.find("user_certificate")},
               {"redacted", *device.certificates.find("redacted_user_certificate")},
               {"certifier", certifier},
               {"created_on", created_on},
               {"revoked_on", nullptr},
               {"revocation", nullptr},
               {"revoker", nullptr},
               {"human", device.human_handle.is_nil() ? Document() : device.human_handle[0]},
               {"profile", device.profile}}
        .with(changes);
  }
  static Map device_row(const Device& device, const Document& created_on,
                        const Document& certifier) {
    return {{"user", device.user_id()},
            {"device_id", device.id},
            {"device_certificate", *device.certificates.find("device_certificate")},
            {"redacted", *device.certificates.find("redacted_device_certificate")},
            {"certifier", certifier},
            {"created_on", created_on},
            {"label", device.label}};
  }
  static Map atom_row(int revision, Uuid vlob_id, int version, const Octets& blob, DateTime at,
                      const char* author = "alice@dev1") {
    return {{"revision", revision}, {"vlob_id", vlob_id},   {"version", version},
            {"blob", blob},         {"size", blob.size()},  {"author", author},
            {"created_on", at},     {"deleted_on", nullptr}};
  }
  static Map realm_row(Uuid realm_id, int revision = 1, const Document& by = nullptr,
                       const Document& on = nullptr) {
    return {{"realm_id", realm_id},
            {"revision", revision},
            {"by", by},
            {"on", on},
            {"type", by.is_nil() ? Document() : Document("REENCRYPTION")}};
  }
  using All = std::vector<Map>;
};

// --- What our commands write ---------------------------------------------------------------------

TEST_F(Rows, OfOrganizations) {
  const auto made = unknown_organization();
  const DateTime date = now() + 72h;
  for (const Document& expiration : {Document(omitted), Document(date), Document()}) {
    const std::string bootstrap_token = made->create_here({{"expiration_date", expiration}});
    EXPECT_EQ(organizations(*made),
              (All{{{"bootstrap_token", bootstrap_token},
                    {"root_verify_key", nullptr},
                    {"expiration_date", expiration.is<Omitted>() ? Document() : expiration}}}));
  }
  EXPECT_EQ(users(*made).size() + devices(*made).size() + humans(*made).size(), 0u);
  const auto live = organization();
  for (const Document& expiration : {Document(date), Document(), Document(now() - 72h)}) {
    administration().require("organization_update",
                             {{"organization_id", live->id()}, {"expiration_date", expiration}});
    EXPECT_EQ(*organizations(*live)[0].find("expiration_date"), expiration);
    EXPECT_EQ(*organizations(*live)[0].find("root_verify_key"), Document(live->root_verify_key()));
  }
}

TEST_F(Rows, OfABootstrap) {
  const auto made = unknown_organization();
  const std::string bootstrap_token = made->create_here();
  Device first = made->first_device();
  first.label = "Laptop \xE2\x9C\x93";
  const DateTime at = now() - 3min;
  const Map fields = made->bootstrap_fields(first, bootstrap_token, at);
  made->connect_anonymous().require("organization_bootstrap", fields);
  first.certificates = fields;
  EXPECT_EQ(organizations(*made), (All{{{"bootstrap_token", bootstrap_token},
                                        {"root_verify_key", made->root_verify_key()},
                                        {"expiration_date", nullptr}}}));
  EXPECT_EQ(humans(*made), (All{{{"email", "alice@example.com"}, {"label", "Alice"}}}));
  EXPECT_EQ(users(*made), (All{user_row(first, at, nullptr)}));
  EXPECT_EQ(devices(*made), (All{device_row(first, at, nullptr)}));
}

TEST_F(Rows, OfUsersAndDevices) {
  Session alice = this->alice();
  const Organization& organization = alice.organization();
  const DateTime at = now() - 2min;
  All wanted_users, wanted_devices;
  for (const char* profile : {"ADMIN", "STANDARD", "OUTSIDER"}) {
    const Device made = alice.add_user(profile, profile, anything, at);
    wanted_users.push_back(user_row(made, at, "alice@dev1"));
    wanted_devices.push_back(device_row(made, at, "alice@dev1"));
  }
  const Device nobody = alice.add_user("nobody", "STANDARD", nullptr, at);
  wanted_users.push_back(user_row(nobody, at, "alice@dev1"));
  wanted_devices.push_back(device_row(nobody, at, "alice@dev1"));
  wanted_devices.push_back(device_row(alice.add_device("dev2"), anything, "alice@dev1"));
  // Revoked: date, certificate and certifier; the rest stays.
  const DateTime revoked_on = now() - 1min;
  const Octets certificate = alice.revocation("STANDARD", revoked_on);
  alice.require("user_revoke", {{"revoked_user_certificate", certificate}});
  wanted_users[1] = wanted_users[1].with(
      {{"revoked_on", revoked_on}, {"revocation", certificate}, {"revoker", "alice@dev1"}});
  // A human is stored once, with the first label; what is refused leaves nothing.
  const Device again =
      alice.add_user("again", "STANDARD", list("STANDARD@example.com", "Another Label"), at);
  wanted_users.push_back(user_row(again, at, "alice@dev1"));
  wanted_devices.push_back(device_row(again, at, "alice@dev1"));
  Device refused =
      organization.new_device("refused@dev1", "STANDARD", list("STANDARD@example.com", "Refused"));
  EXPECT_THAT(alice.call("user_create", user_certificates(alice.device(), refused)),
              Status("already_exists"));
  refused = organization.new_device("nobody@dev9", "STANDARD", list("new@example.com", "New"));
  EXPECT_THAT(alice.call("user_create", user_certificates(alice.device(), refused)),
              Status("already_exists"));

  All got_users = users(organization);
  All got_devices = devices(organization);
  got_users.erase(got_users.begin());
  got_devices.erase(got_devices.begin());
  EXPECT_EQ(got_users, wanted_users);
  EXPECT_EQ(got_devices, wanted_devices);
  EXPECT_EQ(humans(organization),
            (All{{{"email", "alice@example.com"}, {"label", "Alice"}},
                 {{"email", "ADMIN@example.com"}, {"label", "ADMIN"}},
                 {{"email", "STANDARD@example.com"}, {"label", "STANDARD"}},
                 {{"email", "OUTSIDER@example.com"}, {"label", "OUTSIDER"}}}));
}

TEST_F(Rows, OfRealmsRolesAndMessages) {
  auto [alice, bob] = pair();
  const Organization& organization = alice.organization();
  const Uuid realm_id = new_uuid();
  DateTime at = now() - 10min;
  const Octets first = alice.role(realm_id, "alice", "OWNER", at);
  alice.require("realm_create", {{"role_certificate", first}});
  All wanted_roles{{{"realm", realm_id},
                    {"user", "alice"},
                    {"role", "OWNER"},
                    {"certificate", first},
                    {"by", "alice@dev1"},
                    {"on", at}}};
  All wanted_messages;
  int index = 0;
  for (const Document& role :
       {Document("READER"), Document("MANAGER"), Document(), Document("OWNER")}) {
    at = at + 1s;
    const Octets certificate = alice.role(realm_id, "bob", role, at);
    const Octets body{std::to_string(++index)};
    alice.require("realm_update_roles",
                  {{"role_certificate", certificate}, {"recipient_message", body}});
    wanted_roles.push_back({{"realm", realm_id},
                            {"user", "bob"},
                            {"role", role},
                            {"certificate", certificate},
                            {"by", "alice@dev1"},
                            {"on", at}});
    wanted_messages.push_back({{"recipient", "bob"},
                               {"timestamp", at},
                               {"index", index},
                               {"sender", "alice@dev1"},
                               {"body", body}});
  }
  EXPECT_EQ(realms(organization), (All{realm_row(realm_id)}));
  EXPECT_EQ(revisions(organization), (All{{{"realm", realm_id}, {"revision", 1}}}));
  EXPECT_EQ(roles(organization), wanted_roles);
  EXPECT_EQ(messages(organization), wanted_messages);
}

TEST_F(Rows, OfVlobs) {
  Session alice = this->alice();
  const Organization& organization = alice.organization();
  const Uuid realm_id = alice.create_realm();
  const Uuid other_realm = alice.create_realm();
  const DateTime at = now() - 5min;
  const Octets large = random_octets(1000);
  const Uuid vlob_id = alice.create_vlob(realm_id, "one"_bin, {}, at);
  alice.update_vlob(vlob_id, 2, ""_bin, at + 1s);
  const Uuid elsewhere = alice.create_vlob(other_realm, "x"_bin, {}, at + 1s);
  alice.update_vlob(vlob_id, 3, large, at + 2s);
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 5), Status("bad_version"));
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 4, {}, {}, 2), Status("bad_encryption_revision"));
  EXPECT_EQ(
      atoms(organization),
      (All{atom_row(1, vlob_id, 1, "one"_bin, at), atom_row(1, vlob_id, 2, ""_bin, at + 1s),
           atom_row(1, elsewhere, 1, "x"_bin, at + 1s), atom_row(1, vlob_id, 3, large, at + 2s)}));
  const auto update = [](Uuid realm, int index, Uuid vlob, int version) {
    return Map{{"realm", realm}, {"index", index}, {"vlob_id", vlob}, {"version", version}};
  };
  EXPECT_EQ(updates(organization),
            (All{update(realm_id, 1, vlob_id, 1), update(realm_id, 2, vlob_id, 2),
                 update(other_realm, 1, elsewhere, 1), update(realm_id, 3, vlob_id, 3)}));
}

TEST_F(Rows, OfAReencryption) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const Organization& organization = alice.organization();
  const DateTime at = now() - 5min;
  const Uuid vlob_id = alice.create_vlob(realm_id, "one"_bin, {}, at);
  bob.update_vlob(vlob_id, 2, "two"_bin, at + 1s);
  const All log = updates(organization);
  alice.require("realm_start_reencryption_maintenance",
                {{"realm_id", realm_id},
                 {"encryption_revision", 2},
                 {"timestamp", at + 2s},
                 {"per_participant_message", Map{{"alice", "a"_bin}, {"bob", ""_bin}}}});
  EXPECT_EQ(realms(organization), (All{realm_row(realm_id, 2, "alice@dev1", at + 2s)}));
  EXPECT_EQ(revisions(organization),
            (All{{{"realm", realm_id}, {"revision", 1}}, {{"realm", realm_id}, {"revision", 2}}}));
  const auto message = [&](const char* user, const Octets& body) {
    return Map{{"recipient", user},
               {"timestamp", at + 2s},
               {"index", 1},
               {"sender", "alice@dev1"},
               {"body", body}};
  };
  EXPECT_THAT(messages(organization),
              ::testing::UnorderedElementsAre(message("alice", "a"_bin), message("bob", ""_bin)));
  const Map save{{"realm_id", realm_id},
                 {"encryption_revision", 2},
                 {"batch", list(Map{{"vlob_id", vlob_id}, {"version", 1}, {"blob", "new1"_bin}},
                                Map{{"vlob_id", vlob_id}, {"version", 2}, {"blob", "new2"_bin}})}};
  for (int i = 0; i < 2; ++i) alice.require("vlob_maintenance_save_reencryption_batch", save);
  alice.finish_reencryption(realm_id);
  EXPECT_EQ(realms(organization), (All{realm_row(realm_id, 2)}));
  // Copies keep author and time; the log knows nothing of them.
  EXPECT_THAT(atoms(organization), ::testing::UnorderedElementsAre(
                                       atom_row(1, vlob_id, 1, "one"_bin, at),
                                       atom_row(1, vlob_id, 2, "two"_bin, at + 1s, "bob@dev1"),
                                       atom_row(2, vlob_id, 1, "new1"_bin, at),
                                       atom_row(2, vlob_id, 2, "new2"_bin, at + 1s, "bob@dev1")));
  EXPECT_EQ(updates(organization), log);
}

TEST_F(Rows, OfBlocks) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid block_id = alice.create_block(realm_id, Octets{std::string{"\0data", 5}});
  const Uuid empty = alice.create_block(realm_id, {});
  const All got = rows(alice.organization(), "block",
                       {{"block_id", "block_id"},
                        {"realm", "(SELECT realm_id FROM realm WHERE _id = r.realm)"},
                        {"author", "(SELECT device_id FROM device WHERE _id = r.author)"},
                        {"size", "size"},
                        {"fresh", "created_on BETWEEN now() - interval '1 minute' AND now()"},
                        {"deleted_on", "deleted_on"}},
                       of_organization);
  const auto row = [&](Uuid id, int size) {
    return Map{{"block_id", id}, {"realm", realm_id}, {"author", "alice@dev1"},
               {"size", size},   {"fresh", true},     {"deleted_on", nullptr}};
  };
  EXPECT_EQ(got, (All{row(block_id, 5), row(empty, 0)}));
  EXPECT_EQ(rows(alice.organization(), "block_data", {{"block_id", "block_id"}, {"data", "data"}},
                 "r.organization_id = $1"),
            (All{{{"block_id", block_id}, {"data", Octets{std::string{"\0data", 5}}}},
                 {{"block_id", empty}, {"data", ""_bin}}}));
}

}  // namespace
}  // namespace parsec::testing
