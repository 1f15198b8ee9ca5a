// protocol/6-events.md §6.2: what servers of one database tell each other, heard and said through
// libpq.
#include <set>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Notifications : public IntegrationTest {
 protected:
  /// Hears what is said about one organization.
  class Ear {
   public:
    explicit Ear(const Organization& organization)
        : organization_(organization), database_(IntegrationTest::database()) {
      database_.listen();
    }

    /// Exactly these signals since the last look, in this order.
    void expect(const std::vector<Map>& signals, Where where = Where::current()) {
      SCOPED_TRACE("at line " + std::to_string(where.line()));
      const std::string fence = "fence " + std::to_string(++fences_);
      database_.notify(
          "pinged",
          {{"organization_id", organization_.id()}, {"author", "nobody@nowhere"}, {"ping", fence}});
      std::vector<Map> heard;
      for (;;) {
        Map signal = next();
        if (signal.find("ping") != nullptr && *signal.find("ping") == Document(fence)) break;
        heard.push_back(std::move(signal));
      }
      EXPECT_EQ(heard, signals);
    }

    /// The next signal of the organization, without its identifier.
    Map next() {
      for (;;) {
        const Document heard = database_.next_notification();
        if (!heard.is<Map>()) continue;
        const Document* id = heard.map().find("organization_id");
        if (id == nullptr || *id != Document(organization_.id())) continue;
        const std::string& unique = heard["__id__"].text();
        EXPECT_GE(unique.size(), 16u);
        EXPECT_EQ(unique.find_first_not_of("0123456789abcdef"), std::string::npos) << unique;
        EXPECT_TRUE(seen_.insert(unique).second) << "the same __id__ twice";
        return heard.map().without("__id__");
      }
    }

   private:
    const Organization& organization_;
    DatabaseProbe database_;
    std::set<std::string> seen_;
    int fences_ = 0;
  };

  static Map signal(const Organization& organization, std::string_view name, const Map& fields) {
    return Map{{"__signal__", name}, {"organization_id", organization.id()}}.with(fields);
  }
};

// --- What a server says: exactly the fields of the table -----------------------------------------

TEST_F(Notifications, OfPings) {
  Session alice = this->alice();
  Session old = again(alice, {}, 1);
  Ear ear{alice.organization()};
  alice.require("ping", {{"ping", "h\xC3\xA9"}});
  old.require("ping", {{"ping", ""}});
  alice.organization().connect_anonymous().require("ping", {{"ping", "quiet"}});
  alice.require("ping", {{"ping", std::string(65, 'x')}});
  ear.expect(
      {signal(alice.organization(), "pinged", {{"author", "alice@dev1"}, {"ping", "h\xC3\xA9"}}),
       signal(alice.organization(), "pinged", {{"author", "alice@dev1"}, {"ping", ""}})});
}

TEST_F(Notifications, OfRealms) {
  auto [alice, bob] = pair();
  const Organization& organization = alice.organization();
  Ear ear{organization};
  const Uuid realm_id = alice.create_realm();
  const Map by_alice{{"author", "alice@dev1"}, {"realm_id", realm_id}};
  const auto role = [&](const char* user, const Document& value) {
    return signal(organization, "realm.roles_updated",
                  by_alice.with({{"user", user}, {"role_str", value}}));
  };
  const auto message = [&](const char* user, int index) {
    return signal(organization, "message.received",
                  {{"author", "alice@dev1"}, {"recipient", user}, {"index", index}});
  };
  ear.expect({role("alice", "OWNER")});
  alice.share(realm_id, "bob", "READER", "m"_bin);
  ear.expect({role("bob", "READER"), message("bob", 1)});
  alice.share(realm_id, "bob", nullptr);
  ear.expect({role("bob", nullptr)});
  alice.share(realm_id, "bob", "MANAGER", "n"_bin);
  ear.expect({role("bob", "MANAGER"), message("bob", 2)});

  const Uuid vlob_id = alice.create_vlob(realm_id);
  alice.update_vlob(vlob_id, 2);
  const auto update = [&](int checkpoint, int version) {
    return signal(
        organization, "realm.vlobs_updated",
        by_alice.with({{"checkpoint", checkpoint}, {"src_id", vlob_id}, {"src_version", version}}));
  };
  ear.expect({update(1, 1), update(2, 2)});
}

TEST_F(Notifications, OfMaintenance) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Organization& organization = alice.organization();
  alice.create_vlob(realm_id);
  Ear ear{organization};
  alice.start_reencryption(realm_id, {{"alice", "a"_bin}, {"bob", ""_bin}});
  const Map by_alice{{"author", "alice@dev1"}, {"realm_id", realm_id}, {"encryption_revision", 2}};
  const Map started = ear.next();
  EXPECT_EQ(started, signal(organization, "realm.maintenance_started", by_alice));
  std::vector<Map> messages{ear.next(), ear.next()};
  const auto message = [&](const char* user) {
    return signal(organization, "message.received",
                  {{"author", "alice@dev1"}, {"recipient", user}, {"index", 1}});
  };
  EXPECT_THAT(messages, ::testing::UnorderedElementsAre(message("alice"), message("bob")));
  alice.reencrypt_everything(realm_id);
  alice.finish_reencryption(realm_id);
  ear.expect({signal(organization, "realm.maintenance_finished", by_alice)});
}

TEST_F(Notifications, OfUsersAndDevices) {
  const auto made = unknown_organization();
  const std::string bootstrap_token = made->create_here();
  Ear ear{*made};
  made->bootstrap(bootstrap_token);
  const auto user_created = [&](const Device& device) {
    return signal(*made, "user.created",
                  {{"user_id", device.user_id()},
                   {"user_certificate", *device.certificates.find("user_certificate")},
                   {"first_device_id", device.id},
                   {"first_device_certificate", *device.certificates.find("device_certificate")}});
  };
  ear.expect({user_created(made->alice())});
  Session alice = made->connect(made->alice());
  const Device bob = alice.add_user("bob");
  ear.expect({user_created(bob)});
  const Device second = alice.add_device("dev2");
  ear.expect({signal(*made, "device.created",
                     {{"device_id", "alice@dev2"},
                      {"device_certificate", *second.certificates.find("device_certificate")},
                      {"encrypted_answer", ""_bin}})});
  const Device third = made->new_device("alice@dev3");
  const Document certificate =
      *device_certificates(alice.device(), third).find("device_certificate");
  again(alice, {}, 1)
      .require("device_create",
               {{"device_certificate", certificate}, {"encrypted_answer", "answer"_bin}});
  ear.expect({signal(*made, "device.created",
                     {{"device_id", "alice@dev3"},
                      {"device_certificate", certificate},
                      {"encrypted_answer", "answer"_bin}})});
  alice.revoke("bob");
  ear.expect({signal(*made, "user.revoked", {{"user_id", "bob"}})});
}

TEST_F(Notifications, OfExpirations) {
  const auto made = organization();
  Ear ear{*made};
  Connection admin = administration();
  const auto update = [&](const Document& date) {
    admin.require("organization_update",
                  {{"organization_id", made->id()}, {"expiration_date", date}});
  };
  update(now() + 24h);
  update(nullptr);
  ear.expect({});
  update(now() - 1s);
  ear.expect({signal(*made, "organization.expired", {})});
  // A handshake that is refused for it tells everybody, too.
  const auto answer = [&](const Document& challenge) { return made->alice().answer(challenge); };
  EXPECT_EQ(handshake(answer).result["result"], Document("organization_expired"));
  ear.expect({signal(*made, "organization.expired", {})});
  // But not at each attempt: strangers may make any number.
  EXPECT_EQ(handshake(answer).result["result"], Document("organization_expired"));
  ear.expect({});
}

TEST_F(Notifications, NoneOfWhatIsRefused) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  Ear ear{alice.organization()};
  EXPECT_THAT(alice.try_update_vlob(vlob_id, 1), Status("bad_version"));
  EXPECT_THAT(
      alice.call("realm_update_roles", {{"role_certificate", alice.role(realm_id, "bob", "READER")},
                                        {"recipient_message", "m"_bin}}),
      Status("already_granted"));
  EXPECT_THAT(alice.call("user_revoke", {{"revoked_user_certificate", alice.revocation("nobody")}}),
              Status("not_found"));
  EXPECT_THAT(alice.call("realm_start_reencryption_maintenance",
                         {{"realm_id", realm_id},
                          {"encryption_revision", 2},
                          {"timestamp", now()},
                          {"per_participant_message", Map{{"alice", ""_bin}}}}),
              Status("participants_mismatch"));
  ear.expect({});
}

TEST_F(Notifications, WhoHearsOneSeesItsRows) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  Ear ear{alice.organization()};
  DatabaseProbe rows = database();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  for (int version = 2; version < 20; ++version) {
    alice.start("vlob_update", Session::update_fields(vlob_id, version));
  }
  for (int version = 1; version < 20; ++version) {
    EXPECT_EQ(*ear.next().find("src_version"), Document(version));
    EXPECT_EQ(rows.value("SELECT count(*) FROM vlob_atom WHERE vlob_id = $1 AND version = $2",
                         {vlob_id, version}),
              Document(1));
  }
}

// --- What others say -----------------------------------------------------------------------------

TEST_F(Notifications, ForeignOnesBecomeEvents) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  bob.subscribe();
  DatabaseProbe other_server = database();
  const Uuid vlob_id = new_uuid();
  const Uuid invitation = new_uuid();
  const Map ours{{"organization_id", alice.organization_id()}};
  const Map by_alice = ours.with({{"author", "alice@dev1"}});
  const Map in_realm = by_alice.with({{"realm_id", realm_id}});
  struct Row {
    const char* name;
    Map fields;
    Map event;
  };
  const std::vector<Row> rows{
      {"pinged", by_alice.with({{"ping", "foreign"}}), pinged("foreign")},
      {"pinged", by_alice.with({{"ping", "further fields"}, {"more", list(1, "x")}}),
       pinged("further fields")},
      {"message.received", by_alice.with({{"recipient", "bob"}, {"index", 7}}),
       message_received(7)},
      {"invite.status_changed",
       ours.with({{"greeter", "bob"}, {"token", invitation}, {"status_str", "READY"}}),
       invitation_event(invitation, "READY")},
      {"realm.roles_updated", in_realm.with({{"user", "bob"}, {"role_str", "MANAGER"}}),
       roles_updated(realm_id, "MANAGER")},
      {"realm.vlobs_updated",
       in_realm.with({{"checkpoint", 5}, {"src_id", vlob_id}, {"src_version", 3}}),
       vlobs_updated(realm_id, 5, vlob_id, 3)},
      {"realm.maintenance_started", in_realm.with({{"encryption_revision", 2}}),
       maintenance_event("started", realm_id, 2)},
      {"realm.maintenance_finished", in_realm.with({{"encryption_revision", 2}}),
       maintenance_event("finished", realm_id, 2)},
  };
  for_each_row(rows, [&](const Row& row) {
    other_server.notify(row.name, row.fields);
    EXPECT_EQ(bob.next_event(), row.event);
  });
  expect_no_event(bob);
}

TEST_F(Notifications, ForeignOnesKeepTheirAudience) {
  auto [alice, bob] = pair();
  const Uuid realm_id = alice.create_realm();
  for (Session* session : {&alice, &bob}) session->subscribe();
  DatabaseProbe other_server = database();
  const Map by_bob{{"organization_id", alice.organization_id()}, {"author", "bob@dev1"}};
  const Uuid vlob_id = new_uuid();
  other_server.notify("pinged", by_bob.with({{"ping", "by bob"}}));
  other_server.notify("message.received", by_bob.with({{"recipient", "alice"}, {"index", 1}}));
  other_server.notify(
      "realm.vlobs_updated",
      by_bob.with(
          {{"realm_id", realm_id}, {"checkpoint", 1}, {"src_id", vlob_id}, {"src_version", 1}}));
  other_server.notify("pinged", by_bob.with({{"author", "zack@dev1"}, {"ping", "end"}}));
  EXPECT_EQ(bob.next_event(), pinged("end"));
  for (const Map& event : {pinged("by bob"), message_received(1),
                           vlobs_updated(realm_id, 1, vlob_id, 1), pinged("end")}) {
    EXPECT_EQ(alice.next_event(), event);
  }
}

TEST_F(Notifications, AForeignRoleChangesTheMembership) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  bob.subscribe();
  DatabaseProbe other_server = database();
  const auto grant = [&](const Document& role) {
    other_server.execute("BEGIN");
    other_server.execute(
        "INSERT INTO realm_user_role (realm, user_, role, certificate, certified_by, certified_on)"
        " SELECT r._id, u._id, $3::text::realm_role, $4, d._id, $5"
        " FROM organization AS o JOIN realm AS r ON r.organization = o._id"
        " JOIN user_ AS u ON u.organization = o._id JOIN device AS d ON d.organization = o._id"
        " WHERE organization_id = $1 AND realm_id = $2 AND user_id = 'bob'"
        " AND device_id = 'alice@dev1'",
        {alice.organization_id(), realm_id, role, alice.role(realm_id, "bob", role), now()});
    other_server.notify("realm.roles_updated", {{"organization_id", alice.organization_id()},
                                                {"author", "alice@dev1"},
                                                {"realm_id", realm_id},
                                                {"user", "bob"},
                                                {"role_str", role}});
    other_server.execute("COMMIT");
    EXPECT_EQ(bob.next_event(), roles_updated(realm_id, role));
  };
  grant("READER");
  const Uuid vlob_id = alice.create_vlob(realm_id);
  EXPECT_EQ(bob.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  grant(nullptr);
  alice.update_vlob(vlob_id, 2);
  alice.require("ping", {{"ping", "end"}});
  EXPECT_EQ(bob.next_event(), pinged("end"));
}

TEST_F(Notifications, ForeignRevocationAndExpirationCloseConnections) {
  auto [alice, bob] = pair();
  auto [stranger, other_bob] = pair();
  DatabaseProbe other_server = database();
  const Map ours{{"organization_id", alice.organization_id()}};
  other_server.execute(
      "UPDATE user_ SET revoked_on = now() FROM organization AS o"
      " WHERE o._id = user_.organization AND organization_id = $1 AND user_id = 'bob'",
      {alice.organization_id()});
  other_server.notify("user.revoked", ours.with({{"user_id", "bob"}}));
  EXPECT_EQ(bob.wait_end(), 1000);
  alice.ping();
  other_server.execute("UPDATE organization SET expiration_date = now() WHERE organization_id = $1",
                       {alice.organization_id()});
  other_server.notify("organization.expired", ours);
  EXPECT_EQ(alice.wait_end(), 1000);
  other_bob.ping();
}

TEST_F(Notifications, MalformedOnesAreIgnored) {
  auto [alice, bob] = pair();
  bob.subscribe();
  DatabaseProbe other_server = database();
  const Map known{{"__id__", random_hex(16)}, {"__signal__", "pinged"}};
  const Map wrong{{"organization_id", 1},
                  {"author", nullptr},
                  {"realm_id", "x"},
                  {"checkpoint", "y"},
                  {"src_id", 3},
                  {"src_version", Map{}},
                  {"user", 1},
                  {"role_str", 2},
                  {"recipient", list()},
                  {"index", "1"},
                  {"ping", 1},
                  {"greeter", 1},
                  {"token", "t"},
                  {"status_str", "NOPE"},
                  {"user_id", list()},
                  {"encryption_revision", nullptr}};
  std::vector<std::string> payloads{
      "",
      "?!* not base64",
      "wcHBwcE=",
      encode_notification(list(1, 2, 3)),
      encode_notification(nullptr),
      encode_notification(Map{}),
      encode_notification(Map{{"__id__", random_hex(16)}, {"organization_id", "Org"}}),
      encode_notification(known.with({{"__signal__", 7}})),
      encode_notification(known.with({{"__signal__", "no.such"}, {"organization_id", "Org"}})),
      encode_notification(known),
      encode_notification(known.with({{"organization_id", std::string(4000, 'o')}})),
      encode_notification(Map{{"__signal__", "user.revoked"}, {"organization_id", "Org"}}),
  };
  for (const char* name :
       {"pinged", "message.received", "invite.status_changed", "invite.conduit_updated",
        "realm.roles_updated", "realm.vlobs_updated", "realm.maintenance_started",
        "realm.maintenance_finished", "user.created", "user.revoked", "user.claimed",
        "user.invitation.cancelled", "device.created", "device.claimed",
        "device.invitation.cancelled", "organization.expired"}) {
    payloads.push_back(encode_notification(known.with({{"__signal__", name}})));
    payloads.push_back(encode_notification(known.with(wrong).with({{"__signal__", name}})));
  }
  for (const std::string& payload : payloads) other_server.notify(payload);
  alice.require("ping", {{"ping", "after"}});
  EXPECT_EQ(bob.next_event(), pinged("after"));
  Session newcomer = again(bob, there());
  newcomer.subscribe();
  alice.require("ping", {{"ping", "again"}});
  EXPECT_EQ(newcomer.next_event(), pinged("again"));
}

// --- Large ones ----------------------------------------------------------------------------------

/// The same content, in a zlib stream that empty blocks make long.
Octets lengthened(const SigningKey& key, const Octets& certificate, std::size_t size) {
  const std::string_view compressed = std::string_view{certificate.bytes}.substr(64);
  std::string stream{compressed.substr(0, 2)};
  while (stream.size() < size) stream.append("\0\0\0\xFF\xFF", 5);
  stream += compressed.substr(2);
  return key.sign(Octets{stream});
}

TEST_F(Notifications, CommandsDoNotFailBecauseTheirEventIsLarge) {
  Session alice = this->alice();
  const SigningKey& key = alice.device().key;
  const auto long_ones = [&](const Map& certificates, std::size_t size) {
    Map longer;
    for (const auto& [name, certificate] : certificates.entries()) {
      longer.set(name, lengthened(key, certificate.octets(), size));
    }
    return longer;
  };
  int number = 0;
  // Around what fits into a notification, and far beyond.
  for (const std::size_t size : {2'500u, 2'900u, 3'000u, 5'000u, 5'900u, 6'000u, 200'000u}) {
    SCOPED_TRACE(size);
    const std::string name = "user" + std::to_string(++number);
    const Map user = long_ones(
        user_certificates(alice.device(), alice.organization().new_device(name + "@dev1")), size);
    EXPECT_THAT(alice.call("user_create", user), Ok());
    EXPECT_EQ(alice.call("user_get", {{"user_id", name}})["user_certificate"],
              *user.find("user_certificate"));
    const Device second = alice.organization().new_device("alice@" + name);
    EXPECT_THAT(
        alice.call("device_create", long_ones(device_certificates(alice.device(), second), size)),
        Ok());
    const Device third = alice.organization().new_device("alice@v1" + name);
    const Document certificate =
        *device_certificates(alice.device(), third).find("device_certificate");
    EXPECT_THAT(again(alice, {}, 1)
                    .call("device_create", {{"device_certificate", certificate},
                                            {"encrypted_answer", random_octets(size)}}),
                Ok());
  }
}

}  // namespace
}  // namespace parsec::testing
