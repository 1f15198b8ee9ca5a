#include "protocol/types/address.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::protocol {
namespace {

struct Good {
  std::string text, host;
  std::uint16_t port;
  bool tls;
  std::string again;
};

class GoodAddress : public testing::TestWithParam<Good> {};

TEST_P(GoodAddress, IsRead) {
  const auto address = BackendAddress::parse(GetParam().text);
  ASSERT_TRUE(address) << address.error();
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
  EXPECT_EQ(address->tls, GetParam().tls);
  EXPECT_EQ(address->text(), GetParam().again);
}

INSTANTIATE_TEST_SUITE_P(
    Server3, GoodAddress,
    testing::Values(
        Good{"parsec://example.com", "example.com", 443, true, "parsec://example.com"},
        Good{"parsec://example.com:443", "example.com", 443, true, "parsec://example.com"},
        Good{"parsec://example.com/", "example.com", 443, true, "parsec://example.com"},
        Good{"parsec://h?no_ssl=false", "h", 443, true, "parsec://h"},
        Good{"parsec://AZ.az-09_x", "AZ.az-09_x", 443, true, "parsec://AZ.az-09_x"},
        Good{"parsec://h?no_ssl=true", "h", 80, false, "parsec://h?no_ssl=true"},
        Good{"parsec://h:443?no_ssl=true", "h", 443, false, "parsec://h:443?no_ssl=true"},
        Good{"parsec://127.0.0.1:6777?no_ssl=true", "127.0.0.1", 6777, false,
             "parsec://127.0.0.1:6777?no_ssl=true"},
        Good{"parsec://[::1]:6777", "[::1]", 6777, true, "parsec://[::1]:6777"},
        Good{"parsec://[::1]", "[::1]", 443, true, "parsec://[::1]"}));

class BadAddress : public testing::TestWithParam<std::string> {};

TEST_P(BadAddress, IsRefused) { EXPECT_FALSE(BackendAddress::parse(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Server3, BadAddress,
                         testing::Values("", "example.com", "http://example.com", "parsec://",
                                         "parsec://:80", "parsec://h:", "parsec://h:0",
                                         "parsec://h:65536", "parsec://h:x", "parsec://h/org",
                                         "parsec://h?no_ssl=yes", "parsec://h?other=1",
                                         "parsec://a b", "parsec://a\r\nx", "parsec://u@h",
                                         "parsec://[::1", "parsec://[]:1"));

TEST(BootstrapLink, HoldsActionAndToken) {
  EXPECT_EQ(BackendAddress::parse("parsec://h:1?no_ssl=true")->bootstrap_link("Org", "ab12"),
            "parsec://h:1/Org?action=bootstrap_organization&token=ab12&no_ssl=true");
  EXPECT_EQ(BackendAddress::parse("parsec://h")->bootstrap_link("Org", "ab12"),
            "parsec://h/Org?action=bootstrap_organization&token=ab12");
}

TEST(RedirectLink, IsAnHttpLinkToTheServerItself) {
  EXPECT_EQ(BackendAddress::parse("parsec://h:1?no_ssl=true")->redirect_link("Org", "do", "ab12"),
            "http://h:1/redirect/Org?action=do&token=ab12");
  EXPECT_EQ(BackendAddress::parse("parsec://h")->redirect_link("é", "do", "ab12"),
            "https://h/redirect/%C3%A9?action=do&token=ab12");
}

TEST(BootstrapLink, EscapesLettersBeyondAscii) {
  EXPECT_EQ(BackendAddress::parse("parsec://h")->bootstrap_link("éÀ", "t"),
            "parsec://h/%C3%A9%C3%80?action=bootstrap_organization&token=t");
}

}  // namespace
}  // namespace parsec::protocol
