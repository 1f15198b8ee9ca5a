// 4-commands.md §4.1, §4.4: ping, user_get, human_find, user_create, user_revoke.
#include <algorithm>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Users : public IntegrationTest {
 protected:
  /// A user that the server does not know yet.
  static Device newcomer(const Session& author, std::string_view name = "zoe",
                         std::string_view profile = "STANDARD", const Document& human = anything) {
    const std::string text{name};
    return author.organization().new_device(
        text + "@dev1", profile, human.is<Anything>() ? list(text + "@example.com", text) : human,
        "first");
  }
  static Document create(Session& author, const Device& subject,
                         const CertificateChanges& changes = {},
                         std::optional<DateTime> timestamp = {}) {
    return author.call("user_create",
                       user_certificates(author.device(), subject, timestamp, changes));
  }
  static Document revoke(Session& author, std::string_view user_id,
                         std::optional<DateTime> timestamp = {}, const Map& changes = {}) {
    return author.call("user_revoke", {{"revoked_user_certificate",
                                        author.revocation(user_id, timestamp, changes)}});
  }
  static std::vector<std::string> found(const Document& reply) {
    std::vector<std::string> names;
    for (const Document& user : reply["results"].array()) names.push_back(user["user_id"].text());
    return names;
  }
  static std::vector<std::string> known_users(Session& session) {
    return found(session.require("human_find"));
  }
  static std::string differs(std::string_view kind) {
    return "Redacted " + std::string{kind} + " certificate differs from " + std::string{kind} +
           " certificate.";
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
  static Session crowd() {
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
  Session alice = crowd();
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
      {"regular expression", {{"query", "^ad.m|^B$"}}, {"amy", "Zed", "B"}, 3},
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

TEST_F(HumanFind, InvalidExpressions) {
  Session alice = this->alice();
  for (const char* query : {"(", "[a", "*a", "a\\", "a{2,1}"}) {
    EXPECT_THAT(alice.call("human_find", {{"query", query}}), Status("bad_message")) << query;
  }
  // PostgreSQL has no text with a NUL: a refusal or no match, never the end of the connection.
  const Document reply = alice.call("human_find", {{"query", std::string{"a\0b", 3}}});
  EXPECT_TRUE(reply["status"] == Document("bad_message") || reply["total"] == Document(0)) << reply;
  alice.ping();
}

// --- user_create ---------------------------------------------------------------------------------

class UserCreate : public Users {};

TEST_F(UserCreate, AnyProfile) {
  Session alice = this->alice();
  struct Row {
    const char* name;
    bool admin;
    bool may_have_realms;
  };
  const Row rows[]{{"ADMIN", true, true}, {"STANDARD", false, true}, {"OUTSIDER", false, false}};
  for_each_row(rows, [&](const Row& row) {
    const Device subject = newcomer(alice, std::string{"user"} + row.name, row.name);
    EXPECT_THAT(create(alice, subject), Ok());
    Session session = alice.organization().connect(subject);
    EXPECT_THAT(session.call("user_revoke"), Status(row.admin ? "bad_message" : "not_allowed"));
    EXPECT_THAT(session.call("realm_create"),
                Status(row.may_have_realms ? "bad_message" : "not_allowed"));
  });
}

TEST_F(UserCreate, FormsOfTheCertificates) {
  Session alice = this->alice();
  struct Row {
    const char* name;
    Map change;
    bool admin;
  };
  const std::vector<Row> rows{
      {"no profile, admin", {{"profile", omitted}, {"is_admin", true}}, true},
      {"no profile, no admin", {{"profile", omitted}, {"is_admin", false}}, false},
      {"profile ADMIN, is_admin false", {{"profile", "ADMIN"}, {"is_admin", false}}, true},
      {"no human handle", {{"human_handle", omitted}}, false},
      {"human handle null", {{"human_handle", nullptr}}, false},
      {"unknown fields", {{"future", list(1, 2)}}, false},
  };
  int number = 0;
  for_each_row(rows, [&](const Row& row) {
    const Device subject = newcomer(alice, "user" + std::to_string(++number));
    const CertificateChanges changes{{"user_certificate", row.change},
                                     {"redacted_user_certificate", row.change}};
    EXPECT_THAT(create(alice, subject, changes), Ok());
    Session session = alice.organization().connect(subject);
    EXPECT_THAT(session.call("user_revoke"), Status(row.admin ? "bad_message" : "not_allowed"));
  });
}

TEST_F(UserCreate, Check0Profile) {
  auto [alice, bob] = pair();
  Session olga = alice.organization().connect(alice.add_user("olga", "OUTSIDER"));
  EXPECT_THAT(create(bob, newcomer(bob)), Refused("not_allowed", "User `bob` is not admin"));
  EXPECT_THAT(create(olga, newcomer(olga)), Refused("not_allowed", "User `olga` is not admin"));
}

TEST_F(UserCreate, Check1CertificatesThatDoNotVerify) {
  Session alice = this->alice();
  const Device zoe = newcomer(alice);
  for (const std::string_view name : certificate_names) {
    SCOPED_TRACE(name);
    Map empty = user_certificates(alice.device(), zoe);
    empty.set(name, ""_bin);
    EXPECT_THAT(alice.call("user_create", empty), InvalidCertification());
    EXPECT_THAT(create(alice, zoe, CertificateChanges{}.signed_by(SigningKey{}, name)),
                InvalidCertification());
    EXPECT_THAT(create(alice, zoe, {{std::string{name}, {{"author", "bob@dev1"}}}}),
                WrongAuthor("alice@dev1", "bob@dev1"));
    EXPECT_THAT(create(alice, zoe, {{std::string{name}, {{"author", nullptr}}}}),
                InvalidCertification());
  }
  const SigningKey& key = alice.device().key;
  const std::vector<std::pair<const char*, Octets>> unreadable{
      {"not zlib", key.sign("not zlib"_bin)},
      {"not msgpack", key.sign(deflated("\xC1"))},
      {"not a map", key.sign(deflated(pack(list(1))))},
      {"more behind the map", key.sign(deflated(pack(Map{{"a", 1}}) + '\0'))},
      {"the signature alone", key.sign({})},
      {"63 octets", Octets{key.sign({}).bytes.substr(0, 63)}},
      {"a bomb", key.sign(deflated(std::string(64 << 20, '\0')))},
  };
  for (const auto& [name, certificate] : unreadable) {
    Map fields = user_certificates(alice.device(), zoe);
    fields.set("user_certificate", certificate);
    EXPECT_THAT(alice.call("user_create", fields), InvalidCertification()) << name;
  }
  EXPECT_EQ(known_users(alice), Names{"alice"});
}

TEST_F(UserCreate, Check1InvalidContents) {
  Session alice = this->alice();
  const Device zoe = newcomer(alice);
  const std::vector<Map> of_the_user{
      {{"type", omitted}},
      {{"type", "device_certificate"}},
      {{"type", "dummy"}},
      {{"author", omitted}},
      {{"timestamp", omitted}},
      {{"timestamp", nullptr}},
      {{"timestamp", 1.5}},
      {{"user_id", omitted}},
      {{"user_id", "a b"}},
      {{"user_id", "zoe\n"}},
      {{"public_key", omitted}},
      {{"public_key", Octets{31, 'k'}}},
      {{"is_admin", omitted}},
      {{"is_admin", nullptr}},
      {{"is_admin", "maybe"}},
      {{"profile", nullptr}},
      {{"profile", "KING"}},
      {{"is_admin", true}, {"profile", "STANDARD"}},
      {{"is_admin", true}, {"profile", "OUTSIDER"}},
      {{"human_handle", "Zoe <zoe@example.com>"}},
      {{"human_handle", list("zoe@example.com")}},
      {{"human_handle", list("zoe@example.com", "Zoe", "x")}},
      {{"human_handle", list(nullptr, nullptr)}},
      {{"human_handle", list("", "Zoe")}},
      {{"human_handle", list("zoe@example.com", "Zoe <other@example.com>")}},
  };
  for (const Map& change : of_the_user) {
    EXPECT_THAT(create(alice, zoe, {{"user_certificate", change}}), InvalidCertification())
        << change;
  }
  const std::vector<Map> of_the_device{
      {{"type", "user_certificate"}},    {{"device_id", omitted}},  {{"device_id", "zoe"}},
      {{"device_id", "zoe@a@b"}},        {{"verify_key", omitted}}, {{"verify_key", nullptr}},
      {{"verify_key", Octets{33, 'k'}}}, {{"device_label", 1}},
  };
  for (const Map& change : of_the_device) {
    EXPECT_THAT(create(alice, zoe, {{"device_certificate", change}}), InvalidCertification())
        << change;
  }
}

TEST_F(UserCreate, Checks2To6) {
  Session alice = this->alice();
  const Device zoe = newcomer(alice);
  const DateTime at = now();
  const Map other_time{{"timestamp", at + 1us}};
  struct Row {
    const char* name;
    CertificateChanges changes;
    const char* status;
    std::string reason;
    std::optional<DateTime> timestamp = {};
  };
  const std::string two_times = "Device and User certificates must have the same timestamp.";
  const std::string out_of_date = "Invalid timestamp in certificate.";
  const std::string two_users = "Device and User must have the same user ID.";
  const std::string handle = "Redacted User certificate must not contain a human_handle field.";
  const std::string label = "Redacted Device certificate must not contain a device_label field.";
  const std::vector<Row> rows{
      {"2", {{"device_certificate", other_time}}, "invalid_data", two_times, at},
      {"3 past", {}, "invalid_certification", out_of_date, at - ballpark - margin},
      {"3 future", {}, "invalid_certification", out_of_date, at + ballpark + margin},
      {"4", {{"device_certificate", {{"device_id", "yann@dev1"}}}}, "invalid_data", two_users},
      {"5 user ID",
       {{"redacted_user_certificate", {{"user_id", "yann"}}}},
       "invalid_data",
       differs("User")},
      {"5 timestamp",
       {{"redacted_user_certificate", other_time}},
       "invalid_data",
       differs("User"),
       at},
      {"5 public key",
       {{"redacted_user_certificate", {{"public_key", Octets{32, 'k'}}}}},
       "invalid_data",
       differs("User")},
      {"5 profile",
       {{"redacted_user_certificate", {{"profile", "OUTSIDER"}}}},
       "invalid_data",
       differs("User")},
      {"5 the same handle",
       {{"redacted_user_certificate", {{"human_handle", zoe.human_handle}}}},
       "invalid_data",
       handle},
      {"5 another label",
       {{"redacted_user_certificate", {{"human_handle", list("zoe@example.com", "Other")}}}},
       "invalid_data",
       handle},
      {"6 device ID",
       {{"redacted_device_certificate", {{"device_id", "zoe@dev2"}}}},
       "invalid_data",
       differs("Device")},
      {"6 timestamp",
       {{"redacted_device_certificate", other_time}},
       "invalid_data",
       differs("Device"),
       at},
      {"6 verify key",
       {{"redacted_device_certificate", {{"verify_key", Octets{32, 'k'}}}}},
       "invalid_data",
       differs("Device")},
      {"6 label",
       {{"redacted_device_certificate", {{"device_label", "x"}}}},
       "invalid_data",
       label},

      {"2 before 4",
       {{"device_certificate", other_time.with({{"device_id", "yann@dev1"}})}},
       "invalid_data",
       two_times,
       at},
      {"3 before 4",
       {{"device_certificate", {{"device_id", "yann@dev1"}}}},
       "invalid_certification",
       out_of_date,
       at + 1h},
      {"4 before 5",
       {{"device_certificate", {{"device_id", "yann@dev1"}}},
        {"redacted_user_certificate", {{"user_id", "yann"}}}},
       "invalid_data",
       two_users},
      {"5 before 6",
       {{"redacted_user_certificate", {{"user_id", "yann"}}},
        {"redacted_device_certificate", {{"device_label", "x"}}}},
       "invalid_data",
       differs("User")},
      {"6 before 7",
       {{"user_certificate", {{"user_id", "alice"}}},
        {"redacted_user_certificate", {{"user_id", "alice"}}},
        {"device_certificate", {{"device_id", "alice@new"}}},
        {"redacted_device_certificate", {{"device_id", "alice@other"}}}},
       "invalid_data",
       differs("Device")},
  };
  for_each_row(rows, [&](const Row& row) {
    EXPECT_THAT(create(alice, zoe, row.changes, row.timestamp), Refused(row.status, row.reason));
  });
  EXPECT_EQ(known_users(alice), Names{"alice"});
  EXPECT_THAT(create(alice, zoe, {}, now() - ballpark + margin), Ok());
}

TEST_F(UserCreate, Check7Taken) {
  Session alice = this->alice();
  alice.add_user("bob");
  const Device again = newcomer(alice, "bob", "STANDARD", nullptr);
  EXPECT_THAT(create(alice, again), Refused("already_exists", "User `bob` already exists"));
  // The ID comes before the human handle.
  EXPECT_THAT(create(alice, newcomer(alice, "bob")),
              Refused("already_exists", "User `bob` already exists"));
  alice.revoke("bob");
  EXPECT_THAT(create(alice, again), Refused("already_exists", "User `bob` already exists"));
  EXPECT_THAT(create(alice, newcomer(alice, "Bob")), Ok());  // IDs differ by case
}

TEST_F(UserCreate, Check8HumanTaken) {
  Session alice = this->alice();
  const Document joe = list("joe@example.com", "Joe");
  alice.add_user("bob", "STANDARD", joe);
  const Device zoe = newcomer(alice, "zoe", "STANDARD", list("joe@example.com", "Other Label"));
  const char* reason =
      "Human handle `Other Label <joe@example.com>` already corresponds to a non-revoked user";
  EXPECT_THAT(create(alice, zoe), Refused("already_exists", reason));
  EXPECT_THAT(alice.call("user_get", {{"user_id", "zoe"}}), Status("not_found"));
  const auto answer = [&](const Document& challenge) { return zoe.answer(challenge); };
  expect_refused_handshake(answer, "bad_identity", "Invalid handshake information");

  // A revocation ahead is not in force yet: the handle is still in use.
  alice.require("user_revoke",
                {{"revoked_user_certificate", alice.revocation("bob", now() + 10min)}});
  EXPECT_THAT(create(alice, zoe), Refused("already_exists", reason));
  // A revoked user's email may be used again; the first label stays.
  alice.add_user("ben", "STANDARD", list("ben@example.com", "Ben"));
  alice.revoke("ben");
  EXPECT_THAT(create(alice, newcomer(alice, "yann", "STANDARD", list("ben@example.com", "Other"))),
              Ok());
  const Document reply = alice.call("human_find", {{"query", "ben@"}});
  EXPECT_EQ(found(reply), (Names{"ben", "yann"}));
  for (const Document& user : reply["results"].array()) {
    EXPECT_EQ(user["human_handle"], list("ben@example.com", "Ben"));
  }
  // A human belongs to one organization.
  Session elsewhere = this->alice();
  elsewhere.add_user("bob", "STANDARD", joe);
}

// --- user_revoke ---------------------------------------------------------------------------------

class UserRevoke : public Users {};

TEST_F(UserRevoke, ServesTheCertificateAsSent) {
  auto [alice, bob] = pair();
  const Octets certificate = alice.revocation("bob");
  EXPECT_THAT(alice.call("user_revoke", {{"revoked_user_certificate", certificate}}), Ok());
  EXPECT_EQ(alice.call("user_get", {{"user_id", "bob"}})["revoked_user_certificate"],
            Document(certificate));
  EXPECT_EQ(bob.wait_end(), 1000);
}

TEST_F(UserRevoke, Checks) {
  auto [alice, bob] = pair();
  EXPECT_THAT(revoke(bob, "alice"), Refused("not_allowed", "User `bob` is not admin"));
  const SigningKey stranger;
  const Octets forged = stranger.certify(revocation_content("alice@dev1", now(), "bob"));
  for (const Octets& certificate : {Octets{}, "x"_bin, forged}) {
    EXPECT_THAT(alice.call("user_revoke", {{"revoked_user_certificate", certificate}}),
                InvalidCertification());
  }
  EXPECT_THAT(revoke(alice, "bob", {}, {{"author", "bob@dev1"}}),
              WrongAuthor("alice@dev1", "bob@dev1"));
  for (const Map& change : {Map{{"type", "user_certificate"}}, Map{{"user_id", omitted}},
                            Map{{"user_id", "a@b"}}, Map{{"author", nullptr}}}) {
    EXPECT_THAT(revoke(alice, "bob", {}, change), InvalidCertification()) << change;
  }
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const char* user : {"bob", "alice", "nobody"}) {
      EXPECT_THAT(revoke(alice, user, at),
                  Refused("invalid_certification", "Invalid timestamp in certification."));
    }
  }
  EXPECT_THAT(revoke(alice, "alice"), Refused("not_allowed", "Cannot do self-revocation"));
  EXPECT_THAT(revoke(alice, "nobody"), Status("not_found"));
  EXPECT_EQ(alice.call("user_get", {{"user_id", "bob"}})["revoked_user_certificate"], Document());
  EXPECT_THAT(revoke(alice, "bob"), Ok());
  EXPECT_THAT(revoke(alice, "bob"), Refused("already_revoked", "User `bob` already revoked"));
}

TEST_F(UserRevoke, AheadOfTime) {
  auto [alice, bob] = pair();
  EXPECT_THAT(revoke(alice, "bob", now() + 10min), Ok());
  EXPECT_EQ(alice.call("human_find", {{"query", "bob"}})["results"][0]["revoked"], Document(false));
  EXPECT_THAT(revoke(alice, "bob"), Refused("already_revoked", "User `bob` already revoked"));
}

}  // namespace
}  // namespace parsec::testing
