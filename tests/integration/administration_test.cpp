// protocol/7-apiv1.md §7.1: organizations created, looked at, updated, expired.
#include <algorithm>
#include <regex>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Administration : public IntegrationTest {
 protected:
  Connection admin_ = administration();

  Document on(std::string_view cmd, const Organization& organization, const Map& fields = {}) {
    return admin_.call(cmd, Map{{"organization_id", organization.id()}}.with(fields));
  }
  void expect_stats(const Organization& organization, int data, int metadata, int users) {
    EXPECT_THAT(on("organization_stats", organization),
                Ok({{"data_size", data}, {"metadata_size", metadata}, {"users", users}}));
  }
  static bool is_token(const Document& value) {
    static const std::regex form{"[0-9a-f]{64}"};
    return value.is<std::string>() && std::regex_match(value.text(), form);
  }
};

// --- organization_create -------------------------------------------------------------------------

TEST_F(Administration, CreateGivesARandomToken) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 4; ++i) {
    const Document reply = on("organization_create", *unknown_organization());
    EXPECT_THAT(reply, Ok({{"bootstrap_token", anything}}));
    EXPECT_TRUE(is_token(reply["bootstrap_token"])) << reply;
    tokens.push_back(reply["bootstrap_token"].text());
  }
  std::ranges::sort(tokens);
  EXPECT_EQ(std::ranges::adjacent_find(tokens), tokens.end()) << "the same token twice";
}

TEST_F(Administration, CreateWithADate) {
  const auto made = unknown_organization();
  const DateTime date = now() + 72h;
  EXPECT_THAT(on("organization_create", *made, {{"expiration_date", date}}),
              Ok({{"bootstrap_token", anything}, {"expiration_date", date}}));
  EXPECT_THAT(on("organization_status", *made),
              Ok({{"is_bootstrapped", false}, {"expiration_date", date}}));
  const auto dateless = unknown_organization();
  EXPECT_THAT(on("organization_create", *dateless, {{"expiration_date", nullptr}}),
              Ok({{"bootstrap_token", anything}}));
  EXPECT_THAT(on("organization_status", *dateless),
              Ok({{"is_bootstrapped", false}, {"expiration_date", nullptr}}));
}

TEST_F(Administration, CreateAnewReplacesTokenAndDate) {
  const auto made = unknown_organization();
  std::vector<std::string> tokens;
  for (const Document& date :
       {Document(), Document(now() + 24h), Document(now() + 48h), Document()}) {
    tokens.push_back(made->create_here({{"expiration_date", date}}));
    EXPECT_THAT(on("organization_status", *made),
                Ok({{"is_bootstrapped", false}, {"expiration_date", date}}));
  }
  Connection stranger = made->connect_anonymous();
  const Device first = made->first_device();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(stranger.call("organization_bootstrap", made->bootstrap_fields(first, tokens[i])),
                Status("not_found"));
  }
  EXPECT_THAT(stranger.call("organization_bootstrap", made->bootstrap_fields(first, tokens[3])),
              Ok());
}

TEST_F(Administration, CreateOfABootstrappedOne) {
  const DateTime date = now() + 24h;
  const auto made = organization({{"expiration_date", date}});
  EXPECT_THAT(on("organization_create", *made), Status("already_exists"));
  EXPECT_THAT(on("organization_create", *made, {{"expiration_date", now() + 48h}}),
              Status("already_exists"));
  EXPECT_THAT(on("organization_status", *made),
              Ok({{"is_bootstrapped", true}, {"expiration_date", date}}));
  made->connect(made->alice()).ping();
}

TEST_F(Administration, NamesOfAnyScript) {
  const std::string tail = random_hex(5);
  int days = 0;
  const std::vector<std::string> names{
      "\xC3\x89l-_" + tail, "\xC3\xA9l-_" + tail, "\xE7\xB5\x84\xE7\xB9\x94" + tail,
      "1" + tail,           "-" + tail,           tail + std::string(22, 'a')};
  for (const std::string& name : names) {
    const DateTime date = now() + 24h * ++days;
    EXPECT_THAT(
        admin_.call("organization_create", {{"organization_id", name}, {"expiration_date", date}}),
        Status("ok"))
        << name;
    EXPECT_EQ(admin_.call("organization_status", {{"organization_id", name}})["expiration_date"],
              Document(date));
  }
}

// --- Validation ----------------------------------------------------------------------------------

TEST_F(Administration, InvalidNamesAndDates) {
  for (const char* cmd : {"organization_create", "organization_status", "organization_stats",
                          "organization_update"}) {
    SCOPED_TRACE(cmd);
    const auto with_name = [&](const Document& name) {
      return admin_.call(cmd, {{"organization_id", name}, {"expiration_date", nullptr}});
    };
    EXPECT_THAT(with_name(nullptr), Invalid({{"organization_id", null_given}}));
    for (const std::string& name :
         {std::string{}, std::string{"a b"}, std::string{"a@b"}, std::string{"a/b"},
          std::string{"a.b"}, std::string{"name\n"}, std::string{"\nname"}, std::string(33, 'a'),
          std::string{"\xE2\x9C\x93"}}) {
      EXPECT_THAT(with_name(name), Invalid({{"organization_id", "Invalid organization ID"}}))
          << name;
    }
    for (const Document& name : {Document(42), Document("Org"_bin), list("Org")}) {
      EXPECT_THAT(with_name(name), Invalid({{"organization_id", anything}})) << name;
    }
  }
  const auto made = organization();
  for (const char* cmd : {"organization_create", "organization_update"}) {
    for (const Document& date : {Document("2030-01-01"), Document(1.5), Document(1'900'000'000),
                                 Document(""_bin), Document(new_uuid()), Document(true)}) {
      EXPECT_THAT(on(cmd, *made, {{"expiration_date", date}}),
                  Invalid({{"expiration_date", "Not a datetime"}}))
          << cmd << " " << date;
    }
  }
}

TEST_F(Administration, UnknownOrganizations) {
  const auto nobody = unknown_organization();
  for (int i = 0; i < 2; ++i) {  // asking does not create it
    for (const char* cmd : {"organization_status", "organization_stats", "organization_update"}) {
      EXPECT_THAT(on(cmd, *nobody, {{"expiration_date", nullptr}}), Status("not_found")) << cmd;
    }
  }
}

// --- organization_update -------------------------------------------------------------------------

TEST_F(Administration, UpdateSetsOrRemovesTheDate) {
  const auto fresh = unknown_organization();
  fresh->create_here();
  for (const auto& made : {fresh, organization()}) {
    for (const Document& date : {Document(now() + 24h), Document(), Document(now() + 1h)}) {
      EXPECT_THAT(on("organization_update", *made, {{"expiration_date", date}}), Ok());
      EXPECT_EQ(on("organization_status", *made)["expiration_date"], date);
    }
  }
}

TEST_F(Administration, UpdateNeedsADate) {
  const DateTime date = now() + 24h;
  const auto made = organization({{"expiration_date", date}});
  EXPECT_THAT(on("organization_update", *made), Status("bad_message"));
  EXPECT_THAT(on("organization_update", *unknown_organization()), Status("bad_message"));
  EXPECT_EQ(on("organization_status", *made)["expiration_date"], Document(date));
}

TEST_F(Administration, UpdateToTheFutureDropsNobody) {
  Session session = alice();
  for (const Document& date : {Document(now() + 30s), Document()}) {
    EXPECT_THAT(on("organization_update", session.organization(), {{"expiration_date", date}}),
                Ok());
    session.ping();
  }
}

TEST_F(Administration, UpdateToThePastDropsEverybodyAndCanBeTakenBack) {
  const auto made = organization();
  for (const Document& revival : {Document(), Document(now() + 24h)}) {
    Session session = made->connect(made->alice());
    EXPECT_THAT(on("organization_update", *made, {{"expiration_date", now()}}), Ok());
    EXPECT_EQ(session.wait_end(), 1000);
    const auto answer = [&](const Document& challenge) { return made->alice().answer(challenge); };
    EXPECT_EQ(handshake(answer).result["result"], Document("organization_expired"));
    EXPECT_THAT(on("organization_update", *made, {{"expiration_date", revival}}), Ok());
    EXPECT_EQ(handshake(answer).result["result"], Document("ok"));
  }
}

TEST_F(Administration, CreatedExpired) {
  const auto made = unknown_organization();
  const DateTime date = now() - 5s;
  const std::string bootstrap_token = made->create_here({{"expiration_date", date}});
  EXPECT_THAT(on("organization_status", *made),
              Ok({{"is_bootstrapped", false}, {"expiration_date", date}}));
  expect_refused_handshake([&](const Document&) { return anonymous_answer(made->id()); },
                           "organization_expired", "Trial organization has expired");
  EXPECT_THAT(on("organization_update", *made, {{"expiration_date", nullptr}}), Ok());
  // The notice of the expiration may still be on its way, and ends who is connected by then.
  for (bool done = false; !done;) {
    try {
      made->bootstrap(bootstrap_token);
      done = true;
    } catch (const ConnectionEnded& ended) {
      ASSERT_EQ(ended.close_code, 1000);
    }
  }
}

TEST_F(Administration, FromAnotherServer) {
  Connection elsewhere = administration(there());
  const auto made = unknown_organization();
  const Map name{{"organization_id", made->id()}};
  made->bootstrap(elsewhere.require("organization_create", name)["bootstrap_token"]);
  Session session = made->connect(made->alice());
  EXPECT_THAT(elsewhere.call("organization_status", name),
              Ok({{"is_bootstrapped", true}, {"expiration_date", nullptr}}));
  EXPECT_THAT(elsewhere.call("organization_create", name), Status("already_exists"));
  EXPECT_THAT(elsewhere.call("organization_update", name.with({{"expiration_date", now()}})), Ok());
  EXPECT_EQ(session.wait_end(), 1000);
}

// --- organization_stats --------------------------------------------------------------------------

TEST_F(Administration, StatsOfUsers) {
  const auto made = unknown_organization();
  const std::string bootstrap_token = made->create_here();
  expect_stats(*made, 0, 0, 0);
  made->bootstrap(bootstrap_token);
  expect_stats(*made, 0, 0, 1);
  Session alice = made->connect(made->alice());
  alice.add_user("bob", "OUTSIDER");
  alice.add_user("zoe", "STANDARD", nullptr);
  alice.add_device("dev2");
  expect_stats(*made, 0, 0, 3);
  alice.revoke("bob");
  expect_stats(*made, 0, 0, 3);
}

TEST_F(Administration, StatsOfSizes) {
  Session alice = this->alice();
  Session stranger = this->alice();
  for (int round = 1; round <= 2; ++round) {
    const Uuid realm_id = alice.create_realm();
    const Uuid vlob_id = alice.create_vlob(realm_id, Octets{10, 'x'});
    alice.update_vlob(vlob_id, 2, Octets{200, 'y'});
    alice.create_vlob(realm_id, {});
    const Uuid block_id = alice.create_block(realm_id, Octets{3000, 'z'});
    alice.create_block(realm_id, {});
    // What is refused does not count.
    EXPECT_THAT(alice.try_update_vlob(vlob_id, 9, Octets{500, 'y'}), Status("bad_version"));
    EXPECT_THAT(
        alice.call("block_create",
                   {{"block_id", block_id}, {"realm_id", realm_id}, {"block", Octets{99, 'z'}}}),
        Status("already_exists"));
    expect_stats(alice.organization(), 3000 * round, 210 * round, 1);
  }
  expect_stats(stranger.organization(), 0, 0, 1);
}

TEST_F(Administration, StatsCountReencryptedCopies) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid vlob_id = alice.create_vlob(realm_id, "12345"_bin);
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  alice.require(
      "vlob_maintenance_save_reencryption_batch",
      {{"realm_id", realm_id},
       {"encryption_revision", 2},
       {"batch", list(Map{{"vlob_id", vlob_id}, {"version", 1}, {"blob", "1234567"_bin}})}});
  alice.finish_reencryption(realm_id);
  expect_stats(alice.organization(), 0, 12, 1);
}

}  // namespace
}  // namespace parsec::testing
