#include "engine/outbound/http_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpUrl, WhatCanBeUsed) {
  for (const auto* url :
       {"http://h", "https://h.example:8443/a/b?c=d#e", "http://[::1]:9000/", "https://é.example",
        "http://127.0.0.1:1", "https://a_b-c/path:with:colons?and=://more"}) {
    for (const auto user : {UrlUser::allowed, UrlUser::forbidden}) {
      EXPECT_EQ(complaint_about_url(url, user), std::nullopt) << url;
    }
  }
  for (const auto* url :
       {"https://user@h/", "https://user:pa:ss%40word@h:1/p", "http://u:p@[::1]"}) {
    EXPECT_EQ(complaint_about_url(url, UrlUser::allowed), std::nullopt) << url;
    EXPECT_THAT(complaint_about_url(url, UrlUser::forbidden).value_or(""),
                HasSubstr("must hold no user"));
  }
}

/// Whatever the password holds, none of its parts becomes a host that is shown.
TEST(HttpUrl, WhereAPasswordMayBeMisplaced) {
  for (const auto* url : {
           "https://user:se@cret@host/",
           "https://user:se/cret@host/",
           "https://user:12/cret@host/",
           "https://user:se?cret@host/",
           "https://user:se#cret@host/",
           "https://se/cret@host/",
           "https://user:secret",
           "https://user:secret/path",
           "https://host:99999/",
           "https://host:/",
           "https://user:secret@host:port/",
           "https://sec%20ret/",
           "https://user:sec\\ret/",
           "https://[secret/",
           "https://[::1]secret/",
           "https://host/path?mail=a@b",
       }) {
    const auto complaint = complaint_about_url(url, UrlUser::allowed);
    ASSERT_TRUE(complaint) << url;
    EXPECT_THAT(*complaint, HasSubstr("percent-encoded")) << url;
    EXPECT_THAT(*complaint, Not(HasSubstr("cret"))) << url;
  }
}

TEST(HttpUrl, WhatIsNoUrl) {
  const auto complaint = [](std::string_view url) {
    return complaint_about_url(url, UrlUser::allowed).value_or("");
  };
  EXPECT_EQ(complaint("secret"), "is no URL");
  EXPECT_EQ(complaint("https://"), "needs a host");
  EXPECT_EQ(complaint("https:///path"), "needs a host");
  EXPECT_THAT(complaint("https://h/secret\n"), HasSubstr("a newline at its end"));
  EXPECT_THAT(complaint("https://h/sec ret"), HasSubstr("white space"));
}

}  // namespace
}  // namespace parsec::engine
