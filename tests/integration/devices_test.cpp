// protocol/4-commands.md §4.4 device_create; protocol/3-types.md §3.1 identifiers, with the vectors
// of the contract where they are checked out beside the project.
#include <simdjson.h>

#include <algorithm>

#include "tests/integration/integration_test.h"
#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

class Devices : public IntegrationTest {
 protected:
  static Device second(const Session& author, const std::string& id) {
    return author.organization().new_device(id, author.device().profile,
                                            author.device().human_handle, "second");
  }
  static Document create(Session& author, const std::string& id,
                         const CertificateChanges& changes = {},
                         std::optional<DateTime> timestamp = {}) {
    return author.call("device_create", device_certificates(author.device(), second(author, id),
                                                            timestamp, changes));
  }
};

TEST_F(Devices, OfAnyProfileConnect) {
  for (const char* profile : {"ADMIN", "STANDARD", "OUTSIDER"}) {
    auto [alice, bob] = pair(profile);
    Session third = alice.organization().connect(
        alice.organization().connect(bob.add_device("dev2")).add_device("dev3"));
    EXPECT_EQ(alice.call("user_get", {{"user_id", "bob"}})["device_certificates"].array().size(),
              3u);
    third.ping();
  }
}

TEST_F(Devices, ChecksInTheirOrder) {
  Session alice = this->alice();
  alice.add_user("bob");
  for (const char* name : {"device_certificate", "redacted_device_certificate"}) {
    Map empty = device_certificates(alice.device(), second(alice, "alice@dev2"));
    empty.set(name, ""_bin);
    EXPECT_THAT(alice.call("device_create", empty), InvalidCertification()) << name;
    EXPECT_THAT(create(alice, "alice@dev2", CertificateChanges{}.signed_by(SigningKey{}, name)),
                InvalidCertification())
        << name;
    EXPECT_THAT(create(alice, "alice@dev2", {{name, {{"author", "bob@dev1"}}}}),
                WrongAuthor("alice@dev1", "bob@dev1"))
        << name;
  }
  for (const DateTime at : {now() - ballpark - margin, now() + ballpark + margin}) {
    for (const char* id : {"alice@dev2", "bob@dev2"}) {
      EXPECT_THAT(create(alice, id, {}, at),
                  Refused("invalid_certification", "Invalid timestamp in certification."));
    }
  }
  const CertificateChanges other_key{
      {"redacted_device_certificate", {{"verify_key", Octets{32, 'k'}}}}};
  for (const char* id : {"bob@dev2", "bob@dev1", "nobody@dev1"}) {
    EXPECT_THAT(create(alice, id, other_key),
                Refused("bad_user_id", "Device must be handled by it own user."));
  }
  const char* differs = "Redacted Device certificate differs from Device certificate.";
  for (const char* id : {"alice@dev2", "alice@dev1"}) {
    EXPECT_THAT(create(alice, id, other_key), Refused("invalid_data", differs));
    EXPECT_THAT(create(alice, id, {{"redacted_device_certificate", {{"device_id", "alice@dev3"}}}}),
                Refused("invalid_data", differs));
    EXPECT_THAT(create(alice, id, {{"redacted_device_certificate", {{"timestamp", now() + 1s}}}}),
                Refused("invalid_data", differs));
    EXPECT_THAT(create(alice, id, {{"redacted_device_certificate", {{"device_label", "x"}}}}),
                Refused("invalid_data",
                        "Redacted Device certificate must not contain a device_label field."));
  }
  EXPECT_THAT(create(alice, "alice@dev1"),
              Refused("already_exists", "Device `alice@dev1` already exists"));
  EXPECT_THAT(create(alice, "alice@dev2"), Ok());
  EXPECT_THAT(create(alice, "alice@dev2"),
              Refused("already_exists", "Device `alice@dev2` already exists"));
}

TEST_F(Devices, LabelsAreFreeText) {
  Session alice = this->alice();
  int number = 0;
  for (const Document& label :
       {Document(), Document(omitted), Document(""), Document(std::string(254, 'a')),
        Document("\xC3\xA9\xE6\x97\xA5\n"), Document("<b>")}) {
    EXPECT_THAT(create(alice, "alice@n" + std::to_string(++number),
                       {{"device_certificate", {{"device_label", label}}}}),
                Ok())
        << label;
  }
}

// --- Identifiers ---------------------------------------------------------------------------------

class Identifiers : public Devices {
 protected:
  struct Vector {
    std::string type;
    std::string value;
    bool valid;
  };

  static std::vector<Vector> identifiers(std::string_view type) {
    std::vector<Vector> all;
    simdjson::ondemand::parser parser;
    const simdjson::padded_string text =
        simdjson::padded_string::load(source_path("tests/protocol/vectors/identifiers.jsonl"));
    simdjson::ondemand::document_stream lines;
    if (parser.iterate_many(text).get(lines) != simdjson::SUCCESS) return all;
    for (auto line : lines) {
      Vector one{std::string{std::string_view{line["type"]}},
                 std::string{std::string_view{line["value"]}}, bool{line["valid"]}};
      if (one.type == type) all.push_back(std::move(one));
    }
    return all;
  }
};

TEST_F(Identifiers, OfUsers) {
  Session alice = this->alice();
  for (const Vector& one : identifiers("user_id")) {
    if (one.value == "alice") continue;
    const Document reply = alice.call("user_get", {{"user_id", one.value}});
    EXPECT_THAT(reply,
                one.valid ? Status("not_found") : Invalid({{"user_id", "Invalid user name"}}))
        << one.value;
  }
}

TEST_F(Identifiers, OfOrganizations) {
  Connection admin = administration();
  for (const Vector& one : identifiers("organization_id")) {
    const Document reply = admin.call("organization_status", {{"organization_id", one.value}});
    EXPECT_THAT(reply, one.valid ? Status("not_found")
                                 : Invalid({{"organization_id", "Invalid organization ID"}}))
        << one.value;
  }
}

TEST_F(Identifiers, OfDevicesInCertificates) {
  Session alice = this->alice();
  const auto takes = [&](const std::string& id) {
    // A valid ID of another user fails at check 3 of device_create, an invalid one at check 1.
    const Document reply = create(alice, "x@y",
                                  {{"device_certificate", {{"device_id", id}}},
                                   {"redacted_device_certificate", {{"device_id", id}}}});
    return reply["status"] != Document("invalid_certification");
  };
  for (const Vector& one : identifiers("device_id"))
    EXPECT_EQ(takes(one.value), one.valid) << one.value;
  for (const Vector& one : identifiers("device_name")) {
    // Inside a device ID a name is bounded in characters, not in octets.
    const auto characters = std::ranges::count_if(
        one.value, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    if (one.value.size() > 32 && characters <= 32) continue;
    EXPECT_EQ(takes("zoe@" + one.value), one.valid) << one.value;
  }
}

TEST_F(Identifiers, HumanHandlesInCertificates) {
  Session alice = this->alice();
  simdjson::ondemand::parser parser;
  const simdjson::padded_string text =
      simdjson::padded_string::load(source_path("tests/protocol/vectors/human_handles.jsonl"));
  simdjson::ondemand::document_stream lines;
  ASSERT_EQ(parser.iterate_many(text).get(lines), simdjson::SUCCESS);
  int count = 0;
  for (auto line : lines) {
    const std::string email{std::string_view{line["email"]}};
    const std::string label{std::string_view{line["label"]}};
    const bool valid = bool{line["valid"]};
    const Device zoe = alice.organization().new_device("zoe@dev1", "STANDARD", list(email, label));
    // Out of the ballpark: a valid handle fails at check 3 of user_create, others at check 1.
    const Document reply =
        alice.call("user_create", user_certificates(alice.device(), zoe, now() - 1h));
    EXPECT_EQ(reply["reason"] == Document("Invalid timestamp in certificate."), valid)
        << email << " / " << label << ": " << reply;
    ++count;
  }
  EXPECT_GT(count, 10);
}

}  // namespace
}  // namespace parsec::testing
