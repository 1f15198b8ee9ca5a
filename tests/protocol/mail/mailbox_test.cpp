#include "protocol/mail/mailbox.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::protocol {
namespace {

struct Row {
  std::string text;
  std::string address;  // empty: refused
};

TEST(MailAddress, IsOneAddressOrRefused) {
  const Row rows[] = {
      {"zoe@example.com", "zoe@example.com"},
      {"a.b+tag@x-y.example", "a.b+tag@x-y.example"},
      {"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
      {"a..b@example.com", "a..b@example.com"},  // some providers have them
      {"zoe@localhost", "zoe@localhost"},
      {"zoe@[192.0.2.1]", "zoe@[192.0.2.1]"},
      {"zoe@[IPv6:2001:db8::1]", "zoe@[IPv6:2001:db8::1]"},
      {"\"zoe doe\"@example.com", "\"zoe doe\"@example.com"},
      {"\"a@b>, c\"@example.com", "\"a@b>, c\"@example.com"},
      {"\"a\\\"b\\\\\"@example.com", "\"a\\\"b\\\\\"@example.com"},
      {"zoé@example.com", "zoé@example.com"},
      {"zoe@bücher.example", "zoe@xn--bcher-kva.example"},
      {"zoe@日本.example", "zoe@xn--wgv71a.example"},
      {"zoe@ｅｘａｍｐｌｅ.com", "zoe@example.com"},
      {std::string(242, 'a') + "@example.com", std::string(242, 'a') + "@example.com"},
      // No address
      {"", ""},
      {"zoe", ""},
      {"@example.com", ""},
      {"zoe@", ""},
      {"zoe@.example", ""},
      {"zoe@example.", ""},
      {"zoe@a..b", ""},
      {"zoe@[]", ""},
      {"zoe@[192.0.2.1", ""},
      {"zoe@exa mple.com", ""},
      {"zoe doe@example.com", ""},
      {"Zoe <zoe@example.com>", ""},
      {"<zoe@example.com>", ""},
      {std::string(243, 'a') + "@example.com", ""},
      {"zoe@\xFF.example", ""},
      {"\xFFzoe@example.com", ""},
      // More than one, or more than an address
      {"a@b>, c@d", ""},
      {"a@b,c@d", ""},
      {"a@b c@d", ""},
      {"a@b;c@d", ""},
      {"a@b\nBcc: c@d", ""},
      {"a@b\r\nBcc: c@d", ""},
      {"a@b\r\nRCPT TO:<c@d>", ""},
      {"a\r\n@b", ""},
      {"\"a\r\nb\"@c", ""},
      {"\"a\\\r\\\nBcc: b\"@c", ""},
      {"\"a\\\x7F\"@c", ""},
      {"\"a\\\xC3\xA9\"@c", ""},
      {"\"a\"b\"@c", ""},
      {"\"a\\\"@c", ""},
      {std::string{"a\0@b", 4}, ""},
      {"a@b\x7F", ""},
      {"a@b> SIZE=1", ""},
      {"(comment)a@b", ""},
      {"a@b(comment)", ""},
      {"a@b\u0085", ""},
      {"a@b\u2028c", ""},
      {"a@\u202Eb", ""},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_mail_address(row.text);
    EXPECT_EQ(parsed.value_or(""), row.address) << row.text;
    EXPECT_TRUE(parsed || !parsed.error().empty());
  }
}

TEST(Mailbox, WithAndWithoutLabel) {
  const std::pair<std::string, std::pair<std::string, std::string>> rows[] = {
      {"no-reply@example.com", {"", "no-reply@example.com"}},
      {" no-reply@example.com ", {"", "no-reply@example.com"}},
      {"<no-reply@example.com>", {"", "no-reply@example.com"}},
      {"Parsec <no-reply@example.com>", {"Parsec", "no-reply@example.com"}},
      {"\"Parsec, Inc.\" <no-reply@example.com>", {"Parsec, Inc.", "no-reply@example.com"}},
      {"Pärsec <no-reply@bücher.example>", {"Pärsec", "no-reply@xn--bcher-kva.example"}},
  };
  for (const auto& [text, expected] : rows) {
    const auto mailbox = Mailbox::parse(text);
    ASSERT_TRUE(mailbox) << text;
    EXPECT_EQ(mailbox->label, expected.first);
    EXPECT_EQ(mailbox->address, expected.second);
  }
  EXPECT_EQ(Mailbox::parse("a@example.com")->domain(), "example.com");
  for (const char* text : {"", "Parsec", "Parsec <>", "a@b, c@d", "a@b <c@d", "X <a@b>, Y"}) {
    EXPECT_FALSE(Mailbox::parse(text)) << text;
  }
}

}  // namespace
}  // namespace parsec::protocol
