// What becomes of a mail by what the mail server says, at each step of the conversation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/delivery/mail_delivery.h"
#include "app/delivery/outbox.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"

namespace parsec::testing {
namespace {

using namespace std::chrono_literals;
using app::SmtpServer;
using ::testing::HasSubstr;
using ::testing::Not;

/// One mail through a server that answers so; what was logged when it was given up.
class MailReplies : public ::testing::Test {
 protected:
  void send(const std::vector<std::string>& answers,
            SmtpServer::Security security = SmtpServer::Security::plain) {
    const Peer peer{"mail_server", answers};
    SmtpServer server;
    server.host = "127.0.0.1";
    server.port = peer.port();
    server.security = security;
    server.user = "parsec";
    server.password = "pa55word";
    server.pauses = {10ms, 10ms};
    app::DeliveringOutbox outbox{
        {.origin = {{"Parsec", "no-reply@example.com"}, {"parsec.example.com", 6777, false}},
         .smtp = std::move(server),
         .webhook = {}}};
    outbox.send_invitation({.kind = protocol::InvitationMail::Kind::user,
                            .organization_id = "CoolOrg",
                            .token = *Uuid::parse("0123456789abcdef0123456789abcdef"),
                            .recipient = "zoe@example.com",
                            .greeter_user_id = "alice",
                            .greeter = {}});
    EXPECT_TRUE(log_.await("was not sent: ")) << log_.text();
  }

  LogCapture log_;
};

class MailReplyAt : public MailReplies, public ::testing::WithParamInterface<std::string> {
 protected:
  void refuse_with(const std::string& reply) {
    const std::string& step = GetParam();
    std::vector<std::string> answers{"--answer=" + step + "=" + reply};
    if (step == "EHLO") answers.push_back("--answer=HELO=" + reply);
    send(answers,
         step == "STARTTLS" ? SmtpServer::Security::starttls : SmtpServer::Security::plain);
    EXPECT_THAT(log_.text(), HasSubstr(", last reply " + reply));
  }
};

TEST_P(MailReplyAt, Of4xxIsTemporary) {
  refuse_with("454 not available now");
  EXPECT_EQ(log_.count("has to wait: "), 2u) << log_.text();
}

TEST_P(MailReplyAt, Of5xxIsNot) {
  refuse_with("554 never");
  EXPECT_EQ(log_.count("has to wait: "), 0u) << log_.text();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, MailReplyAt,
                         ::testing::Values("GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT",
                                           "DATA", "MESSAGE"),
                         [](const auto& row) { return row.param; });

TEST_F(MailReplies, AreLoggedInTheServersWords) {
  send({"--answer=RCPT=550-5.7.1 first%0A550 5.7.1 second%07%1B[2J%00 end"});
  EXPECT_THAT(log_.text(), HasSubstr("last reply 550-5.7.1 first / 550 5.7.1 second??[2J"));
}

TEST_F(MailReplies, OfAnyLengthAreBounded) {
  send({"--answer=RCPT=550 " + std::string(600, 'a') + "%0A550 x"});
  EXPECT_THAT(log_.text(), HasSubstr("last reply "));
  app::SmtpReply reply;
  for (int i = 0; i < 1000; ++i) reply.add_line("550-" + std::string(500, 'a') + "\r\n");
  EXPECT_LE(reply.text({}).size(), 1100u);
}

// Servers quote what they refuse.
TEST_F(MailReplies, DoNotGiveSecretsAway) {
  send({"--answer=AUTH=535 AUTH PLAIN AHBhcnNlYwBwYTU1d29yZA== is wrong, pa55word"});
  EXPECT_THAT(log_.text(), HasSubstr("535 AUTH PLAIN *** is wrong, ***"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("pa55word")));
}

TEST_F(MailReplies, DoNotGiveTokensAway) {
  send({"--answer=MESSAGE=554 http://x/?token=0123456789abcdef0123456789abcdef is spam"});
  EXPECT_THAT(log_.text(), HasSubstr("554 http://x/?token=*** is spam"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("0123456789abcdef")));
}

}  // namespace
}  // namespace parsec::testing
