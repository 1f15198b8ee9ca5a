// protocol/7-apiv1.md §7.3: user_find, user_create and device_create as API v1 has them; the
// commands that both versions share.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class ApiV1 : public IntegrationTest {
 protected:
  static Session v1_alice() {
    const auto made = organization();
    return made->connect(made->alice(), {}, 1);
  }
  /// The two certificates of a v1 user_create.
  static Map certificates(const Session& author, const Device& subject,
                          const CertificateChanges& changes = {},
                          std::optional<DateTime> timestamp = {}) {
    return user_certificates(author.device(), subject, timestamp, changes)
        .without("redacted_user_certificate")
        .without("redacted_device_certificate");
  }
  static Array names(const std::vector<const char*>& all) { return {all.begin(), all.end()}; }
};

// --- user_find -----------------------------------------------------------------------------------

TEST_F(ApiV1, UserFind) {
  Session alice = v1_alice();
  Session v2 = again(alice);
  for (const char* name : {"bob", "bobby", "abob", "zoe", "bill_x", "Zed"}) {
    v2.add_user(name, "STANDARD", nullptr);
  }
  v2.revoke("bobby");
  const std::vector<const char*> everybody{"Zed", "abob", "alice", "bill_x", "bob", "bobby", "zoe"};
  struct Row {
    const char* name;
    Map fields;
    std::vector<const char*> wanted;
    int total;
  };
  const std::vector<Row> rows{
      {"everybody, bytewise", {}, everybody, 7},
      {"query null", {{"query", nullptr}}, everybody, 7},
      {"query empty", {{"query", ""}}, everybody, 7},
      {"part of an ID", {{"query", "bob"}}, {"abob", "bob", "bobby"}, 3},
      {"in another case", {{"query", "BoB"}}, {"abob", "bob", "bobby"}, 3},
      {"nobody", {{"query", "nobody"}}, {}, 0},
      {"an underscore is itself", {{"query", "b_b"}}, {}, 0},
      {"an underscore that is there", {{"query", "L_X"}}, {"bill_x"}, 1},
      {"no ID: %", {{"query", "b%"}}, {}, 0},
      {"no ID: a dot", {{"query", "b.b"}}, {}, 0},
      {"no ID: a space", {{"query", "bob "}}, {}, 0},
      {"no ID: a device", {{"query", "bob@dev1"}}, {}, 0},
      {"no ID: too long", {{"query", std::string(33, 'b')}}, {}, 0},
      {"omit_revoked",
       {{"omit_revoked", true}},
       {"Zed", "abob", "alice", "bill_x", "bob", "zoe"},
       6},
      {"query and omission", {{"query", "bob"}, {"omit_revoked", true}}, {"abob", "bob"}, 2},
      {"first page", {{"page", 1}, {"per_page", 4}}, {"Zed", "abob", "alice", "bill_x"}, 7},
      {"last page", {{"page", 2}, {"per_page", 4}}, {"bob", "bobby", "zoe"}, 7},
      {"page behind the last", {{"page", 3}, {"per_page", 4}}, {}, 7},
      {"far page", {{"page", 1000}}, {}, 7},
  };
  for_each_row(rows, [&](const Row& row) {
    const Map echoed = Map{{"page", 1}, {"per_page", 100}}
                           .with(row.fields)
                           .without("query")
                           .without("omit_revoked");
    EXPECT_THAT(alice.call("user_find", row.fields),
                Ok(echoed.with({{"results", names(row.wanted)}, {"total", row.total}})));
  });
  EXPECT_THAT(
      alice.call("user_find",
                 {{"query", 1}, {"omit_revoked", "?"}, {"page", "x"}, {"per_page", list()}}),
      Invalid({{"query", "Not a valid string."},
               {"omit_revoked", "Not a valid boolean."},
               {"page", "Not a valid integer."},
               {"per_page", "Not a valid integer."}}));
  EXPECT_THAT(alice.call("user_find", {{"page", 0}, {"per_page", 0}}),
              Invalid({{"page", anything}, {"per_page", anything}}));
  EXPECT_THAT(alice.call("user_find", {{"per_page", 101}}), Invalid({{"per_page", anything}}));
  EXPECT_THAT(
      alice.call("user_find",
                 {{"omit_revoked", nullptr}, {"page", nullptr}, {"per_page", nullptr}}),
      Invalid({{"omit_revoked", null_given}, {"page", null_given}, {"per_page", null_given}}));
}

TEST_F(ApiV1, UserFindByProfile) {
  Session alice = v1_alice();
  Session v2 = again(alice);
  Organization& organization = alice.organization();
  Session olga = organization.connect(v2.add_user("olga", "OUTSIDER"), {}, 1);
  for (const Map& fields : {Map{}, Map{{"page", "x"}}}) {
    EXPECT_THAT(olga.call("user_find", fields),
                Refused("not_allowed", "Not allowed for user with OUTSIDER profile."));
  }
  Session bob = organization.connect(v2.add_user("bob"), {}, 1);
  EXPECT_EQ(bob.call("user_find")["results"], list("alice", "bob", "olga"));
}

// --- user_create ---------------------------------------------------------------------------------

TEST_F(ApiV1, UserCreate) {
  Session alice = v1_alice();
  const Device zoe = alice.organization().new_device("zoe@dev1");
  const Map sent = certificates(alice, zoe);
  EXPECT_THAT(alice.call("user_create", sent), Ok());
  // They stand in for the redacted ones.
  Session outsider = alice.organization().connect(again(alice).add_user("olga", "OUTSIDER"));
  for (Session* session : {&alice, &outsider}) {
    const Document reply = session->call("user_get", {{"user_id", "zoe"}});
    EXPECT_EQ(reply["user_certificate"], *sent.find("user_certificate"));
    EXPECT_EQ(reply["device_certificates"], list(*sent.find("device_certificate")));
  }
  alice.organization().connect(zoe, {}, 1).ping();
}

TEST_F(ApiV1, UserCreateChecks) {
  Session alice = v1_alice();
  const Device zoe = alice.organization().new_device("zoe@dev1");
  const DateTime at = now();
  struct Row {
    const char* name;
    CertificateChanges changes;
    const char* status;
    const char* reason;
    std::optional<DateTime> timestamp = {};
  };
  const std::vector<Row> rows{
      {"2",
       {{"device_certificate", {{"timestamp", at + 1us}}}},
       "invalid_data",
       "Device and User certificates must have the same timestamp.",
       at},
      {"3", {}, "invalid_certification", "Invalid timestamp in certificate.", at - 1h},
      {"4",
       {{"device_certificate", {{"device_id", "yan@dev1"}}}},
       "invalid_data",
       "Device and User must have the same user ID."},
      {"5",
       {{"user_certificate", {{"human_handle", list("z@b.c", "Zoe")}}}},
       "invalid_data",
       "Redacted User certificate must not contain a human_handle field."},
      {"6",
       {{"device_certificate", {{"device_label", "PC"}}}},
       "invalid_data",
       "Redacted Device certificate must not contain a device_label field."},
      {"7",
       {{"user_certificate", {{"user_id", "alice"}}},
        {"device_certificate", {{"device_id", "alice@new"}}}},
       "already_exists",
       "User `alice` already exists"},
  };
  for_each_row(rows, [&](const Row& row) {
    EXPECT_THAT(alice.call("user_create", certificates(alice, zoe, row.changes, row.timestamp)),
                Refused(row.status, row.reason));
  });
  for (const char* name : {"user_certificate", "device_certificate"}) {
    EXPECT_THAT(
        alice.call("user_create",
                   certificates(alice, zoe, CertificateChanges{}.signed_by(SigningKey{}, name))),
        InvalidCertification());
    EXPECT_THAT(
        alice.call("user_create", certificates(alice, zoe, {{name, {{"author", "zoe@dev1"}}}})),
        WrongAuthor("alice@dev1", "zoe@dev1"));
  }
  EXPECT_THAT(alice.call("user_create", {{"user_certificate", "x"}, {"device_certificate", "x"}}),
              Invalid({{"user_certificate", "Not bytes"}, {"device_certificate", "Not bytes"}}));
  EXPECT_EQ(alice.call("user_find")["results"], list("alice"));
  Session bob = alice.organization().connect(again(alice).add_user("bob"), {}, 1);
  EXPECT_THAT(bob.call("user_create"), Refused("not_allowed", "User `bob` is not admin"));
}

// --- device_create -------------------------------------------------------------------------------

TEST_F(ApiV1, DeviceCreateChecks) {
  Session alice = v1_alice();
  const auto create = [&](const CertificateChanges& changes,
                          std::optional<DateTime> timestamp = {}) {
    const Device second = alice.organization().new_device("alice@dev2");
    const Map made = certificates(alice, second, changes, timestamp);
    return alice.call("device_create", {{"device_certificate", *made.find("device_certificate")},
                                        {"encrypted_answer", "answer"_bin}});
  };
  const auto of_device = [](const Map& change) {
    return CertificateChanges{{"device_certificate", change}};
  };
  const ReplyMatcher out_of_date =
      Refused("invalid_certification", "Invalid timestamp in certification.");
  const ReplyMatcher labelled =
      Refused("invalid_data", "Redacted Device certificate must not contain a device_label field.");
  EXPECT_THAT(
      create(CertificateChanges{}.signed_by(SigningKey{}, "device_certificate"), now() - 1h),
      InvalidCertification());
  EXPECT_THAT(create(of_device({{"author", "zoe@dev1"}})), WrongAuthor("alice@dev1", "zoe@dev1"));
  EXPECT_THAT(create(of_device({{"device_label", "PC"}}), now() - 1h), out_of_date);
  EXPECT_THAT(create({}, now() + 1h), out_of_date);
  EXPECT_THAT(create(of_device({{"device_label", "PC"}, {"device_id", "zoe@dev2"}})), labelled);
  EXPECT_THAT(create(of_device({{"device_id", "zoe@dev2"}})),
              Refused("bad_user_id", "Device must be handled by it own user."));
  EXPECT_THAT(create(of_device({{"device_id", "alice@dev1"}})),
              Refused("already_exists", "Device `alice@dev1` already exists"));
  EXPECT_THAT(create({}), Ok());
  EXPECT_EQ(alice.call("user_get", {{"user_id", "alice"}})["device_certificates"].array().size(),
            2u);
  EXPECT_THAT(alice.call("device_create", {{"device_certificate", "x"}, {"encrypted_answer", 1}}),
              Invalid({{"device_certificate", "Not bytes"}, {"encrypted_answer", "Not bytes"}}));
}

// --- What both versions share --------------------------------------------------------------------

TEST_F(ApiV1, SharedCommandsAndEvents) {
  Session alice = v1_alice();
  alice.subscribe();
  again(alice).add_user("bob");
  Session bob = alice.organization().connect(alice.organization().device("bob@dev1"), {}, 1);
  bob.subscribe();
  const Uuid realm_id = alice.create_realm();
  alice.share(realm_id, "bob", "CONTRIBUTOR", "hello"_bin);
  const Uuid vlob_id = bob.create_vlob(realm_id, "from bob"_bin);
  bob.update_vlob(vlob_id, 2, "again"_bin);
  const Uuid block_id = bob.create_block(realm_id);
  EXPECT_THAT(
      alice.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}}),
      Ok({{"version", 2}, {"blob", "again"_bin}, {"author", "bob@dev1"}, {"timestamp", anything}}));
  EXPECT_THAT(alice.call("block_read", {{"block_id", block_id}}), Ok({{"block", "block"_bin}}));
  EXPECT_THAT(bob.call("message_get", {{"offset", 0}})["messages"][0]["body"],
              Document("hello"_bin));
  EXPECT_EQ(bob.next_event(), roles_updated(realm_id, "CONTRIBUTOR"));
  EXPECT_EQ(bob.next_event(), message_received(1));
  EXPECT_EQ(alice.next_event(), roles_updated(realm_id, "OWNER"));
  EXPECT_EQ(alice.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
  EXPECT_EQ(alice.next_event(), vlobs_updated(realm_id, 2, vlob_id, 2));
  bob.require("ping", {{"ping", "old"}});
  EXPECT_EQ(alice.next_event(), pinged("old"));
}

}  // namespace
}  // namespace parsec::testing
