// Mails through a real SMTP server, read by Python's own mail parser.
#include "app/delivery/mail_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "app/delivery/hello_name.h"
#include "app/delivery/outbox.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {
namespace {

using namespace std::chrono_literals;
using app::DeliveringOutbox;
using app::SmtpServer;
using protocol::HumanHandle;
using protocol::InvitationMail;
using ::testing::HasSubstr;
using ::testing::Not;

using Told = std::map<std::string, std::string>;

InvitationMail invitation(std::string recipient = "zoe@example.com") {
  return {.kind = InvitationMail::Kind::user,
          .organization_id = "CoolOrg",
          .token = *Uuid::parse("0123456789abcdef0123456789abcdef"),
          .recipient = std::move(recipient),
          .greeter_user_id = "alice",
          .greeter = HumanHandle{"alice@example.com", "Alice"}};
}

SmtpServer server_of(const Peer& peer, SmtpServer::Security security = {}) {
  SmtpServer server;
  server.host = "127.0.0.1";
  server.port = peer.port();
  server.security = security;
  server.pauses = {10ms, 10ms};
  return server;
}

app::OutboxOptions options(SmtpServer server) {
  return {.origin = {{"Parsec", "no-reply@example.com"}, {"parsec.example.com", 6777, false}},
          .smtp = std::move(server),
          .webhook = {}};
}

/// What OpenSSL's and our variables say, for one test.
class Trust {
 public:
  explicit Trust(const std::string& certificate) {
    ::setenv("SSL_CERT_FILE", certificate.c_str(), 1);
  }
  ~Trust() { ::unsetenv("SSL_CERT_FILE"); }
};

TEST(MailDelivery, IsUnderstoodByOthers) {
  LogCapture log;
  const Peer peer{"mail_server"};
  DeliveringOutbox outbox{options(server_of(peer))};
  outbox.send_invitation(invitation());
  Told mail = peer.told(1);
  EXPECT_EQ(mail["sender"], "no-reply@example.com");
  EXPECT_EQ(mail["recipients"], "zoe@example.com");
  EXPECT_EQ(mail["from"], "Parsec <no-reply@example.com>");
  EXPECT_EQ(mail["to"], "zoe@example.com");
  EXPECT_EQ(mail["subject"], "[Parsec] Alice invited you to CoolOrg");
  EXPECT_EQ(mail["reply_to_name"], "Alice");
  EXPECT_EQ(mail["reply_to_address"], "alice@example.com");
  EXPECT_EQ(mail["headers"],
            "Date,Message-ID,From,To,Reply-To,Subject,Auto-Submitted,MIME-Version,Content-Type");
  EXPECT_EQ(mail["type"], "multipart/alternative");
  EXPECT_EQ(mail["parts"], "text/plain,text/html");
  EXPECT_EQ(mail["defects"], "[]");
  EXPECT_EQ(mail["bare_line_ends"], "0");
  EXPECT_EQ(mail["ascii"], "True");
  EXPECT_EQ(mail["tls"], "False");
  EXPECT_EQ(mail["hello"], app::find_hello_name());
  EXPECT_LE(std::stoi(mail["longest_line"]), 78);
  const std::string link =
      "http://parsec.example.com:6777/redirect/CoolOrg?action=claim_user&token="
      "0123456789abcdef0123456789abcdef";
  EXPECT_THAT(mail["text"], HasSubstr(link));
  EXPECT_THAT(mail["text"], HasSubstr("Alice (alice@example.com) invited you"));
  EXPECT_THAT(mail["html"], HasSubstr("&amp;token=0123456789abcdef0123456789abcdef\""));
}

TEST(MailDelivery, GreetsWithTheNameThatItWasTold) {
  LogCapture log;
  for (const char* name : {"mx1.example.com", "vm1", "[192.0.2.1]", "[IPv6:2001:db8::1]"}) {
    const Peer peer{"mail_server"};
    auto server = server_of(peer);
    server.hello_name = name;
    DeliveringOutbox outbox{options(server)};
    outbox.send_invitation(invitation());
    EXPECT_EQ(peer.told(1)["hello"], name);
  }
}

TEST(MailDelivery, OfAnyNameAndAddress) {
  LogCapture log;
  struct Row {
    std::string label, organization, recipient;
    std::string seen_label, seen_recipient;
  };
  std::string long_label = "Maria";
  for (int i = 0; i < 40; ++i) long_label += " Maria";
  const Row rows[] = {
      {"Zoé Ünïcode 日本", "Org", "mia@example.com", "Zoé Ünïcode 日本", "mia@example.com"},
      {"Tom & <Jerry>", "Org", "mia@example.com", "Tom & <Jerry>", "mia@example.com"},
      {"a\"b\\c, <x@y.z>;", "Org", "mia@example.com", "a\"b\\c, <x@y.z>;", "mia@example.com"},
      {"=?utf-8?q?x?=", "Org", "mia@example.com", "=?utf-8?q?x?=", "mia@example.com"},
      {"a\r\nBcc: spy@example.com", "Org", "mia@example.com", "a Bcc: spy@example.com",
       "mia@example.com"},
      {"a\r\n\r\n<html>", "Org", "mia@example.com", "a <html>", "mia@example.com"},
      {"a\r\n.\r\nRSET", "Org", "mia@example.com", "a . RSET", "mia@example.com"},
      {"שלום עולם", "日本の会社", "mia@example.com", "שלום עולם", "mia@example.com"},
      {"evil\u202Egnp.exe", "Org", "mia@example.com", "evilgnp.exe", "mia@example.com"},
      {long_label, "Org", "mia@example.com", long_label, "mia@example.com"},
      {"Alice", "Org", "mia+tag@bücher.example", "Alice", "mia+tag@xn--bcher-kva.example"},
      {"Alice", "Org", "\"a@b>, c\"@example.com", "Alice", "\"a@b>, c\"@example.com"},
      {"Alice", "Org", "zoé@example.com", "Alice", "zoé@example.com"},
  };
  const Peer peer{"mail_server"};
  DeliveringOutbox outbox{options(server_of(peer))};
  std::size_t number = 0;
  for (const auto& row : rows) {
    auto mail = invitation(row.recipient);
    mail.greeter->label = row.label;
    mail.organization_id = row.organization;
    outbox.send_invitation(mail);
    Told told = peer.told(++number);
    EXPECT_EQ(told["recipients"], row.seen_recipient);
    EXPECT_EQ(told["subject"],
              "[Parsec] " + row.seen_label + " invited you to " + row.organization);
    EXPECT_EQ(told["reply_to_name"], row.seen_label);
    EXPECT_EQ(told["reply_to_address"], "alice@example.com");
    EXPECT_EQ(told["headers"],
              "Date,Message-ID,From,To,Reply-To,Subject,Auto-Submitted,MIME-Version,Content-Type");
    EXPECT_EQ(told["parts"], "text/plain,text/html");
    EXPECT_THAT(told["text"], HasSubstr(row.seen_label));
    EXPECT_THAT(told["html"], Not(HasSubstr("<Jerry>")));
    const bool plain_address = row.seen_recipient != "zoé@example.com";
    EXPECT_EQ(told["utf8"], plain_address ? "False" : "True") << "RFC 6531 only where it must be";
    EXPECT_EQ(told["ascii"], plain_address ? "True" : "False");
  }
}

TEST(MailDelivery, ToMoreThanOneAddressDoesNotHappen) {
  LogCapture log;
  const Peer peer{"mail_server"};
  DeliveringOutbox outbox{options(server_of(peer))};
  for (const char* recipient : {"a@b>, c@d", "a@b,c@d", "a@b c@d", "a@b\r\nRCPT TO:<c@d>",
                                "a@b\nBcc: c@d", "A <a@b>", ""}) {
    outbox.send_invitation(invitation(recipient));
  }
  outbox.send_invitation(invitation("good@example.com"));
  EXPECT_EQ(peer.told(1)["recipients"], "good@example.com");
  outbox.stop(30s);
  EXPECT_EQ(peer.count(), 1u);
  EXPECT_EQ(log.count("was not sent: the recipient is no mail address"), 7u);
}

TEST(MailDelivery, UsesAConnectionAgain) {
  LogCapture log;
  const Peer peer{"mail_server"};
  DeliveringOutbox outbox{options(server_of(peer))};
  outbox.send_invitation(invitation());
  Told first = peer.told(1);
  // The first transfer may still be waiting for its answer; then this goes over another connection.
  std::string connection = first["connection"];
  bool again = false;
  for (std::size_t number = 2; number < 20 && !again; ++number) {
    outbox.send_invitation(invitation());
    const std::string next = peer.told(number)["connection"];
    again = next == connection;
    connection = next;
  }
  EXPECT_TRUE(again);
}

TEST(MailDelivery, ThroughStarttlsWithALogin) {
  LogCapture log;
  const Peer peer{"mail_server", {"--security=starttls", "--user=parsec", "--password=pa55 word"}};
  const Trust trust{peer.certificate()};
  auto server = server_of(peer, SmtpServer::Security::starttls);
  server.user = "parsec";
  server.password = "pa55 word";
  DeliveringOutbox outbox{options(server)};
  outbox.send_invitation(invitation());
  Told mail = peer.told(1);
  EXPECT_EQ(mail["tls"], "True");
  EXPECT_EQ(mail["user"], "parsec");
}

TEST(MailDelivery, ThroughTls) {
  LogCapture log;
  const Peer peer{"mail_server", {"--security=tls"}};
  const Trust trust{peer.certificate()};
  DeliveringOutbox outbox{options(server_of(peer, SmtpServer::Security::tls))};
  outbox.send_invitation(invitation());
  EXPECT_EQ(peer.told(1)["recipients"], "zoe@example.com");
}

struct Failure {
  std::string name;
  std::vector<std::string> peer;
  SmtpServer::Security security;
  bool trusted;
  std::string password;
  std::string logged;
};

class MailFailure : public ::testing::TestWithParam<Failure> {};

TEST_P(MailFailure, IsLoggedAtOnceWithoutAnotherTry) {
  LogCapture log;
  const Peer peer{"mail_server", GetParam().peer};
  const Trust trust{GetParam().trusted ? peer.certificate() : ""};
  auto server = server_of(peer, GetParam().security);
  server.pauses = {1h};
  if (!GetParam().password.empty()) server.user = "parsec";
  server.password = GetParam().password;
  DeliveringOutbox outbox{options(server)};
  outbox.send_invitation(invitation());
  EXPECT_TRUE(log.await("the invitation mail of alice in CoolOrg was not sent: "));
  EXPECT_TRUE(log.await(GetParam().logged)) << log.text();
  for (const char* secret : {"pa55word", "wr0ng", "0123456789abcdef"}) {
    EXPECT_THAT(log.text(), Not(HasSubstr(secret)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Server4, MailFailure,
    ::testing::Values(Failure{"UnknownAuthority",
                              {"--security=tls"},
                              SmtpServer::Security::tls,
                              false,
                              "",
                              "certificate"},
                      Failure{"UnknownAuthorityBehindStarttls",
                              {"--security=starttls"},
                              SmtpServer::Security::starttls,
                              false,
                              "",
                              "certificate"},
                      Failure{
                          "NoStarttls", {}, SmtpServer::Security::starttls, true, "", "STARTTLS"},
                      Failure{"WrongPassword",
                              {"--user=parsec", "--password=pa55word"},
                              SmtpServer::Security::plain,
                              true,
                              "wr0ng",
                              "Login denied"},
                      Failure{"NoLogin",
                              {"--user=parsec", "--password=pa55word"},
                              SmtpServer::Security::plain,
                              true,
                              "",
                              "last reply 530"},
                      Failure{"RecipientRefused",
                              {"--refuse=550:9"},
                              SmtpServer::Security::plain,
                              true,
                              "",
                              "last reply 550"}),
    [](const auto& row) { return row.param.name; });

TEST(MailDelivery, IsTriedAgainAfterATemporaryRefusal) {
  LogCapture log;
  const Peer peer{"mail_server", {"--refuse=451:2"}};
  DeliveringOutbox outbox{options(server_of(peer))};
  outbox.send_invitation(invitation());
  EXPECT_EQ(peer.told(1)["event"], "refused");
  EXPECT_EQ(peer.told(2)["event"], "refused");
  EXPECT_EQ(peer.told(3)["event"], "mail");
  EXPECT_EQ(log.count("an invitation mail has to wait: "), 2u);
}

TEST(MailDelivery, GivesUpInTheEnd) {
  LogCapture log;
  const Peer peer{"mail_server", {"--refuse=451:9"}};
  DeliveringOutbox outbox{options(server_of(peer))};
  outbox.send_invitation(invitation());
  EXPECT_TRUE(log.await("was not sent: "));
  EXPECT_EQ(log.count("has to wait: "), 2u);
  peer.told(3);
  EXPECT_EQ(peer.count(), 3u);
}

TEST(MailDelivery, IsTriedAgainWhenNobodyListens) {
  LogCapture log;
  SmtpServer server;
  server.host = "127.0.0.1";
  server.port = 1;
  server.pauses = {1ms, 1ms};
  DeliveringOutbox outbox{options(server)};
  outbox.send_invitation(invitation());
  EXPECT_TRUE(log.await("was not sent: "));
  EXPECT_EQ(log.count("has to wait: "), 2u);
}

// It may have been delivered: better no mail than two.
TEST(MailDelivery, IsNotTriedAgainOnceTheMessageWasHandedOver) {
  LogCapture log;
  const Peer peer{"mail_server", {"--break=1"}};
  DeliveringOutbox outbox{options(server_of(peer))};
  outbox.send_invitation(invitation());
  EXPECT_TRUE(log.await("was not sent: "));
  outbox.send_invitation(invitation("next@example.com"));
  EXPECT_EQ(peer.told(1)["recipients"], "zoe@example.com");
  EXPECT_EQ(peer.told(2)["recipients"], "next@example.com");
  EXPECT_EQ(log.count("has to wait"), 0u);
}

TEST(MailDelivery, ASilentServerTakesItsTimeAndNoMore) {
  LogCapture log;
  const Peer peer{"mail_server", {"--silent"}};
  auto server = server_of(peer);
  server.timeout = 100ms;
  DeliveringOutbox outbox{options(server)};
  outbox.send_invitation(invitation());
  EXPECT_TRUE(log.await("was not sent: "));
  EXPECT_EQ(log.count("has to wait: "), 2u);
}

TEST(MailFile, HoldsTheMailForItsOwnerAlone) {
  const LogCapture log;
  const TemporaryDirectory directory;
  const char* before = ::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", directory.path().c_str(), 1);
  ::testing::internal::CaptureStderr();
  {
    DeliveringOutbox outbox{
        {.origin = {{"", "no-reply@example.com"}, {"h", 443, true}}, .smtp = {}, .webhook = {}}};
    outbox.send_invitation(invitation());
    outbox.send_invitation(invitation("a@b>, c@d"));
    outbox.send_invitation(invitation("mia@example.com"));
    outbox.stop(30s);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);

  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator{directory.path()}) {
    using std::filesystem::perms;
    EXPECT_EQ(entry.status().permissions() & (perms::group_all | perms::others_all), perms::none);
    ++files;
    EXPECT_THAT(said, HasSubstr(" was written to " + entry.path().native() + "\n"));
    std::ifstream file{entry.path(), std::ios::binary};
    const std::string content{std::istreambuf_iterator{file}, {}};
    EXPECT_THAT(content, HasSubstr("\r\nSubject: [Parsec] Alice invited you to CoolOrg\r\n"));
    EXPECT_TRUE(content.ends_with("--\r\n"));
  }
  EXPECT_EQ(files, 2u);
  EXPECT_THAT(said, HasSubstr("A mail to zoe@example.com was written to "));
  EXPECT_THAT(said, HasSubstr("A mail to mia@example.com was written to "));
}

}  // namespace
}  // namespace parsec::testing
