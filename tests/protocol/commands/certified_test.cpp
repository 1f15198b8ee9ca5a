// protocol/commands/devices.cpp and user_revoke (users.cpp) without a database: the order of the
// checks of protocol/4-commands.md §4.4, their reasons, and what each status of the database
// becomes.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "db/functions/organization.h"
#include "tests/protocol/signing.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;
using testing_support::Content;
using namespace std::string_literals;

constexpr std::int64_t hour = 3'600'000'000;

DateTime wall_clock() {
  using namespace std::chrono;
  return {duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()};
}

std::function<void(msgpack::Writer&)> text(std::string value) {
  return [value = std::move(value)](msgpack::Writer& writer) { writer.str(value); };
}

class CertifiedCommands : public ::testing::Test, protected ServiceFixture {
 protected:
  CertifiedCommands() : alice(open_device("Org", "alice@dev1")) {}

  Content certificate(const char* type, std::int64_t late = 0) const {
    const DateTime timestamp{wall_clock().microseconds - late};
    return {{"type", text(type)},
            {"author", text("alice@dev1")},
            {"timestamp", [=](msgpack::Writer& writer) { writer.datetime(timestamp); }}};
  }
  Content device_certificate(std::string device_id, std::optional<std::string> label,
                             DateTime timestamp) const {
    auto content = certificate("device_certificate");
    content["timestamp"] = [=](msgpack::Writer& writer) { writer.datetime(timestamp); };
    content["device_id"] = text(std::move(device_id));
    content["device_label"] = [=](msgpack::Writer& writer) {
      label ? writer.str(*label) : writer.nil();
    };
    content["verify_key"] = [this](msgpack::Writer& writer) {
      writer.bin(device_key.verify_key());
    };
    return content;
  }
  std::vector<std::byte> certify(const Content& content) const {
    const auto packed = testing_support::compress(testing_support::pack(content));
    return device_key.sign(as_bytes(packed));
  }
  void send_revoke(Bytes bytes) {
    send_command(alice, "user_revoke", 1, [&](msgpack::Writer& writer) {
      writer.str("revoked_user_certificate"), writer.bin(bytes);
    });
  }
  void revoke(const char* user_id, std::int64_t late = 0) {
    auto content = certificate("revoked_user_certificate", late);
    content["user_id"] = text(user_id);
    send_revoke(certify(content));
  }
  void create_device(Bytes plain, Bytes redacted) {
    send_command(alice, "device_create", 2, [&](msgpack::Writer& writer) {
      writer.str("device_certificate"), writer.bin(plain);
      writer.str("redacted_device_certificate"), writer.bin(redacted);
    });
  }
  static std::string refused(std::string_view status, std::string_view reason) {
    return "{status=\"" + std::string{status} + "\" reason=\"" + std::string{reason} + "\"}";
  }

  const engine::ConnectionId alice;
};

TEST_F(CertifiedCommands, RevocationsThatNeedNoDatabase) {
  send_command(alice, "user_revoke");
  EXPECT_TRUE(take_reply(alice).starts_with("{status=\"bad_message\""));
  send_revoke(as_bytes("nothing signed"));
  EXPECT_TRUE(take_reply(alice).starts_with("{status=\"invalid_certification\""));
  revoke("alice", hour);  // the timestamp is looked at first
  EXPECT_EQ(take_reply(alice),
            refused("invalid_certification", "Invalid timestamp in certification."));
  revoke("bob", -hour);
  EXPECT_EQ(take_reply(alice),
            refused("invalid_certification", "Invalid timestamp in certification."));
  revoke("alice");
  EXPECT_EQ(take_reply(alice), refused("not_allowed", "Cannot do self-revocation"));
  EXPECT_TRUE(database.submitted.empty());
}

TEST_F(CertifiedCommands, RevocationsByWhatTheDatabaseSays) {
  struct Row {
    const char* status;
    std::string reply;
    bool waits = false;  // for the writes of the user that began before
  };
  const Row rows[] = {
      {"not_allowed", refused("not_allowed", "User `alice` is not admin")},
      {"not_found", R"({status="not_found"})"},
      {"already_revoked", refused("already_revoked", "User `bob` already revoked"), true},
      {"ok", R"({status="ok"})", true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.status);
    revoke("bob");
    answer({{text_cell(row.status)}});
    if (row.waits) {
      ASSERT_EQ(database.submitted.size(), 1U);
      EXPECT_EQ(database.submitted[0]->function, &db::functions::await_writes_function);
      answer({{text_cell("ok")}});
    }
    EXPECT_EQ(take_reply(alice), row.reply);
  }
}

TEST_F(CertifiedCommands, DeviceCreationsThatNeedNoDatabase) {
  const auto now = wall_clock();
  const DateTime late{now.microseconds - hour};
  const DateTime other{now.microseconds - 1};
  const auto made = [&](const char* id, std::optional<std::string> label, DateTime timestamp) {
    return certify(device_certificate(id, std::move(label), timestamp));
  };
  struct Row {
    const char* name;
    std::vector<std::byte> plain;
    std::vector<std::byte> redacted;
    std::string reply;
  };
  const auto differs =
      refused("invalid_data", "Redacted Device certificate differs from Device certificate.");
  const Row rows[] = {
      {"ballpark, before the user", made("bob@new", "PC", late), made("bob@new", {}, late),
       refused("invalid_certification", "Invalid timestamp in certification.")},
      {"other user, before the redacted one", made("bob@new", "PC", now),
       made("bob@new", "PC", now),
       refused("bad_user_id", "Device must be handled by it own user.")},
      {"other device", made("alice@new", "PC", now), made("alice@else", {}, now), differs},
      {"other timestamp", made("alice@new", "PC", now), made("alice@new", {}, other), differs},
      {"a label that should not be there", made("alice@new", "PC", now),
       made("alice@new", "PC", now),
       refused("invalid_data",
               "Redacted Device certificate must not contain a device_label field.")},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    create_device(row.plain, row.redacted);
    EXPECT_EQ(take_reply(alice), row.reply);
  }
  const auto good = made("alice@new", "PC", now);
  for (const bool plain_is_bad : {true, false}) {
    const auto bad = as_bytes("nothing signed");
    create_device(plain_is_bad ? bad : Bytes{good}, plain_is_bad ? Bytes{good} : bad);
    EXPECT_TRUE(take_reply(alice).starts_with("{status=\"invalid_certification\""));
  }
  EXPECT_TRUE(database.submitted.empty());
}

TEST_F(CertifiedCommands, DeviceCreationsByWhatTheDatabaseSays) {
  const auto now = wall_clock();
  const auto plain = certify(device_certificate("alice@new", "PC", now));
  const auto redacted = certify(device_certificate("alice@new", {}, now));
  create_device(plain, redacted);
  answer({{text_cell("already_exists")}});
  EXPECT_EQ(take_reply(alice), refused("already_exists", "Device `alice@new` already exists"));
  create_device(plain, redacted);
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(alice), R"({status="ok"})");
}

}  // namespace
}  // namespace parsec::testing
