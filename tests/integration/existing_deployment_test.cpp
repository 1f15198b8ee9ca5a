// A database that an older deployment made (db/storage.md §1): opened, read and gone on with, as
// each of its devices. The dump lies beside the project, where the contract is checked out.
#include <simdjson.h>

#include "protocol/bytes/base64.h"
#include "tests/integration/integration_test.h"
#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

namespace dom = simdjson::dom;

class ExistingDeployment : public IntegrationTest {
 protected:
  static std::string file(const char* name) { return source_path("tests/data/") + name; }

  static void SetUpTestSuite() {
    const std::string url = Deployment::get().create_database("existing");
    ChildProcess load{{"/usr/bin/env", "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                       "--file=" + file("existing_deployment.sql"), url},
                      {}};
    if (load.wait_exit() != 0) throw ClientError("cannot load the dump: " + load.output());
    const ProgramResult migrated = run_parsec({"backend", "migrate", "--db", url});
    if (migrated.exit != 0) throw ClientError("cannot migrate: " + migrated.output);
    server_ = Deployment::get().start_server({.database = url});
    parser_ = std::make_unique<dom::parser>();
    facts_ = parser_->load(file("existing_deployment.json"));
  }
  static void TearDownTestSuite() {
    if (server_) {
      EXPECT_EQ(server_->stop(), 0) << server_->process().output();
    }
    server_.reset();
    parser_.reset();
  }

  static std::string text(dom::element element) { return std::string{std::string_view{element}}; }
  static Octets octets(dom::element element) {
    return Octets{Bytes{protocol::base64_decode(std::string_view{element}).value()}};
  }
  static Uuid uuid(dom::element element) { return Uuid::parse(std::string_view{element}).value(); }
  static dom::element realm(std::string_view name) { return facts_["realms"][name]; }

  static Device device(const std::string& id, std::string_view organization, dom::element seed,
                       dom::element root_verify_key) {
    Device made;
    made.organization_id = organization;
    made.root_verify_key = octets(root_verify_key);
    made.id = id;
    made.key = SigningKey{octets(seed)};
    return made;
  }
  static Device device(const std::string& id) {
    const dom::element known = facts_["devices"][id];
    Device made = device(id, text(facts_["organization"]), known["signing_key_seed"],
                         facts_["root_verify_key"]);
    made.profile = text(known["profile"]);
    return made;
  }
  static Session connect(const std::string& id) {
    static const auto organization =
        Organization::unknown(server_->address(), token, text(facts_["organization"]));
    return organization->connect(device(id));
  }

  static inline std::unique_ptr<ServerProcess> server_;
  static inline std::unique_ptr<dom::parser> parser_;
  static inline dom::element facts_;
};

TEST_F(ExistingDeployment, EveryDeviceLogsIn) {
  int count = 0;
  for (const auto& [key, known] : dom::object{facts_["devices"]}) {
    const std::string id{key};
    SCOPED_TRACE(id);
    const auto answer = [&](const Document& challenge) { return device(id).answer(challenge); };
    const bool revoked = bool{known["revoked"]};
    EXPECT_EQ(handshake(answer, server_->address()).result["result"],
              Document(revoked ? "revoked_device" : "ok"));
    if (revoked) continue;
    Session session = connect(id);
    const std::string profile = text(known["profile"]);
    EXPECT_THAT(session.call("user_revoke"),
                Status(profile == "ADMIN" ? "bad_message" : "not_allowed"));
    const Document found =
        profile == "OUTSIDER"
            ? connect("alice@dev1").call("human_find", {{"query", "Eve"}})["results"][0]
            : [&] {
                const Document all = session.call("human_find");
                for (const Document& user : all["results"].array()) {
                  if (user["user_id"] == Document(device(id).user_id())) return user;
                }
                return Document();
              }();
    const bool human = !known["human_handle"].is_null();
    EXPECT_EQ(found["human_handle"],
              human ? list(text(known["human_handle"].at(0)), text(known["human_handle"].at(1)))
                    : Document());
    ++count;
  }
  EXPECT_EQ(count, 8);
}

TEST_F(ExistingDeployment, OrganizationsThatDoNotLive) {
  const dom::element expired = facts_["expired"];
  const Device of_expired = device(text(expired["device"]), text(expired["organization"]),
                                   expired["signing_key_seed"], expired["root_verify_key"]);
  expect_refused_handshake([&](const Document& challenge) { return of_expired.answer(challenge); },
                           "organization_expired", "Trial organization has expired",
                           server_->address());
  const dom::element fresh = facts_["not_bootstrapped"];
  const auto made = Organization::unknown(server_->address(), token, text(fresh["organization"]));
  EXPECT_THAT(administration(server_->address())
                  .call("organization_status", {{"organization_id", made->id()}}),
              Ok({{"is_bootstrapped", false}, {"expiration_date", nullptr}}));
  made->bootstrap(text(fresh["bootstrap_token"]));
  made->connect(made->alice()).create_realm();
}

TEST_F(ExistingDeployment, Invitations) {
  const std::string organization = text(facts_["organization"]);
  const auto answer = [&](const char* name, const char* type) {
    const Uuid invitation = uuid(facts_["invitations"][name]);
    return [=](const Document&) { return invited_answer(organization, invitation, type); };
  };
  EXPECT_EQ(handshake(answer("pending_user", "USER"), server_->address()).result["result"],
            Document("ok"));
  expect_refused_handshake(answer("deleted_device", "DEVICE"), "bad_identity",
                           "Invalid handshake: Invitation already deleted", server_->address());
}

TEST_F(ExistingDeployment, MessagesAndUsers) {
  for (const auto& [user, count] : dom::object{facts_["messages"]}) {
    Session session = connect(std::string{user} + "@dev1");
    std::int64_t number = 0;
    const Document reply = session.call("message_get", {{"offset", 0}});
    for (const Document& message : reply["messages"].array()) {
      EXPECT_EQ(message["count"], Document(++number));
    }
    EXPECT_EQ(number, std::int64_t{count}) << user;
  }
  Session alice = connect("alice@dev1");
  for (const auto& [key, known] : dom::object{facts_["devices"]}) {
    const std::string user = device(std::string{key}).user_id();
    const Document reply = alice.call("user_get", {{"user_id", user}});
    EXPECT_THAT(reply, Status("ok")) << user;
    EXPECT_EQ(reply["revoked_user_certificate"].is_nil(), !bool{known["revoked"]}) << user;
  }
}

TEST_F(ExistingDeployment, SharedRealm) {
  const Uuid realm_id = uuid(realm("shared")["id"]);
  const std::int64_t checkpoint{realm("shared")["checkpoint"]};
  Session alice = connect("alice@dev1");
  Session bob = connect("bob@phone");
  Session eve = connect("eve@dev1");
  const auto [vlob_text, versions] = *dom::object{realm("shared")["vlobs"]}.begin();
  const Uuid vlob_id = Uuid::parse(vlob_text).value();
  std::int64_t version = 0;
  for (dom::element blob : dom::array{versions}) {
    EXPECT_EQ(eve.call("vlob_read", {{"encryption_revision", 1},
                                     {"vlob_id", vlob_id},
                                     {"version", ++version}})["blob"],
              Document(Octets{text(blob)}));
  }
  const auto poll = [&](std::int64_t since) {
    return bob.call("vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", since}});
  };
  const Uuid single = uuid(realm("shared")["single"]);
  EXPECT_THAT(poll(0), Ok({{"changes", Map{{vlob_id, version}, {single, 1}}},
                           {"current_checkpoint", checkpoint}}));
  EXPECT_THAT(eve.call("block_read", {{"block_id", uuid(realm("shared")["block"])}}), Status("ok"));
  EXPECT_THAT(eve.try_update_vlob(vlob_id, version + 1), Status("not_allowed"));
  // It goes on where the other server stopped.
  bob.update_vlob(vlob_id, version + 1, "ours"_bin);
  EXPECT_THAT(poll(checkpoint), Ok({{"changes", Map{{vlob_id, version + 1}}},
                                    {"current_checkpoint", checkpoint + 1}}));
  alice.share(realm_id, "zo\xC3\xA9", "READER");
}

TEST_F(ExistingDeployment, ReencryptedRealm) {
  const Uuid realm_id = uuid(realm("reencrypted")["id"]);
  Session alice = connect("alice@dev2");
  EXPECT_EQ(alice.call("realm_status", {{"realm_id", realm_id}})["encryption_revision"],
            Document(2));
  for (dom::element vlob : dom::array{realm("reencrypted")["vlobs"]}) {
    EXPECT_THAT(alice.call("vlob_read", {{"encryption_revision", 2}, {"vlob_id", uuid(vlob)}}),
                Status("ok"));
  }
  EXPECT_EQ(alice.call("vlob_poll_changes",
                       {{"realm_id", realm_id}, {"last_checkpoint", 0}})["current_checkpoint"],
            Document(std::int64_t{realm("reencrypted")["checkpoint"]}));
}

TEST_F(ExistingDeployment, RealmInTheMiddleOfAReencryption) {
  const dom::element known = realm("in_maintenance");
  const Uuid realm_id = uuid(known["id"]);
  const std::int64_t done{known["done"]};
  const std::int64_t total{known["total"]};
  Session bob = connect("bob@dev1");
  EXPECT_EQ(bob.call("realm_status", {{"realm_id", realm_id}})["in_maintenance"], Document(true));
  EXPECT_EQ(bob.call("vlob_maintenance_get_reencryption_batch",
                     {{"realm_id", realm_id}, {"encryption_revision", 2}, {"size", 100}})["batch"]
                .array()
                .size(),
            static_cast<std::size_t>(total - done));
  EXPECT_THAT(bob.reencrypt_everything(realm_id), Ok({{"total", total}, {"done", total}}));
  bob.finish_reencryption(realm_id);
  for (dom::element vlob : dom::array{known["vlobs"]}) {
    EXPECT_THAT(bob.call("vlob_read", {{"encryption_revision", 2}, {"vlob_id", uuid(vlob)}}),
                Status("ok"));
  }
}

}  // namespace
}  // namespace parsec::testing
