// protocol/4-commands.md §4.5 realm_update_roles: who may give which role to whom, and the
// messages.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Roles : public IntegrationTest {
 protected:
  static Document update(Session& author, Uuid realm_id, std::string_view user_id,
                         const Document& role, const Document& message = nullptr,
                         std::optional<DateTime> timestamp = {}, const Map& changes = {}) {
    return author.call(
        "realm_update_roles",
        {{"role_certificate", author.role(realm_id, user_id, role, timestamp, changes)},
         {"recipient_message", message}});
  }
};

TEST_F(Roles, Checks1To6) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  alice.add_user("olga", "OUTSIDER");
  const Octets forged =
      SigningKey{}.certify(role_content("alice@dev1", now(), realm_id, "bob", "READER"));
  for (const Octets& certificate : {Octets{}, forged}) {
    EXPECT_THAT(alice.call("realm_update_roles",
                           {{"role_certificate", certificate}, {"recipient_message", nullptr}}),
                InvalidCertification());
  }
  EXPECT_THAT(update(alice, realm_id, "bob", "READER", nullptr, {}, {{"author", "bob@dev1"}}),
              WrongAuthor("alice@dev1", "bob@dev1"));
  for (const Map& change :
       {Map{{"type", "revoked_user_certificate"}}, Map{{"role", omitted}}, Map{{"role", "KING"}}}) {
    EXPECT_THAT(update(alice, realm_id, "bob", "READER", nullptr, {}, change),
                InvalidCertification())
        << change;
  }
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const char* user : {"bob", "alice", "nobody"}) {
      EXPECT_THAT(update(alice, realm_id, user, "READER", nullptr, at),
                  Refused("invalid_certification", "Invalid timestamp in certification."));
    }
  }
  const Uuid unknown = new_uuid();
  for (const Uuid realm : {realm_id, unknown}) {
    for (const Document& role : {Document("OWNER"), Document("READER"), Document()}) {
      EXPECT_THAT(update(alice, realm, "alice", role),
                  Refused("invalid_data", "Realm role certificate cannot be self-signed."));
    }
    EXPECT_THAT(update(alice, realm, "nobody", "READER"),
                Refused("not_found", "User `nobody` doesn't exist"));
    for (const char* role : {"MANAGER", "OWNER"}) {
      EXPECT_THAT(
          update(alice, realm, "olga", role),
          Refused("incompatible_profile", "User with OUTSIDER profile cannot be MANAGER or OWNER"));
    }
  }
  EXPECT_THAT(update(alice, unknown, "bob", "READER"), Refused("not_found", no_realm(unknown)));
  for (const char* role : {"CONTRIBUTOR", "READER"}) {
    EXPECT_THAT(update(alice, realm_id, "olga", role), Ok());
  }
  EXPECT_THAT(update(alice, realm_id, "olga", nullptr), Ok());
}

TEST_F(Roles, Check7Maintenance) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  Session carol = alice.organization().connect(alice.add_user("carol"));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  // It comes before the rights.
  EXPECT_THAT(update(alice, realm_id, "bob", "READER"), Status("in_maintenance"));
  EXPECT_THAT(update(bob, realm_id, "alice", "READER"), Status("in_maintenance"));
  EXPECT_THAT(update(carol, realm_id, "bob", "READER"), Status("in_maintenance"));
}

/// Check 8, in the contract's words.
bool may_change(const Document& author, const Document& current, const Document& wanted) {
  const auto high = [](const Document& role) {
    return role == Document("OWNER") || role == Document("MANAGER");
  };
  return high(current) || high(wanted) ? author == Document("OWNER") : high(author);
}

TEST_F(Roles, Checks8And9ForEveryCombination) {
  Session alice = this->alice();
  alice.add_user("carol");
  const Device bob_device = alice.add_user("bob");
  Session bob = alice.organization().connect(bob_device);
  for (const Document& author : every_role) {
    SCOPED_TRACE("by " + role_name(author));
    const Uuid realm_id = alice.create_realm();
    if (!author.is_nil()) alice.share(realm_id, "bob", author);
    Document actual = nullptr;
    for (const Document& current : every_role) {
      for (const Document& wanted : every_role) {
        if (actual != current) alice.share(realm_id, "carol", current);
        actual = current;
        const char* status = !may_change(author, current, wanted) ? "not_allowed"
                             : current == wanted                  ? "already_granted"
                                                                  : "ok";
        EXPECT_THAT(update(bob, realm_id, "carol", wanted), Status(status))
            << role_name(current) << " to " << role_name(wanted);
        if (status == std::string_view{"ok"}) actual = wanted;
      }
    }
  }
}

TEST_F(Roles, TheNewestRoleCounts) {
  auto [alice, bob, realm_id] = realm_pair("MANAGER");
  alice.add_user("carol");
  EXPECT_THAT(update(bob, realm_id, "carol", "READER"), Ok());
  alice.share(realm_id, "bob", nullptr);
  EXPECT_THAT(update(bob, realm_id, "carol", nullptr), Status("not_allowed"));
  alice.share(realm_id, "bob", "OWNER");
  EXPECT_THAT(update(bob, realm_id, "alice", nullptr), Ok());  // one owner may remove the other
  EXPECT_THAT(alice.call("realm_status", {{"realm_id", realm_id}}), Status("not_allowed"));
  EXPECT_THAT(update(alice, realm_id, "bob", "READER"), Status("not_allowed"));
}

TEST_F(Roles, OfARevokedUser) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  alice.revoke("bob");
  EXPECT_THAT(update(alice, realm_id, "bob", nullptr), Ok());
}

TEST_F(Roles, Check10CertificatesWithoutEffect) {
  auto [alice, bob] = pair();
  const Uuid realm_id = new_uuid();
  const DateTime base = now() - 10min;
  alice.require("realm_create",
                {{"role_certificate", alice.role(realm_id, "alice", "OWNER", base - 5min)}});
  EXPECT_THAT(update(alice, realm_id, "bob", "READER", nullptr, base), Ok());
  for (const Document& role : {Document("MANAGER"), Document()}) {
    EXPECT_THAT(update(alice, realm_id, "bob", role, nullptr, base - 1us),
                Refused("invalid_certification", "Invalid timestamp in certification."));
  }
  // "Already granted" comes before it.
  EXPECT_THAT(update(alice, realm_id, "bob", "READER", nullptr, base - 1us),
              Status("already_granted"));
  // Among certificates of one instant the last one stored counts.
  EXPECT_THAT(update(alice, realm_id, "bob", nullptr, nullptr, base), Ok());
  EXPECT_THAT(bob.call("realm_status", {{"realm_id", realm_id}}), Status("not_allowed"));
  EXPECT_THAT(update(alice, realm_id, "bob", "MANAGER", nullptr, base), Ok());
  EXPECT_THAT(bob.call("realm_status", {{"realm_id", realm_id}}), Status("ok"));
}

TEST_F(Roles, MessagesToTheRecipient) {
  auto [alice, bob, realm_id] = realm_pair(nullptr);
  const DateTime base = now() - 3min;
  struct Row {
    const char* name;
    const char* role;
    Document body;
  };
  const Row rows[]{{"text", "READER", "hello bob"_bin},
                   {"null", "MANAGER", nullptr},
                   {"empty", "READER", ""_bin},
                   {"one octet", "CONTRIBUTOR", Octets{1, '\0'}},
                   {"large", "READER", random_octets(100'000)}};
  Array wanted;
  DateTime at = base;
  for_each_row(rows, [&](const Row& row) {
    at = at + 1s;
    EXPECT_THAT(update(alice, realm_id, "bob", row.role, row.body, at), Ok());
    if (row.body.is_nil() || row.body == Document(""_bin)) return;
    wanted.push_back(Map{{"count", wanted.size() + 1},
                         {"sender", "alice@dev1"},
                         {"timestamp", at},
                         {"body", row.body}});
  });
  EXPECT_THAT(bob.call("message_get", {{"offset", 0}}), Ok({{"messages", wanted}}));
  // A refused change leaves nothing behind.
  EXPECT_THAT(update(alice, realm_id, "bob", "READER", "x"_bin), Status("already_granted"));
  EXPECT_THAT(bob.call("message_get", {{"offset", 0}}), Ok({{"messages", wanted}}));
  EXPECT_EQ(alice.call("realm_get_role_certificates", {{"realm_id", realm_id}})["certificates"]
                .array()
                .size(),
            1 + std::size(rows));
}

}  // namespace
}  // namespace parsec::testing
