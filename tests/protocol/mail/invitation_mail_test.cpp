// What another program makes of these mails is asked in tests/app/delivery/mail_delivery_test.cpp.
#include "protocol/mail/invitation_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace parsec::protocol {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr DateTime some_time{784'111'777'000'000};
const MailOrigin origin{{"", "no-reply@example.com"}, {"parsec.example.com", 443, true}};
const Uuid token = *Uuid::parse("0123456789abcdef0123456789abcdef");

InvitationMail invitation() {
  return {.kind = InvitationMail::Kind::user,
          .organization_id = "CoolOrg",
          .token = token,
          .recipient = "zoe@example.com",
          .greeter_user_id = "alice",
          .greeter = HumanHandle{"alice@example.com", "Alice"}};
}

MailMessage composed(const InvitationMail& mail) {
  auto message = compose(mail, origin, some_time, "1d");
  EXPECT_TRUE(message) << message.error();
  return message.value_or(MailMessage{});
}

std::string head(const MailMessage& message) {
  return message.content.substr(0, message.content.find("\r\n\r\n") + 2);
}

/// The body of that type, decoded.
std::string body(const MailMessage& message, std::string_view type) {
  const std::string begin = "Content-Type: " + std::string{type} + "; charset=utf-8\r\n";
  std::string_view rest = message.content;
  rest.remove_prefix(rest.find(begin));
  rest.remove_prefix(rest.find("\r\n\r\n") + 4);
  rest = rest.substr(0, rest.find("\r\n--=_1d"));
  std::string out;
  for (std::size_t at = 0; at < rest.size(); ++at) {
    if (rest[at] != '=') {
      if (rest[at] != '\r') out += rest[at];
      continue;
    }
    if (rest[at + 1] != '\r') {
      out += static_cast<char>(std::stoi(std::string{rest.substr(at + 1, 2)}, nullptr, 16));
    }
    at += 2;
  }
  return out;
}

TEST(InvitationMail, OfAUser) {
  const auto message = composed(invitation());
  EXPECT_EQ(message.sender, "no-reply@example.com");
  EXPECT_EQ(message.recipient, "zoe@example.com");
  EXPECT_EQ(head(message),
            "Date: Sun, 06 Nov 1994 08:49:37 +0000\r\n"
            "Message-ID: <1d@example.com>\r\n"
            "From: no-reply@example.com\r\n"
            "To: zoe@example.com\r\n"
            "Reply-To: \"Alice\" <alice@example.com>\r\n"
            "Subject: [Parsec] Alice invited you to CoolOrg\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative;\r\n boundary=\"=_1d\"\r\n");
  const std::string link =
      "https://parsec.example.com/redirect/CoolOrg?action=claim_user&token="
      "0123456789abcdef0123456789abcdef";
  const auto text = body(message, "text/plain");
  EXPECT_THAT(text, HasSubstr("Alice (alice@example.com) invited you to the organization CoolOrg"));
  EXPECT_THAT(text, HasSubstr("\n   " + link + "\n"));
  EXPECT_THAT(text, HasSubstr("https://parsec.cloud/en/get-parsec"));
  const auto html = body(message, "text/html");
  EXPECT_THAT(html, HasSubstr("<bdi>Alice (alice@example.com)</bdi> invited you"));
  EXPECT_THAT(html, HasSubstr("href=\"https://parsec.example.com/redirect/CoolOrg?action=claim_user"
                              "&amp;token=0123456789abcdef0123456789abcdef\""));
  for (const auto& filled : {text, html}) EXPECT_THAT(filled, Not(HasSubstr("{{")));
  // To be copied where links of http do not lead to the application.
  EXPECT_THAT(text, HasSubstr("\n   parsec://parsec.example.com/CoolOrg?action=claim_user&token="
                              "0123456789abcdef0123456789abcdef\n"));
  EXPECT_THAT(html, HasSubstr(">parsec://parsec.example.com/CoolOrg?action=claim_user&amp;token="
                              "0123456789abcdef0123456789abcdef<"));
}

TEST(InvitationMail, OfADevice) {
  auto mail = invitation();
  mail.kind = InvitationMail::Kind::device;
  mail.recipient = "alice@example.com";
  const auto message = composed(mail);
  EXPECT_EQ(message.recipient, "alice@example.com");
  EXPECT_THAT(head(message),
              HasSubstr("\r\nSubject: [Parsec] New device invitation to CoolOrg\r\n"));
  EXPECT_THAT(head(message), Not(HasSubstr("Reply-To")));
  for (const auto* type : {"text/plain", "text/html"}) {
    EXPECT_THAT(body(message, type), HasSubstr("?action=claim_device&"));
    EXPECT_THAT(body(message, type), Not(HasSubstr("{{")));
  }
}

TEST(InvitationMail, ByAUserWithoutHumanHandle) {
  auto mail = invitation();
  mail.greeter.reset();
  const auto message = composed(mail);
  EXPECT_THAT(head(message), HasSubstr("\r\nSubject: [Parsec] alice invited you to CoolOrg\r\n"));
  EXPECT_THAT(head(message), Not(HasSubstr("Reply-To")));
  EXPECT_THAT(body(message, "text/plain"), HasSubstr("alice invited you"));
}

TEST(InvitationMail, LinksOfAServerWithoutTlsAreHttp) {
  const MailOrigin plain{origin.sender, {"h", 6777, false}};
  const auto message = compose(invitation(), plain, some_time, "1d");
  ASSERT_TRUE(message);
  EXPECT_THAT(body(*message, "text/plain"), HasSubstr("   http://h:6777/redirect/CoolOrg?action="));
  EXPECT_THAT(body(*message, "text/plain"),
              HasSubstr("   parsec://h:6777/CoolOrg?action=claim_user&token="
                        "0123456789abcdef0123456789abcdef&no_ssl=true\n"));
}

TEST(InvitationMail, ToWhatIsNoAddressIsNotSent) {
  for (const char* recipient :
       {"", "zoe", "a@b>, c@d", "a@b\r\nBcc: c@d", "a@b\nBcc: c@d", "a@b,c@d", "A <a@b>"}) {
    auto mail = invitation();
    mail.recipient = recipient;
    const auto message = compose(mail, origin, some_time, "1d");
    ASSERT_FALSE(message) << recipient;
    EXPECT_THAT(message.error(), HasSubstr("the recipient is no mail address: "));
  }
}

TEST(InvitationMail, AReplyAddressThatIsNoneIsLeftOut) {
  auto mail = invitation();
  mail.greeter = HumanHandle{"a@b>, c@d", "Alice"};
  EXPECT_THAT(head(composed(mail)), Not(HasSubstr("Reply-To")));
}

TEST(InvitationMail, ValuesAreEscapedForWhereTheyStand) {
  struct Row {
    std::string label, text, html;
  };
  const Row rows[] = {
      {"Tom & Jerry", "Tom & Jerry", "<bdi>Tom &amp; Jerry"},
      {"<script>alert(1)</script>", "<script>alert(1)</script>",
       "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"\" onload='x'", "\" onload='x'", "<bdi>&quot; onload=&#39;x&#39;"},
      {"</bdi></td><a href=x>", "</bdi></td><a href=x>",
       "<bdi>&lt;/bdi&gt;&lt;/td&gt;&lt;a href=x"},
      {"{{link}}", "{{link}}", "<bdi>{{link}}"},
      {"Zoé 日本", "Zoé 日本", "<bdi>Zoé 日本"},
      {"a\r\n.\r\nQUIT", "a . QUIT", "<bdi>a . QUIT"},
      {"evil\u202Egnp.exe", "evilgnp.exe", "<bdi>evilgnp.exe"},
      {"\xFF", "\uFFFD", "<bdi>\uFFFD"},
      {"--=_1d", "--=_1d", "<bdi>--=_1d"},
  };
  for (const auto& row : rows) {
    auto mail = invitation();
    mail.greeter->label = row.label;
    const auto message = composed(mail);
    EXPECT_THAT(body(message, "text/plain"), HasSubstr(row.text));
    EXPECT_THAT(body(message, "text/html"), HasSubstr(row.html));
    EXPECT_THAT(body(message, "text/html"), Not(HasSubstr("<script")));
    EXPECT_EQ(std::ranges::count(head(message), ':'),
              std::ranges::count(head(composed(invitation())), ':'))
        << head(message);
  }
}

/// A text of pieces that have a meaning somewhere: in headers, SMTP, MIME, HTML, Unicode.
std::string nasty_text(std::mt19937& random) {
  const std::string pieces[] = {"a",        "é",
                                "日",       " ",
                                "\r\n",     "\n",
                                "\r",       ".",
                                "<",        ">",
                                "\"",       "'",
                                "&",        ",",
                                ";",        ":",
                                "@",        "(",
                                ")",        "\\",
                                "=?",       "?=",
                                "=",        "--=_1d",
                                "{{",       "}}",
                                "\x01",     "\t",
                                "Bcc: x@y", "\xFF",
                                "\u202E",   "\u2028",
                                "😀",        "[",
                                "]",        "%0d",
                                "</bdi>",   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
  std::string text;
  const auto count = random() % 20;
  for (std::size_t i = 0; i < count; ++i) text += pieces[random() % std::size(pieces)];
  return text;
}

TEST(InvitationMail, KeepsItsShapeWhateverNamesHold) {
  std::mt19937 random{7};
  std::size_t sent = 0;
  for (int i = 0; i < 5000; ++i) {
    auto mail = invitation();
    mail.greeter->label = nasty_text(random);
    if (i % 2 == 0) mail.recipient = nasty_text(random) + "@example.com";
    const auto message = compose(mail, origin, some_time, "1d");
    if (!message) continue;
    ++sent;
    std::string names;
    std::string_view rest = message->content;
    bool in_head = true;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find("\r\n"));
      ASSERT_NE(line.size(), rest.size()) << "the last line has no end";
      ASSERT_EQ(line.find_first_of("\r\n"), line.npos);
      ASSERT_LE(line.size(), 998u);
      rest.remove_prefix(line.size() + 2);
      in_head = in_head && !line.empty();
      if (in_head && line.front() != ' ')
        names += std::string{line.substr(0, line.find(':'))} + ",";
    }
    ASSERT_EQ(names,
              "Date,Message-ID,From,To,Reply-To,Subject,Auto-Submitted,MIME-Version,Content-Type,");
    ASSERT_EQ(message->recipient.find_first_of("\r\n"), std::string::npos);
    if (!message->recipient.starts_with('"')) {
      ASSERT_EQ(message->recipient.find_first_of(" <>,;:()[]\\\""), std::string::npos);
      ASSERT_EQ(std::ranges::count(message->recipient, '@'), 1);
    }
  }
  EXPECT_GT(sent, 2500u);
}

TEST(InvitationMail, IsMadeOfShortAsciiLines) {
  auto mail = invitation();
  mail.organization_id = "日本の会社の組織_é";
  mail.recipient = "zoe@bücher.example";
  mail.greeter = HumanHandle{std::string(40, 'a') + "@bücher.example", std::string(127, '\xC3')};
  for (std::size_t i = 0; i < 120; ++i) mail.greeter->label += "é";
  const auto message = composed(mail);
  std::string_view rest = message.content;
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    ASSERT_NE(end, rest.npos);
    EXPECT_LE(end, 78u) << rest.substr(0, end);
    for (const char c : rest.substr(0, end)) EXPECT_TRUE(c >= ' ' && c <= '~');
    rest.remove_prefix(end + 2);
  }
  EXPECT_THAT(body(message, "text/plain"), HasSubstr("/redirect/%E6%97%A5"));
}

}  // namespace
}  // namespace parsec::protocol
