// protocol/2-handshake.md §2.1, §2.2: the challenge, answers of all kinds and their refusals in
// order.
#include <algorithm>
#include <thread>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

constexpr const char* invalid_information = "Invalid handshake information";
constexpr const char* expired = "Trial organization has expired";
constexpr const char* mismatch =
    "Root verify key for organization differs between client and server";
constexpr const char* bad_signature = "Invalid answer signature";

class HandshakeTest : public IntegrationTest {
 protected:
  static AnswerMaker always(const Map& answer) {
    return [=](const Document&) { return answer; };
  }
  static Connection accepted(const AnswerMaker& make, const Address& address = here()) {
    auto [connection, result] = handshake(make, address);
    EXPECT_TRUE(result == Document(Map{{"handshake", "result"}, {"result", "ok"}}) ||
                result ==
                    Document(Map{{"handshake", "result"}, {"result", "ok"}, {"help", nullptr}}))
        << result;
    return std::move(connection);
  }
};

// --- The challenge -------------------------------------------------------------------------------

TEST_F(HandshakeTest, ServerSpeaksFirst) {
  std::vector<Octets> seen;
  for (int i = 0; i < 5; ++i) {
    Connection connection{here()};
    const Document challenge = connection.challenge();
    EXPECT_EQ(challenge, Document(Map{{"handshake", "challenge"},
                                      {"challenge", anything},
                                      {"supported_api_versions", list(list(2, 0), list(1, 2))}}));
    seen.push_back(challenge["challenge"].octets());
    EXPECT_EQ(seen.back().size(), 48u);
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end()) << "the same challenge twice";
}

TEST_F(HandshakeTest, AnswerInFragments) {
  const auto made = organization();
  Connection connection{here()};
  const std::string answer = pack(made->alice().answer(connection.challenge()));
  connection.send_raw(
      frame(Opcode::binary, std::string_view{answer}.substr(0, 10), {.fin = false}));
  connection.ping();
  connection.send_raw(frame(Opcode::continuation, std::string_view{answer}.substr(10)));
  EXPECT_EQ(connection.reply()["result"], Document("ok"));
}

TEST_F(HandshakeTest, RequestsRightBehindTheAnswer) {
  const auto made = organization();
  Connection connection{here()};
  const std::string answer = pack(made->alice().answer(connection.challenge()));
  std::string stream = frame(Opcode::binary, answer);
  for (const char* text : {"1", "2", "3"}) {
    stream += frame(Opcode::binary, pack(Map{{"cmd", "ping"}, {"ping", text}}));
  }
  connection.send_raw(stream);
  EXPECT_EQ(connection.reply()["result"], Document("ok"));
  for (const char* text : {"1", "2", "3"}) {
    EXPECT_THAT(connection.reply(), Ok({{"pong", text}}));
  }
}

// --- §2.1 version and schema ---------------------------------------------------------------------

TEST_F(HandshakeTest, AnyRevisionOfAKnownVersion) {
  const auto made = organization();
  for (const int revision : {0, 1, 17, 99}) {
    accepted(answer_of(made->alice(), 2, {{"client_api_version", list(2, revision)}}));
    accepted(answer_of(made->alice(), 1, {{"client_api_version", list(1, revision)}}));
    accepted(
        always(administration_answer(token).with({{"client_api_version", list(1, revision)}})));
  }
}

TEST_F(HandshakeTest, OtherVersions) {
  const auto made = organization();
  struct Row {
    const char* name;
    int version;
    int revision;
  };
  const Row rows[]{{"0.0", 0, 0}, {"3.0", 3, 0}, {"4.1", 4, 1}, {"99.7", 99, 7}};
  for_each_row(rows, [&](const Row& row) {
    expect_refused_handshake(
        answer_of(made->alice(), 2, {{"client_api_version", list(row.version, row.revision)}}),
        "bad_protocol",
        "No overlap between client API versions {" + std::string{row.name} +
            "} and backend API versions {2.0, 1.2}");
  });
}

TEST_F(HandshakeTest, InvalidAnswers) {
  const Octets key = SigningKey{}.verify_key();
  const Map authenticated = handshake_answer(
      2, "AUTHENTICATED",
      {{"organization_id", "Org"}, {"device_id", "a@b"}, {"rvk", key}, {"answer", "x"_bin}});
  const Map invited = invited_answer("Org", new_uuid(), "USER");
  const Map anonymous = anonymous_answer("Org");
  const Map administrator = administration_answer("x");
  struct Row {
    const char* name;
    Document answer;
  };
  const std::vector<Row> rows{
      {"no handshake", authenticated.without("handshake")},
      {"handshake is no answer", authenticated.with({{"handshake", "challenge"}})},
      {"no type", authenticated.without("type")},
      {"type null", authenticated.with({{"type", nullptr}})},
      {"type integer", authenticated.with({{"type", 1}})},
      {"unknown type", authenticated.with({{"type", "DUMMY"}})},
      {"no version", authenticated.without("client_api_version")},
      {"version null", authenticated.with({{"client_api_version", nullptr}})},
      {"version integer", authenticated.with({{"client_api_version", 2}})},
      {"version text", authenticated.with({{"client_api_version", "2.0"}})},
      {"version of one", authenticated.with({{"client_api_version", list(2)}})},
      {"version of three", authenticated.with({{"client_api_version", list(2, 0, 0)}})},
      {"version of words", authenticated.with({{"client_api_version", list("a", "b")}})},
      {"v2 type with version 1", authenticated.with({{"client_api_version", list(1, 2)}})},
      {"INVITED with version 1", invited.with({{"client_api_version", list(1, 2)}})},
      {"v1 type with version 2", authenticated.with({{"type", "authenticated"}})},
      {"anonymous with version 2", anonymous.with({{"client_api_version", list(2, 0)}})},
      {"administration with version 2", administrator.with({{"client_api_version", list(2, 0)}})},
      {"no organization_id", authenticated.without("organization_id")},
      {"organization_id null", authenticated.with({{"organization_id", nullptr}})},
      {"organization_id with a slash", authenticated.with({{"organization_id", "a/b"}})},
      {"no device_id", authenticated.without("device_id")},
      {"device_id of a user", authenticated.with({{"device_id", "alice"}})},
      {"no rvk", authenticated.without("rvk")},
      {"rvk null", authenticated.with({{"rvk", nullptr}})},
      {"rvk too short", authenticated.with({{"rvk", Octets{31, 'k'}}})},
      {"rvk too long", authenticated.with({{"rvk", Octets{33, 'k'}}})},
      {"no answer", authenticated.without("answer")},
      {"answer text", authenticated.with({{"answer", "x"}})},
      {"answer null", authenticated.with({{"answer", nullptr}})},
      {"INVITED without organization_id", invited.without("organization_id")},
      {"INVITED without invitation_type", invited.without("invitation_type")},
      {"INVITED of unknown type", invited.with({{"invitation_type", "DUMMY"}})},
      {"INVITED in lower case", invited.with({{"invitation_type", "user"}})},
      {"INVITED without token", invited.without("token")},
      {"INVITED, token text", invited.with({{"token", new_uuid().text()}})},
      {"INVITED, token null", invited.with({{"token", nullptr}})},
      {"anonymous without organization_id", anonymous.without("organization_id")},
      {"anonymous, rvk text", anonymous.with({{"rvk", "x"}})},
      {"anonymous, rvk too short", anonymous.with({{"rvk", "abc"_bin}})},
      {"administration without token", administrator.without("token")},
      {"administration, token null", administrator.with({{"token", nullptr}})},
      {"administration, token integer", administrator.with({{"token", 1}})},
      {"empty", Map{}},
      {"a request", Map{{"cmd", "ping"}, {"ping", "x"}}},
      {"array", list("handshake", "answer")},
      {"nil", nullptr},
  };
  for_each_row(rows, [](const Row& row) {
    Connection connection{here()};
    connection.challenge();
    const Document result = connection.answer(row.answer);
    EXPECT_EQ(result["result"], Document("bad_protocol")) << result;
    EXPECT_TRUE(result["help"].is<std::string>()) << result;
    connection.wait_end();
  });
  for (const std::string& bytes : {std::string{"\xC1"}, std::string{}, pack(anonymous) + '\0'}) {
    Connection connection{here()};
    connection.challenge();
    EXPECT_EQ(connection.ask_raw(bytes)["result"], Document("bad_protocol"));
    connection.wait_end();
  }
}

TEST_F(HandshakeTest, IgnoresUnknownFields) {
  const auto made = organization();
  accepted(answer_of(made->alice(), 2, {{"future", list(1, 2)}, {"token", nullptr}}));
}

// --- §2.2 AUTHENTICATED --------------------------------------------------------------------------

TEST_F(HandshakeTest, UnknownOrganizationOrDevice) {
  const auto made = organization();
  const auto other = organization();
  const auto created = unknown_organization();
  created->create_here();
  for (const int version : {2, 1}) {
    for (const Map& changes :
         {Map{{"organization_id", "No" + random_hex(8)}}, Map{{"device_id", "alice@nope"}},
          Map{{"device_id", "nope@dev1"}}, Map{{"organization_id", other->id()}}}) {
      if (changes.find("organization_id") != nullptr &&
          *changes.find("organization_id") == Document(other->id())) {
        // alice@dev1 exists there too, with another key: the signature decides.
        expect_refused_handshake(answer_of(made->alice(), version, changes), "bad_protocol",
                                 bad_signature);
        continue;
      }
      expect_refused_handshake(answer_of(made->alice(), version, changes), "bad_identity",
                               invalid_information);
    }
    // Created, but not bootstrapped: there is no device yet.
    expect_refused_handshake(answer_of(created->new_device("alice@dev1"), version), "bad_identity",
                             invalid_information);
  }
  Session alice = made->connect(made->alice());
  const Device bob = alice.add_user("bob");
  expect_refused_handshake(
      answer_of(bob, 2, {{"organization_id", other->id()}, {"rvk", other->root_verify_key()}}),
      "bad_identity", invalid_information);
}

TEST_F(HandshakeTest, InvalidSignature) {
  const auto made = organization();
  const Device& alice = made->alice();
  struct Row {
    const char* name;
    std::function<Octets(const Octets& challenge)> answer;
    const char* help;
  };
  const auto cut = [](Octets octets, std::size_t begin, std::size_t count) {
    return Octets{octets.bytes.substr(begin, count)};
  };
  const std::vector<Row> rows{
      {"another key", [](const Octets& c) { return SigningKey{}.sign(c); }, bad_signature},
      {"a spoilt signature",
       [](const Octets& c) { return Octets{std::string(64, '\1') + c.bytes}; }, bad_signature},
      {"a spoilt content",
       [&](const Octets& c) { return Octets{cut(alice.key.sign(c), 0, 111).bytes + '\0'}; },
       bad_signature},
      {"the signature alone", [&](const Octets& c) { return cut(alice.key.sign(c), 0, 64); },
       bad_signature},
      {"63 octets", [&](const Octets& c) { return cut(alice.key.sign(c), 0, 63); }, bad_signature},
      {"the challenge alone", [](const Octets& c) { return c; }, bad_signature},
      {"nothing", [](const Octets&) { return Octets{}; }, bad_signature},
      {"other content",
       [&](const Octets&) {
         return alice.key.sign(Octets{48, '\0'});
       },
       "Invalid returned challenge"},
      {"empty content", [&](const Octets&) { return alice.key.sign({}); },
       "Invalid returned challenge"},
      {"a part of it", [&](const Octets& c) { return alice.key.sign(cut(c, 0, 47)); },
       "Invalid returned challenge"},
      {"more than it", [&](const Octets& c) { return alice.key.sign(Octets{c.bytes + "x"}); },
       "Invalid returned challenge"},
  };
  for_each_row(rows, [&](const Row& row) {
    expect_refused_handshake(
        [&](const Document& challenge) {
          return alice.answer(challenge, 2,
                              {{"answer", row.answer(challenge["challenge"].octets())}});
        },
        "bad_protocol", row.help);
  });
  Connection other{here()};
  const Octets stolen = alice.key.sign(other.challenge()["challenge"].octets());
  expect_refused_handshake(answer_of(alice, 2, {{"answer", stolen}}), "bad_protocol",
                           "Invalid returned challenge");
}

TEST_F(HandshakeTest, ChecksInTheirOrder) {
  Session alice = this->alice();
  const Device bob = alice.add_user("bob");
  alice.revoke("bob");
  const Map wrong_key{{"rvk", SigningKey{}.verify_key()}};
  const auto badly_signed = [](const Device& device, const Map& changes) {
    return [=](const Document& challenge) {
      const Octets answer = SigningKey{}.sign(challenge["challenge"].octets());
      return device.answer(challenge, 2, changes.with({{"answer", answer}}));
    };
  };
  for (const int version : {2, 1}) {
    expect_refused_handshake(answer_of(alice.device(), version, wrong_key), "rvk_mismatch",
                             mismatch);
    expect_refused_handshake(answer_of(bob, version), "revoked_device", "Device has been revoked");
    expect_refused_handshake(answer_of(bob, version, wrong_key), "rvk_mismatch", mismatch);
  }
  // A stranger, who cannot sign, learns nothing from what comes behind the signature.
  expect_refused_handshake(badly_signed(alice.device(), wrong_key), "bad_protocol", bad_signature);
  expect_refused_handshake(badly_signed(bob, {}), "bad_protocol", bad_signature);
  expire(alice.organization());
  for (const int version : {2, 1}) {
    expect_refused_handshake(answer_of(alice.device(), version), "organization_expired", expired);
    expect_refused_handshake(answer_of(bob, version), "organization_expired", expired);
    expect_refused_handshake(answer_of(alice.device(), version, wrong_key), "rvk_mismatch",
                             mismatch);
    expect_refused_handshake(answer_of(alice.device(), version, {{"device_id", "zoe@dev1"}}),
                             "bad_identity", invalid_information);
  }
  expect_refused_handshake(badly_signed(alice.device(), {}), "bad_protocol", bad_signature);
}

TEST_F(HandshakeTest, ExpirationArrivesByItself) {
  const auto made = organization({{"expiration_date", now() + 1500ms}});
  Session connected = made->connect(made->alice());
  ASSERT_TRUE(eventually([&] {
    return handshake(answer_of(made->alice()), there()).result["result"] != Document("ok");
  }));
  // The refusal on one server drops the organization's connections on all of them.
  expect_refused_handshake(answer_of(made->alice()), "organization_expired", expired, there());
  EXPECT_EQ(connected.wait_end(), 1000);
}

TEST_F(HandshakeTest, ARevocationAheadIsInForce) {
  Session alice = this->alice();
  const Device bob = alice.add_user("bob");
  alice.require("user_revoke",
                {{"revoked_user_certificate", alice.revocation("bob", now() + 10min)}});
  expect_refused_handshake(answer_of(bob), "revoked_device", "Device has been revoked");
}

// --- §2.2 INVITED --------------------------------------------------------------------------------

TEST_F(HandshakeTest, Invited) {
  Session alice = this->alice();
  const std::string organization_id = alice.organization_id();
  const Uuid user_token = store_invitation(alice, "USER", "zoe@example.com");
  const Uuid device_token = store_invitation(alice, "DEVICE");
  accepted(always(invited_answer(organization_id, user_token, "USER")));
  accepted(always(invited_answer(organization_id, device_token, "DEVICE")));

  expect_refused_handshake(always(invited_answer("No" + random_hex(8), user_token, "USER")),
                           "bad_identity", invalid_information);
  const Uuid elsewhere = store_invitation(this->alice(), "DEVICE");
  for (const Uuid unknown : {new_uuid(), elsewhere}) {
    expect_refused_handshake(always(invited_answer(organization_id, unknown, "DEVICE")),
                             "bad_identity", "Invalid handshake: Invitation not found");
  }
  database().execute(
      "UPDATE invitation SET deleted_on = now(), deleted_reason = 'CANCELLED' WHERE token = $1",
      {device_token});
  for (const char* type : {"DEVICE", "USER"}) {
    expect_refused_handshake(always(invited_answer(organization_id, device_token, type)),
                             "bad_identity", "Invalid handshake: Invitation already deleted");
  }
  expect_refused_handshake(always(invited_answer(organization_id, user_token, "DEVICE")),
                           "bad_identity", invalid_information);
  expire(alice.organization());
  for (const Uuid any : {user_token, device_token, new_uuid()}) {
    expect_refused_handshake(always(invited_answer(organization_id, any, "USER")),
                             "organization_expired", expired);
  }
}

// --- §2.2 anonymous, administration --------------------------------------------------------------

TEST_F(HandshakeTest, Anonymous) {
  const auto made = unknown_organization();
  expect_refused_handshake(always(anonymous_answer(made->id())), "bad_identity",
                           invalid_information);
  EXPECT_THAT(administration().call("organization_status", {{"organization_id", made->id()}}),
              Status("not_found"));
  const std::string bootstrap_token = made->create_here();
  accepted(always(anonymous_answer(made->id())));
  expect_refused_handshake(always(anonymous_answer(made->id(), made->root_verify_key())),
                           "rvk_mismatch", mismatch);
  made->bootstrap(bootstrap_token);
  accepted(always(anonymous_answer(made->id())));
  accepted(always(anonymous_answer(made->id()).without("rvk")));
  accepted(always(anonymous_answer(made->id(), made->root_verify_key())));
  const Octets other = SigningKey{}.verify_key();
  expect_refused_handshake(always(anonymous_answer(made->id(), other)), "rvk_mismatch", mismatch);
  expire(*made);
  for (const Document& rvk : {Document(), Document(other), Document(made->root_verify_key())}) {
    expect_refused_handshake(always(anonymous_answer(made->id(), rvk)), "organization_expired",
                             expired);
  }
}

TEST_F(HandshakeTest, Administration) {
  accepted(always(administration_answer(token)));
  const std::string right = token;
  for (const std::string& wrong : {std::string{"nope"}, std::string{}, right.substr(1), right + "x",
                                   std::string{"S3CR3T"}, std::string(100'000, 's')}) {
    expect_refused_handshake(always(administration_answer(wrong)), "bad_admin_token",
                             "Invalid administration token");
  }
}

}  // namespace
}  // namespace parsec::testing
