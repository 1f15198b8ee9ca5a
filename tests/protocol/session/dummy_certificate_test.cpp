#include "protocol/session/dummy_certificate.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include "protocol/types/certificates.h"

namespace parsec::protocol {
namespace {

TEST(DummyCertificate, LoadsLikeAStoredCertificate) {
  const auto certificate = unverified_load<DeviceCertificate>(dummy_device_certificate());
  ASSERT_TRUE(certificate) << certificate.error().detail;
  // A key that is no point of the curve would be refused at once, in a fraction of the time.
  EXPECT_EQ(crypto_core_ed25519_is_valid_point(
                reinterpret_cast<const unsigned char*>(certificate->verify_key.data())),
            1);
}

}  // namespace
}  // namespace parsec::protocol
