#include "protocol/types/certificates.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/protocol/signing.h"

namespace parsec::protocol {
namespace {

using msgpack::Writer;
using testing_support::certify;
using testing_support::compress;
using testing_support::Content;
using testing_support::SigningKey;
using Write = std::function<void(Writer&)>;

Write str(std::string text) {
  return [text](Writer& w) { w.str(text); };
}
Write bin(std::size_t size) {
  return [size](Writer& w) { w.bin(as_bytes(std::string(size, 'k'))); };
}
Write boolean(bool value) {
  return [value](Writer& w) { w.boolean(value); };
}
Write human(std::string email, std::string label) {
  return [=](Writer& w) { w.array(2), w.str(email), w.str(label); };
}
const Write nil = [](Writer& w) { w.nil(); };
const Write integer = [](Writer& w) { w.integer(1); };
const Write real = [](Writer& w) { w.real(1.5); };
const Write datetime = [](Writer& w) { w.datetime({1'600'000'000'123456}); };

const Content user{{"type", str("user_certificate")},
                   {"author", str("alice@dev1")},
                   {"timestamp", datetime},
                   {"user_id", str("zoe")},
                   {"human_handle", human("z@b", "Zoe")},
                   {"public_key", bin(32)},
                   {"is_admin", boolean(false)},
                   {"profile", str("STANDARD")}};
const Content device{
    {"type", str("device_certificate")}, {"author", str("alice@dev1")},  {"timestamp", datetime},
    {"device_id", str("zoe@dev1")},      {"device_label", str("Zoe's")}, {"verify_key", bin(32)}};
const Content revoked{{"type", str("revoked_user_certificate")},
                      {"author", str("alice@dev1")},
                      {"timestamp", datetime},
                      {"user_id", str("zoe")}};
const Content realm_role{{"type", str("realm_role_certificate")},
                         {"author", str("alice@dev1")},
                         {"timestamp", datetime},
                         {"realm_id", [](Writer& w) { w.uuid({}); }},
                         {"user_id", str("zoe")},
                         {"role", str("OWNER")}};

/// `content` with other fields; a field without writer is left out.
Content changed(Content content, const Content& changes) {
  for (const auto& [name, write] : changes) {
    if (write) {
      content[name] = write;
    } else {
      content.erase(name);
    }
  }
  return content;
}

class Certificates : public ::testing::Test {
 protected:
  template <typename Certificate>
  std::expected<Certificate, CertificateError> load(
      const Content& content, std::optional<std::string_view> author = "alice@dev1") {
    const auto bytes = certify(key, content);
    return verify_and_load<Certificate>(as_bytes(bytes), key.verify_key(), author);
  }

  template <typename Certificate>
  void refuses(const Content& base, const std::vector<Content>& changes) {
    for (const auto& change : changes) {
      const auto loaded = load<Certificate>(changed(base, change));
      EXPECT_FALSE(loaded) << change.begin()->first;
      if (!loaded) {
        EXPECT_FALSE(loaded.error().detail.empty());
      }
    }
  }

  SigningKey key;
};

// --- The four types (protocol/3-types.md §3.3)
// ------------------------------------------------------------

TEST_F(Certificates, User) {
  const auto loaded = load<UserCertificate>(user);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->author, "alice@dev1");
  EXPECT_EQ(loaded->timestamp.microseconds, 1'600'000'000'123456);
  EXPECT_EQ(loaded->user_id, "zoe");
  EXPECT_EQ(loaded->human_handle->text(), "Zoe <z@b>");
  EXPECT_EQ(loaded->public_key[31], std::byte{'k'});
  EXPECT_EQ(loaded->profile, Profile::standard);
}

TEST_F(Certificates, UserDefaults) {
  const auto profile_of = [this](const Content& changes) {
    const auto loaded = load<UserCertificate>(changed(user, changes));
    return loaded ? std::optional{loaded->profile} : std::nullopt;
  };
  EXPECT_EQ(profile_of({{"profile", {}}}), Profile::standard);
  EXPECT_EQ(profile_of({{"profile", {}}, {"is_admin", boolean(true)}}), Profile::admin);
  EXPECT_EQ(profile_of({{"profile", str("ADMIN")}, {"is_admin", boolean(true)}}), Profile::admin);
  EXPECT_EQ(profile_of({{"profile", str("ADMIN")}}), Profile::admin);
  EXPECT_EQ(profile_of({{"profile", str("OUTSIDER")}}), Profile::outsider);
  EXPECT_FALSE(load<UserCertificate>(changed(user, {{"human_handle", nil}}))->human_handle);
  EXPECT_FALSE(load<UserCertificate>(changed(user, {{"human_handle", {}}}))->human_handle);
}

TEST_F(Certificates, UserIsRefused) {
  refuses<UserCertificate>(user,
                           {{{"type", {}}},
                            {{"type", str("device_certificate")}},
                            {{"type", integer}},
                            {{"author", {}}},
                            {{"author", str("alice")}},
                            {{"timestamp", {}}},
                            {{"timestamp", nil}},
                            {{"timestamp", real}},
                            {{"user_id", {}}},
                            {{"user_id", str("a b")}},
                            {{"public_key", {}}},
                            {{"public_key", bin(31)}},
                            {{"is_admin", {}}},
                            {{"is_admin", nil}},
                            {{"is_admin", str("maybe")}},
                            {{"profile", nil}},
                            {{"profile", str("KING")}},
                            {{"is_admin", boolean(true)}, {"profile", str("STANDARD")}},
                            {{"is_admin", boolean(true)}, {"profile", str("OUTSIDER")}},
                            {{"human_handle", str("Zoe <z@b>")}},
                            {{"human_handle", [](Writer& w) { w.array(1), w.str("z@b"); }}},
                            {{"human_handle", [](Writer& w) { w.array(2), w.nil(), w.nil(); }}},
                            {{"human_handle", human("z@b", "a@b")}}});
}

TEST_F(Certificates, Device) {
  const auto loaded = load<DeviceCertificate>(device);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->device_id, "zoe@dev1");
  EXPECT_EQ(loaded->device_label, "Zoe's");
  EXPECT_EQ(loaded->verify_key[0], std::byte{'k'});
  EXPECT_FALSE(load<DeviceCertificate>(changed(device, {{"device_label", nil}}))->device_label);
  EXPECT_FALSE(load<DeviceCertificate>(changed(device, {{"device_label", {}}}))->device_label);
  EXPECT_EQ(load<DeviceCertificate>(changed(device, {{"device_label", str("")}}))->device_label,
            "");
  refuses<DeviceCertificate>(device, {{{"type", str("user_certificate")}},
                                      {{"device_id", {}}},
                                      {{"device_id", str("zoe")}},
                                      {{"verify_key", {}}},
                                      {{"verify_key", bin(33)}},
                                      {{"verify_key", nil}},
                                      {{"device_label", integer}}});
}

TEST_F(Certificates, RevokedUser) {
  const auto loaded = load<RevokedUserCertificate>(revoked);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->author, "alice@dev1");
  EXPECT_EQ(loaded->user_id, "zoe");
  refuses<RevokedUserCertificate>(revoked, {{{"type", str("user_certificate")}},
                                            {{"author", nil}},
                                            {{"timestamp", {}}},
                                            {{"user_id", {}}}});
}

TEST_F(Certificates, RealmRole) {
  const auto loaded = load<RealmRoleCertificate>(realm_role);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->realm_id, Uuid{});
  EXPECT_EQ(loaded->user_id, "zoe");
  EXPECT_EQ(loaded->role, Role::owner);
  EXPECT_FALSE(load<RealmRoleCertificate>(changed(realm_role, {{"role", nil}}))->role);
  refuses<RealmRoleCertificate>(realm_role, {{{"type", {}}},
                                             {{"author", nil}},
                                             {{"realm_id", {}}},
                                             {{"realm_id", bin(16)}},
                                             {{"user_id", nil}},
                                             {{"role", {}}},
                                             {{"role", str("BOSS")}}});
}

TEST_F(Certificates, UnknownFieldsAreIgnored) {
  const Content more{{"future", [](Writer& w) { w.array(2), w.integer(1), w.map(0); }}};
  EXPECT_TRUE(load<UserCertificate>(changed(user, more)));
  EXPECT_TRUE(load<DeviceCertificate>(changed(device, more)));
  EXPECT_TRUE(load<RevokedUserCertificate>(changed(revoked, more)));
  EXPECT_TRUE(load<RealmRoleCertificate>(changed(realm_role, more)));
}

// --- Author --------------------------------------------------------------------------------------

TEST_F(Certificates, WrongAuthorIsTold) {
  EXPECT_EQ(load<UserCertificate>(user, "bob@dev1").error().detail,
            "Invalid author: expected `bob@dev1`, got `alice@dev1`");
  EXPECT_EQ(load<UserCertificate>(user, std::nullopt).error().detail,
            "Invalid author: expected `<root key>`, got `alice@dev1`");
  const auto by_root = changed(user, {{"author", nil}});
  EXPECT_TRUE(load<UserCertificate>(by_root, std::nullopt));
  EXPECT_FALSE(load<UserCertificate>(by_root));
  EXPECT_TRUE(load<DeviceCertificate>(changed(device, {{"author", nil}}), std::nullopt));
}

// --- Wire form -----------------------------------------------------------------------------------

TEST_F(Certificates, OfAnotherKey) {
  const auto bytes = certify(SigningKey{}, user);
  EXPECT_FALSE(verify_and_load<UserCertificate>(as_bytes(bytes), key.verify_key(), "alice@dev1"));
}

TEST_F(Certificates, EveryChangedBitIsFound) {
  const auto bytes = certify(key, revoked);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto spoilt = bytes;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 1 << at % 8);
    ASSERT_FALSE(verify_signed(as_bytes(spoilt), key.verify_key())) << at;
    ASSERT_FALSE(verify_signed(as_bytes(bytes.substr(0, at)), key.verify_key())) << at;
  }
  EXPECT_TRUE(verify_signed(as_bytes(bytes), key.verify_key()));
}

TEST_F(Certificates, UnreadableContent) {
  const std::string contents[] = {
      "",
      "not zlib",
      compress("\xC1"),
      compress("\x91\x01"),
      compress(testing_support::pack(user) + '\0'),
      compress(testing_support::pack(user)) + "x",
      compress(std::string(64 << 20, '\0')),
  };
  for (const auto& content : contents) {
    const auto bytes = key.sign(content);
    EXPECT_FALSE(verify_and_load<UserCertificate>(as_bytes(bytes), key.verify_key(), "alice@dev1"));
    EXPECT_FALSE(unverified_load<UserCertificate>(as_bytes(bytes)));
  }
}

TEST_F(Certificates, OfTheStoreNeedNoKey) {
  const auto bytes = certify(SigningKey{}, device);
  const auto loaded = unverified_load<DeviceCertificate>(as_bytes(bytes));
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->device_id, "zoe@dev1");
  EXPECT_FALSE(unverified_load<DeviceCertificate>(as_bytes(bytes.substr(0, 63))));
  EXPECT_FALSE(unverified_load<DeviceCertificate>({}));
}

// --- Comparisons ---------------------------------------------------------------------------------

TEST_F(Certificates, RedactedUserHasTheSameContent) {
  const auto plain = *load<UserCertificate>(user);
  EXPECT_TRUE(
      same_but_redacted(plain, *load<UserCertificate>(changed(user, {{"human_handle", nil}}))));
  const Content differences[] = {
      {{"timestamp", [](Writer& w) { w.datetime({1}); }}},
      {{"user_id", str("yann")}},
      {{"public_key", [](Writer& w) { w.bin(as_bytes(std::string(32, 'x'))); }}},
      {{"profile", str("OUTSIDER")}}};
  for (const auto& difference : differences) {
    EXPECT_FALSE(same_but_redacted(plain, *load<UserCertificate>(changed(user, difference))));
  }
}

TEST_F(Certificates, RedactedDeviceHasTheSameContent) {
  const auto plain = *load<DeviceCertificate>(device);
  EXPECT_TRUE(
      same_but_redacted(plain, *load<DeviceCertificate>(changed(device, {{"device_label", nil}}))));
  const Content differences[] = {
      {{"timestamp", [](Writer& w) { w.datetime({1}); }}},
      {{"device_id", str("zoe@dev2")}},
      {{"verify_key", [](Writer& w) { w.bin(as_bytes(std::string(32, 'x'))); }}}};
  for (const auto& difference : differences) {
    EXPECT_FALSE(same_but_redacted(plain, *load<DeviceCertificate>(changed(device, difference))));
  }
}

TEST(Ballpark, IsLessThanThirtyMinutes) {  // protocol/3-types.md §3.4
  constexpr std::int64_t bound = 1'800'000'000;
  for (const std::int64_t now :
       {std::int64_t{0}, DateTime::max_microseconds, DateTime::min_microseconds}) {
    for (const std::int64_t sign : {1, -1}) {
      EXPECT_TRUE(in_the_ballpark({now}, {now}));
      EXPECT_TRUE(in_the_ballpark({now + sign * (bound - 1)}, {now}));
      EXPECT_FALSE(in_the_ballpark({now + sign * bound}, {now}));
    }
  }
  EXPECT_FALSE(in_the_ballpark({DateTime::max_microseconds}, {DateTime::min_microseconds}));
}

}  // namespace
}  // namespace parsec::protocol
