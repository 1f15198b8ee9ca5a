#include "app/delivery/hello_name.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parsec::app {
namespace {

TEST(HelloName, IsTheFirstFullyQualifiedOne) {
  struct Row {
    std::vector<std::string> names, addresses;
    std::string chosen;
  };
  const Row rows[] = {
      {{"vm1.example.com", "vm1"}, {"192.0.2.1"}, "vm1.example.com"},
      {{"vm1", "vm1.example.com"}, {"192.0.2.1"}, "vm1.example.com"},
      {{"vm1.example.com."}, {}, "vm1.example.com"},
      {{"vm1", "vm1"}, {"192.0.2.1", "2001:db8::1"}, "[192.0.2.1]"},
      {{"192.0.2.9"}, {"192.0.2.1"}, "[192.0.2.1]"},
      {{"my_host.example.com"}, {"2001:db8::1"}, "[IPv6:2001:db8::1]"},
      {{"a.b c", "-.x", "a..b"}, {"fe80::1%eth0", "192.0.2.1"}, "[192.0.2.1]"},
      {{}, {}, "[127.0.0.1]"},
  };
  for (const auto& row : rows) EXPECT_EQ(choose_hello_name(row.names, row.addresses), row.chosen);
}

TEST(HelloName, IsADomainOrALiteral) {
  for (const char* good : {"mail.example.com", "vm1", "xn--bcher-kva.example", "[192.0.2.1]",
                           "[IPv6:2001:db8::1]", "[IPv6:::1]"}) {
    EXPECT_TRUE(is_hello_name(good)) << good;
  }
  for (const char* bad : {"", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]",
                          "a b", "a\r\nRSET", "a_b", ".a", "a.", "a..b", "-a",
                          "b\xC3\xBC"
                          "cher"}) {
    EXPECT_FALSE(is_hello_name(bad)) << bad;
  }
}

TEST(HelloName, OfThisMachineIsOneThatStrictServersTake) {
  const std::string name = find_hello_name();
  EXPECT_TRUE(is_hello_name(name)) << name;
  EXPECT_TRUE(name.contains('.') || name.starts_with("[IPv6:")) << name;
}

}  // namespace
}  // namespace parsec::app
