#include "app/command_line/proxy_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::app {
namespace {

std::string complaint(std::string_view variable, std::string_view value) {
  const auto environment = [&](std::string_view name) -> std::optional<std::string> {
    if (name == variable) return std::string{value};
    return std::nullopt;
  };
  return complaint_about_proxies(environment).value_or("");
}

TEST(ProxySettings, WhatCanBeUsed) {
  for (const auto* value : {"", "proxy", "proxy:3128", "http://proxy:3128/", "user:secret@proxy:1",
                            "socks5h://user:sec%40ret@[::1]:1080", "https://proxy"}) {
    EXPECT_EQ(complaint("https_proxy", value), "") << value;
  }
  EXPECT_EQ(complaint("HTTP_PROXY", "no@one@looks"), "");
}

TEST(ProxySettings, APasswordThatMayBeMisplacedIsRefusedAndNotShown) {
  for (const auto* variable :
       {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    for (const auto* value :
         {"http://user:se@cret@proxy:1", "user:se/cret@proxy:1", "http://user:secret",
          "user:12/cret@proxy", "ftp://user:secret@proxy", "user:x://cret@proxy", "se cret"}) {
      const auto text = complaint(variable, value);
      EXPECT_THAT(text, ::testing::StartsWith(std::string{"The proxy in the variable "} + variable))
          << value;
      EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("cret"))) << value;
    }
  }
}

}  // namespace
}  // namespace parsec::app
