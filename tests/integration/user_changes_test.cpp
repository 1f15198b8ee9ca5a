// protocol/4-commands.md §4.4: user_create, user_revoke.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class UserChanges : public IntegrationTest {
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

class UserCreate : public UserChanges {};

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

  // A revoked user's email may be used again, whatever the date of the revocation; the first label
  // stays.
  alice.require("user_revoke",
                {{"revoked_user_certificate", alice.revocation("bob", now() + 10min)}});
  EXPECT_THAT(create(alice, zoe), Ok());
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

class UserRevoke : public UserChanges {};

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

TEST_F(UserRevoke, AheadOfTimeIsFinal) {
  auto [alice, bob] = pair();
  EXPECT_THAT(revoke(alice, "bob", now() + 10min), Ok());
  EXPECT_EQ(alice.call("human_find", {{"query", "bob"}})["results"][0]["revoked"], Document(true));
  EXPECT_EQ(alice.call("human_find", {{"omit_revoked", true}})["total"], Document(1));
  EXPECT_EQ(bob.wait_end(), 1000);
  EXPECT_THAT(revoke(alice, "bob"), Refused("already_revoked", "User `bob` already revoked"));
}

}  // namespace
}  // namespace parsec::testing
