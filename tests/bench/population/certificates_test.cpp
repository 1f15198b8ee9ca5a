// What the server's own checks make of the generator's certificates.
#include "bench/population/certificates.h"

#include <gtest/gtest.h>

namespace parsec::bench {
namespace {

const Population example{"load", {}};
const SigningKey root = example.root_key(0);
const SigningKey device = example.device_key({});
constexpr DateTime at{1'700'000'000'123'456};

TEST(Certificates, OfAFirstUser) {
  const Octets made = user_certificate({std::nullopt, root}, at, "u0", "ADMIN", "u0@example.com");
  const auto loaded =
      protocol::verify_and_load<protocol::UserCertificate>(made, root.verify_key, std::nullopt);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->user_id, "u0");
  EXPECT_EQ(loaded->profile, protocol::Profile::admin);
  EXPECT_EQ(loaded->human_handle->text(), "u0 <u0@example.com>");
  EXPECT_EQ(loaded->timestamp, at);
}

TEST(Certificates, RedactedOnesHoldTheSameButTheHandle) {
  const auto load = [](const Octets& made) {
    return protocol::verify_and_load<protocol::UserCertificate>(made, device.verify_key, "u0@d0")
        .value();
  };
  const auto plain =
      load(user_certificate({"u0@d0", device}, at, "u1", "STANDARD", "u1@example.com"));
  const auto redacted =
      load(user_certificate({"u0@d0", device}, at, "u1", "STANDARD", std::nullopt));
  EXPECT_TRUE(protocol::same_but_redacted(plain, redacted));
  EXPECT_FALSE(redacted.human_handle);
}

TEST(Certificates, OfADevice) {
  const Octets made = device_certificate({"u0@d0", device}, at, "u0@d1", "phone", root.verify_key);
  const auto loaded =
      protocol::verify_and_load<protocol::DeviceCertificate>(made, device.verify_key, "u0@d0");
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->device_id, "u0@d1");
  EXPECT_EQ(loaded->device_label, "phone");
  EXPECT_EQ(loaded->verify_key, root.verify_key);
}

TEST(Certificates, OfARole) {
  const Octets made =
      role_certificate({"u0@d0", device}, at, example.realm_id(0, 0), "u1", "CONTRIBUTOR");
  const auto loaded =
      protocol::verify_and_load<protocol::RealmRoleCertificate>(made, device.verify_key, "u0@d0");
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->realm_id, example.realm_id(0, 0));
  EXPECT_EQ(loaded->user_id, "u1");
  EXPECT_EQ(loaded->role, protocol::Role::contributor);
}

}  // namespace
}  // namespace parsec::bench
