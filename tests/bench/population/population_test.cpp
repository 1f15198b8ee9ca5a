#include "bench/population/population.h"

#include <gtest/gtest.h>

#include <set>

#include "bench/population/certificates.h"
#include "protocol/types/identifiers.h"

namespace parsec::bench {
namespace {

const Population example{"load-1",
                         {.organizations = 3, .users = 4, .devices = 2, .realms = 2, .vlobs = 5}};

TEST(Population, IsTheSameForEverybodyWhoKnowsItsName) {
  const Population again{"load-1", example.size()};
  const Population other{"load-2", example.size()};
  EXPECT_EQ(again.device_key({2, 3, 1}).secret, example.device_key({2, 3, 1}).secret);
  EXPECT_EQ(again.vlob_id(1, 1, 4), example.vlob_id(1, 1, 4));
  EXPECT_NE(other.device_key({2, 3, 1}).secret, example.device_key({2, 3, 1}).secret);
  EXPECT_NE(other.realm_id(0, 0), example.realm_id(0, 0));
}

TEST(Population, NumbersItsDevicesOnceEach) {
  std::set<std::string> seen;
  std::set<protocol::VerifyKey> keys;
  EXPECT_EQ(example.devices(), 24u);
  for (std::uint64_t i = 0; i < example.devices(); ++i) {
    const DeviceNumber number = example.device(i);
    const std::string id = Population::device_id(number);
    EXPECT_TRUE(protocol::is_device_id(id)) << id;
    EXPECT_TRUE(protocol::is_organization_id(example.organization_id(number.organization)));
    EXPECT_TRUE(seen.insert(example.organization_id(number.organization) + "/" + id).second);
    keys.insert(example.device_key(number).verify_key);
  }
  EXPECT_EQ(keys.size(), 24u);
  EXPECT_NE(example.device(0).organization, example.device(1).organization);
}

TEST(Population, ItsKeysSign) {
  const SigningKey key = example.device_key({});
  const Octets message(20, std::byte{7});
  const Octets signed_message = sign(key, message);
  const auto verified = protocol::verify_signed(signed_message, key.verify_key);
  ASSERT_TRUE(verified);
  EXPECT_TRUE(std::ranges::equal(*verified, message));
  EXPECT_FALSE(protocol::verify_signed(signed_message, example.root_key(0).verify_key));
}

}  // namespace
}  // namespace parsec::bench
