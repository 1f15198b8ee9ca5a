// protocol/4-commands.md, "Concurrency": organizations, users and devices made, changed and revoked
// at once.
#include "tests/integration/concurrency.h"

namespace parsec::testing {
namespace {

class ConcurrentOrganizations : public Concurrency {
 protected:
  static std::vector<Connection> strangers(const std::shared_ptr<Organization>& made, int count) {
    std::vector<Connection> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(made->connect_anonymous(i % 2 == 0 ? here() : there()));
    }
    return all;
  }
  static std::vector<Connection> administrators(int count) {
    std::vector<Connection> all;
    for (int i = 0; i < count; ++i) all.push_back(administration(i % 2 == 0 ? here() : there()));
    return all;
  }
};

TEST_F(ConcurrentOrganizations, Bootstraps) {
  const auto made = unknown_organization();
  const std::string bootstrap_token = made->create_here();
  std::vector<Connection> connections = strangers(made, 6);
  // Each contender has keys of its own.
  std::vector<std::shared_ptr<Organization>> contenders;
  std::vector<Device> first_devices;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    contenders.push_back(unknown_organization(made->id()));
    const std::string name = "user" + std::to_string(i);
    first_devices.push_back(
        contenders.back()->new_device(name + "@dev1", "ADMIN", list(name + "@b.c", name)));
  }
  const std::size_t winner = expect_one_ok(at_once(connections, "organization_bootstrap",
                                                   [&](std::size_t i) {
                                                     return contenders[i]->bootstrap_fields(
                                                         first_devices[i], bootstrap_token);
                                                   }),
                                           "already_bootstrapped");
  Session session = contenders[winner]->connect(first_devices[winner]);
  EXPECT_EQ(session.call("human_find")["total"], Document(1));
}

TEST_F(ConcurrentOrganizations, Creations) {
  for (int round = 0; round < 3; ++round) {
    const auto made = unknown_organization();
    std::vector<Connection> admins = administrators(6);
    const std::vector<Document> replies = at_once(admins, "organization_create", [&](std::size_t) {
      return Map{{"organization_id", made->id()}};
    });
    expect_all_ok(replies);
    Connection stranger = made->connect_anonymous();
    int good = 0;
    for (const Document& reply : replies) {
      const Map fields = made->bootstrap_fields(made->first_device(), reply["bootstrap_token"]);
      good += stranger.call("organization_bootstrap", fields)["status"] == Document("ok") ? 1 : 0;
    }
    EXPECT_EQ(good, 1) << "valid bootstrap tokens";
  }
}

TEST_F(ConcurrentOrganizations, CreationAgainstBootstrap) {
  Connection admin = administration(there());
  for (int round = 0; round < 8; ++round) {
    const auto made = unknown_organization();
    const std::string bootstrap_token = made->create_here();
    Connection stranger = made->connect_anonymous();
    const Device first = made->first_device();
    stranger.start("organization_bootstrap", made->bootstrap_fields(first, bootstrap_token));
    admin.start("organization_create", {{"organization_id", made->id()}});
    const Document bootstrapped = stranger.reply()["status"];
    const Document created = admin.reply()["status"];
    if (bootstrapped == Document("ok")) {
      EXPECT_EQ(created, Document("already_exists"));
      made->connect(first);
    } else {
      EXPECT_EQ(bootstrapped, Document("not_found"));
      EXPECT_EQ(created, Document("ok"));
    }
  }
}

TEST_F(ConcurrentOrganizations, UsersOfOneIdOrHuman) {
  Session alice = this->alice();
  std::vector<Session> admins = several(alice, 8);
  const auto make = [&](const std::string& user, const std::string& email) {
    return user_certificates(alice.device(), alice.organization().new_device(
                                                 user + "@dev1", "STANDARD", list(email, "Label")));
  };
  std::vector<Map> of_one_id;
  for (std::size_t i = 0; i < admins.size(); ++i) {
    of_one_id.push_back(make("bob", "bob" + std::to_string(i) + "@b.c"));
  }
  const std::size_t first =
      expect_one_ok(at_once(admins, "user_create", [&](std::size_t i) { return of_one_id[i]; }),
                    "already_exists");
  EXPECT_EQ(alice.call("user_get", {{"user_id", "bob"}})["user_certificate"],
            *of_one_id[first].find("user_certificate"));
  const std::size_t second = expect_one_ok(
      at_once(admins, "user_create",
              [&](std::size_t i) { return make("user" + std::to_string(i), "one@b.c"); }),
      "already_exists");
  const Document found = alice.call("human_find", {{"query", "one@b.c"}});
  EXPECT_EQ(found["total"], Document(1));
  EXPECT_EQ(found["results"][0]["user_id"], Document("user" + std::to_string(second)));
  // Those who have nothing in common do not disturb each other.
  expect_all_ok(at_once(admins, "user_create", [&](std::size_t i) {
    return make("other" + std::to_string(i), "other" + std::to_string(i) + "@b.c");
  }));
}

TEST_F(ConcurrentOrganizations, DevicesAndRevocationsOfOneId) {
  auto [alice, bob] = pair();
  std::vector<Session> admins = several(alice, 8);
  std::vector<Map> devices;
  std::vector<Octets> revocations;
  for (std::size_t i = 0; i < admins.size(); ++i) {
    devices.push_back(
        device_certificates(alice.device(), alice.organization().new_device("alice@dev2")));
    revocations.push_back(alice.revocation("bob"));
  }
  std::size_t winner =
      expect_one_ok(at_once(admins, "device_create", [&](std::size_t i) { return devices[i]; }),
                    "already_exists");
  EXPECT_THAT(
      alice.call("user_get", {{"user_id", "alice"}})["device_certificates"].array(),
      ::testing::UnorderedElementsAre(*alice.device().certificates.find("device_certificate"),
                                      *devices[winner].find("device_certificate")));
  winner = expect_one_ok(at_once(admins, "user_revoke",
                                 [&](std::size_t i) {
                                   return Map{{"revoked_user_certificate", revocations[i]}};
                                 }),
                         "already_revoked");
  EXPECT_EQ(alice.call("user_get", {{"user_id", "bob"}})["revoked_user_certificate"],
            Document(revocations[winner]));
  EXPECT_EQ(bob.wait_end(), 1000);
}

TEST_F(ConcurrentOrganizations, NeverTwoActiveUsersOfOneHuman) {
  auto [alice, bob] = pair();
  Session elsewhere = again(alice, there());
  std::string current = "bob";
  for (int round = 0; round < 8; ++round) {
    const std::string next = "bob" + std::to_string(round);
    const Map made = user_certificates(
        alice.device(), alice.organization().new_device(next + "@dev1", "STANDARD",
                                                        list("bob@example.com", "Bob")));
    alice.start("user_revoke", {{"revoked_user_certificate", alice.revocation(current)}});
    elsewhere.start("user_create", made);
    EXPECT_THAT(alice.reply(), Ok());
    const Document creation = elsewhere.reply();
    if (creation["status"] != Document("ok")) {
      EXPECT_THAT(creation, Status("already_exists"));
      EXPECT_THAT(elsewhere.call("user_create", made), Ok());
    }
    current = next;
    const Document active = alice.call("human_find", {{"query", "bob@"}, {"omit_revoked", true}});
    EXPECT_EQ(active["total"], Document(1));
    EXPECT_EQ(active["results"][0]["user_id"], Document(current));
  }
}

}  // namespace
}  // namespace parsec::testing
