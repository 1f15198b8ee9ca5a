// protocol/4-commands.md §4.1, §4.4: ping, user_get, human_find.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Users : public IntegrationTest {
 protected:
  static std::vector<std::string> found(const Document& reply) {
    std::vector<std::string> names;
    for (const Document& user : reply["results"].array()) names.push_back(user["user_id"].text());
    return names;
  }
};

using Names = std::vector<std::string>;

// --- ping ----------------------------------------------------------------------------------------

TEST_F(Users, Ping) {
  Session session = alice();
  for (const std::string& text :
       {std::string{}, std::string{"hello"}, std::string(64, 'x'), std::string(8'000, 'x'),
        std::string(1'048'576, 'x'), std::string{"\xE6\x97\xA5\xE2\x9C\x93\xF0\x9F\x98\x80"},
        std::string{"a\0b", 3}, std::string{"a\r\nb"}}) {
    EXPECT_TRUE(session.call("ping", {{"ping", text}}) ==
                Document(Map{{"status", "ok"}, {"pong", text}}))
        << text.size();
  }
}

// --- user_get ------------------------------------------------------------------------------------

class UserGet : public Users {
 protected:
  struct Chain {
    std::vector<std::string> devices = {};
    std::vector<std::string> users = {};
    std::vector<Octets> revocations = {};
  };

  static Document certificate(const Organization& organization, const std::string& device,
                              std::string_view name, bool redacted) {
    const std::string full = (redacted ? "redacted_" : "") + std::string{name};
    return *organization.device(device).certificates.find(full);
  }

  /// The first device of each user is <user>@dev1.
  static void expect_user(Session& session, const std::string& user_id,
                          const std::vector<std::string>& devices, const Chain& chain,
                          const Document& revocation = nullptr, bool redacted = false,
                          Where where = Where::current()) {
    SCOPED_TRACE("user_get of " + user_id + " at line " + std::to_string(where.line()));
    const Organization& organization = session.organization();
    const Document reply = session.call("user_get", {{"user_id", user_id}});
    ASSERT_THAT(reply, Ok({{"user_certificate", certificate(organization, user_id + "@dev1",
                                                            "user_certificate", redacted)},
                           {"revoked_user_certificate", revocation},
                           {"device_certificates", anything},
                           {"trustchain", anything}}));
    Array wanted_devices, chain_devices, chain_users, chain_revocations;
    for (const std::string& device : devices) {
      wanted_devices.push_back(certificate(organization, device, "device_certificate", redacted));
    }
    for (const std::string& device : chain.devices) {
      chain_devices.push_back(certificate(organization, device, "device_certificate", redacted));
    }
    for (const std::string& user : chain.users) {
      chain_users.push_back(
          certificate(organization, user + "@dev1", "user_certificate", redacted));
    }
    for (const Octets& one : chain.revocations) chain_revocations.push_back(one);
    const Document& got = reply["trustchain"];
    EXPECT_EQ(got.map().size(), 3u);
    EXPECT_THAT(reply["device_certificates"].array(),
                ::testing::UnorderedElementsAreArray(wanted_devices));
    EXPECT_THAT(got["devices"].array(), ::testing::UnorderedElementsAreArray(chain_devices));
    EXPECT_THAT(got["users"].array(), ::testing::UnorderedElementsAreArray(chain_users));
    EXPECT_THAT(got["revoked_users"].array(),
                ::testing::UnorderedElementsAreArray(chain_revocations));
  }
};

TEST_F(UserGet, RootSignedHasNoChain) {
  Session alice = this->alice();
  expect_user(alice, "alice", {"alice@dev1"}, {});
}

TEST_F(UserGet, Unknown) {
  auto [alice, bob] = pair();
  Session stranger = this->alice();
  EXPECT_THAT(alice.call("user_get", {{"user_id", "nobody"}}), Status("not_found"));
  EXPECT_THAT(stranger.call("user_get", {{"user_id", "bob"}}), Status("not_found"));
}

TEST_F(UserGet, ChainIsTheClosureOfWhoCertified) {
  Session alice = this->alice();
  Organization& organization = alice.organization();
  Session bob = organization.connect(alice.add_user("bob", "ADMIN"));
  Session bob_2 = organization.connect(bob.add_device("dev2"));
  Session carol = organization.connect(bob_2.add_user("carol", "ADMIN"));
  Session dave = organization.connect(carol.add_user("dave"));
  dave.add_device("dev2");
  const Octets revocation = alice.revoke("carol");
  expect_user(alice, "bob", {"bob@dev1", "bob@dev2"},
              {{"alice@dev1", "bob@dev1"}, {"alice", "bob"}});
  // dave@dev2 was certified by dave@dev1, so dave himself is reached.
  expect_user(alice, "dave", {"dave@dev1", "dave@dev2"},
              {{"dave@dev1", "carol@dev1", "bob@dev2", "bob@dev1", "alice@dev1"},
               {"dave", "carol", "bob", "alice"},
               {revocation}});
  expect_user(alice, "carol", {"carol@dev1"},
              {{"bob@dev2", "bob@dev1", "alice@dev1"}, {"bob", "alice"}}, revocation);
}

TEST_F(UserGet, ChainFollowsRevocations) {
  Session alice = this->alice();
  Organization& organization = alice.organization();
  Session bob = organization.connect(alice.add_user("bob", "ADMIN"));
  bob.add_user("dave");
  alice.add_user("erin");
  Session carol = organization.connect(alice.add_user("carol", "ADMIN"));
  const Octets of_erin = bob.revoke("erin");
  // Who revoked the user is reached …
  expect_user(alice, "erin", {"erin@dev1"}, {{"alice@dev1", "bob@dev1"}, {"alice", "bob"}},
              of_erin);
  // … and who revoked an owner that is reached.
  const Octets of_bob = carol.revoke("bob");
  expect_user(alice, "dave", {"dave@dev1"},
              {{"bob@dev1", "alice@dev1", "carol@dev1"}, {"bob", "alice", "carol"}, {of_bob}});
}

TEST_F(UserGet, OutsidersGetRedactedCertificatesEverywhere) {
  auto [alice, olga] = pair("OUTSIDER", "olga");
  alice.add_device("dev2");
  const UserGet::Chain chain{{"alice@dev1"}, {"alice"}};
  expect_user(alice, "olga", {"olga@dev1"}, chain);
  expect_user(olga, "olga", {"olga@dev1"}, chain, nullptr, true);
  expect_user(olga, "alice", {"alice@dev1", "alice@dev2"}, chain, nullptr, true);
}

// --- human_find ----------------------------------------------------------------------------------

class HumanFind : public Users {
 protected:
  /// Users whose orders by label, by ID and by creation all differ; carl and u4 are revoked.
  static Session members() {
    Session alice = IntegrationTest::alice();
    alice.add_user("u5", "STANDARD", nullptr);
    alice.add_user("Zed", "STANDARD", list("zed@example.com", "adam"));
    alice.add_user("bob", "STANDARD",
                   list("bob@example.com",
                        "Zo\xC3\xA9 \xC3\x91"
                        "and\xC3\xBA"));
    alice.add_user("u4", "STANDARD", nullptr);
    alice.add_user("B", "STANDARD", nullptr);
    alice.add_user("amy", "STANDARD", list("amy@other.org", "ADAM"));
    alice.add_user("carl", "STANDARD", list("carl@example.com", "Carl (x)"));
    alice.revoke("carl");
    alice.revoke("u4");
    return alice;
  }
};

TEST_F(HumanFind, QueriesOmissionsOrderAndPages) {
  Session alice = members();
  const Names everybody{"amy", "Zed", "alice", "carl", "bob", "B", "u4", "u5"};
  struct Row {
    const char* name;
    Map fields;
    Names wanted;
    int total;
  };
  const std::vector<Row> rows{
      {"all", {}, everybody, 8},
      {"query null", {{"query", nullptr}}, everybody, 8},
      {"query empty", {{"query", ""}}, everybody, 8},
      {"omit_revoked", {{"omit_revoked", true}}, {"amy", "Zed", "alice", "bob", "B", "u5"}, 6},
      {"omit_non_human", {{"omit_non_human", true}}, {"amy", "Zed", "alice", "carl", "bob"}, 5},
      {"both",
       {{"omit_revoked", true}, {"omit_non_human", true}},
       {"amy", "Zed", "alice", "bob"},
       4},
      {"label", {{"query", "adam"}}, {"amy", "Zed"}, 2},
      {"label in another case", {{"query", "ADAM"}}, {"amy", "Zed"}, 2},
      {"part of a label", {{"query", "and"}}, {"bob"}, 1},
      {"letter outside ASCII", {{"query", "o\xC3\xA9 \xC3\x91"}}, {"bob"}, 1},
      {"email", {{"query", "other.org"}}, {"amy"}, 1},
      {"user ID", {{"query", "zed"}}, {"Zed"}, 1},
      {"user ID of a non human", {{"query", "U5"}}, {"u5"}, 1},
      {"across label and email", {{"query", "Alicealice@"}}, {"alice"}, 1},
      {"across email and user ID", {{"query", "example.combob"}}, {"bob"}, 1},
      {"no pattern", {{"query", "^ad.m|^B$"}}, {}, 0},
      {"no wildcard", {{"query", "ad%m"}}, {}, 0},
      {"no single wildcard", {{"query", "ad_m"}}, {}, 0},
      {"words", {{"query", " adam \u3000zed@\t"}}, {"Zed"}, 1},
      {"words in another order", {{"query", "zed@ adam"}}, {}, 0},
      {"words that overlap", {{"query", "ada dam"}}, {}, 0},
      {"parentheses", {{"query", "l (X)"}}, {"carl"}, 1},
      {"nothing", {{"query", "no such thing"}}, {}, 0},
      {"query and omission",
       {{"query", "example"}, {"omit_revoked", true}},
       {"Zed", "alice", "bob"},
       3},
      {"first page", {{"page", 1}, {"per_page", 3}}, {"amy", "Zed", "alice"}, 8},
      {"last page", {{"page", 3}, {"per_page", 3}}, {"u4", "u5"}, 8},
      {"page behind the last", {{"page", 4}, {"per_page", 3}}, {}, 8},
      {"one per page", {{"page", 6}, {"per_page", 1}}, {"B"}, 8},
      {"page of a query", {{"query", "example"}, {"page", 2}, {"per_page", 2}}, {"carl", "bob"}, 4},
  };
  for_each_row(rows, [&](const Row& row) {
    const Map defaults{{"page", 1}, {"per_page", 100}};
    const Document reply = alice.call("human_find", row.fields);
    const Map echoed = defaults.with(row.fields)
                           .without("query")
                           .without("omit_revoked")
                           .without("omit_non_human");
    EXPECT_THAT(reply, Ok(echoed.with({{"results", anything}, {"total", row.total}})));
    EXPECT_EQ(found(reply), row.wanted);
  });
}

TEST_F(HumanFind, WhatAResultHolds) {
  Session alice = this->alice();
  alice.add_user("bob", "STANDARD", nullptr);
  alice.add_user("carl", "OUTSIDER", list("c@d.e", "Carl \xC3\x96"));
  alice.revoke("carl");
  EXPECT_THAT(alice.call("human_find"),
              Ok({{"page", 1},
                  {"per_page", 100},
                  {"total", 3},
                  {"results",
                   list(Map{{"user_id", "alice"},
                            {"human_handle", list("alice@example.com", "Alice")},
                            {"revoked", false}},
                        Map{{"user_id", "carl"},
                            {"human_handle", list("c@d.e", "Carl \xC3\x96")},
                            {"revoked", true}},
                        Map{{"user_id", "bob"}, {"human_handle", nullptr}, {"revoked", false}})}}));
}

TEST_F(HumanFind, OutOfRange) {
  Session alice = this->alice();
  for (const Map& fields :
       {Map{{"page", 0}}, Map{{"page", -1}}, Map{{"per_page", 0}}, Map{{"per_page", 101}},
        Map{{"page", nullptr}}, Map{{"omit_revoked", nullptr}}, Map{{"omit_non_human", 7}},
        Map{{"query", 1}}}) {
    EXPECT_THAT(alice.call("human_find", fields),
                Invalid({{fields.entries().front().key, anything}}))
        << fields;
  }
}

TEST_F(HumanFind, NoQueryIsAPattern) {
  Session alice = this->alice();
  const std::vector<std::string> queries{"(",      "[a", "*a",       "a\\",
                                         "a{2,1}", ".*", "(x+x+)+y", std::string(100'000, '(')};
  for (const std::string& query : queries) {
    EXPECT_EQ(alice.call("human_find", {{"query", query}})["total"], Document(0)) << query;
  }
  // PostgreSQL has no text with a NUL: a refusal or no match, never the end of the connection.
  const Document reply = alice.call("human_find", {{"query", std::string{"a\0b", 3}}});
  EXPECT_TRUE(reply["status"] == Document("bad_message") || reply["total"] == Document(0)) << reply;
  alice.ping();
}

}  // namespace
}  // namespace parsec::testing
