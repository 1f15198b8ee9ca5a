// app/server.md §4: what invite_new sends, from a running server to a mail server.
#include <filesystem>

#include "tests/integration/integration_test.h"
#include "tests/support/peer.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MailTest : public IntegrationTest {
 protected:
  static std::unique_ptr<ServerProcess> server_with(std::uint16_t port,
                                                    std::vector<std::string> further = {}) {
    std::vector<std::string> arguments{"--email-host=127.0.0.1",
                                       "--email-port=" + std::to_string(port),
                                       "--email-sender=Parsec <no-reply@example.com>",
                                       "--backend-addr=parsec://parsec.example.com"};
    arguments.insert(arguments.end(), further.begin(), further.end());
    return Deployment::get().start_server({.arguments = arguments});
  }
  static Session alice_of(const ServerProcess& server) {
    const auto made = Organization::create(server.address(), token);
    return made->connect(made->alice());
  }
  static Document invite(Session& greeter, std::string_view email, bool send = true) {
    return greeter.call("invite_new",
                        {{"type", "USER"}, {"claimer_email", email}, {"send_email", send}});
  }
  static std::string link(const Session& session, std::string_view action, const Document& reply) {
    return "https://parsec.example.com/redirect/" + session.organization_id() +
           "?action=" + std::string{action} + "&token=" + reply["token"].uuid().hex();
  }
};

TEST_F(MailTest, InvitationsArrive) {
  const Peer peer{"mail_server"};
  const auto server = server_with(peer.port());
  EXPECT_THAT(server->process().output(), HasSubstr("email_config=no-reply@example.com@127.0.0.1:" +
                                                    std::to_string(peer.port()) + " "));
  Session alice = alice_of(*server);
  EXPECT_THAT(invite(alice, "nobody@example.com", false), Status("ok"));
  const Document invited = invite(alice, "zoe@example.com");
  auto mail = peer.told(1);
  EXPECT_EQ(mail["recipients"], "zoe@example.com");
  EXPECT_EQ(mail["from"], "Parsec <no-reply@example.com>");
  EXPECT_EQ(mail["subject"], "[Parsec] Alice invited you to " + alice.organization_id());
  EXPECT_EQ(mail["reply_to_name"], "Alice");
  EXPECT_EQ(mail["reply_to_address"], "alice@example.com");
  EXPECT_EQ(mail["defects"], "[]");
  EXPECT_THAT(mail["text"], HasSubstr(link(alice, "claim_user", invited)));

  EXPECT_EQ(invite(alice, "zoe@example.com")["token"], invited["token"]);
  EXPECT_THAT(peer.told(2)["text"], HasSubstr(link(alice, "claim_user", invited)));

  const Document device = alice.call("invite_new", {{"type", "DEVICE"}, {"send_email", true}});
  mail = peer.told(3);
  EXPECT_EQ(mail["recipients"], "alice@example.com");
  EXPECT_EQ(mail["subject"], "[Parsec] New device invitation to " + alice.organization_id());
  EXPECT_EQ(mail["reply_to_address"], "");
  EXPECT_THAT(mail["text"], HasSubstr(link(alice, "claim_device", device)));

  Session bob = alice.organization().connect(alice.add_user("bob", "ADMIN", nullptr));
  invite(bob, "mia@example.com");
  mail = peer.told(4);
  EXPECT_EQ(mail["subject"], "[Parsec] bob invited you to " + alice.organization_id());
  EXPECT_EQ(mail["reply_to_address"], "");
}

TEST_F(MailTest, WhatCannotBeSentChangesNoReply) {
  const Peer peer{"mail_server", {"--refuse=550:1"}};
  const auto server = server_with(peer.port());
  Session alice = alice_of(*server);
  for (const char* email : {"a@b>, c@d", "a@b\r\nRCPT TO:<c@d>", "zoe", "refused@example.com"}) {
    EXPECT_THAT(invite(alice, email), Status("ok")) << email;
  }
  EXPECT_EQ(peer.told(1)["event"], "refused");
  EXPECT_TRUE(server->process().await_output("last reply 550")) << server->process().output();
  invite(alice, "zoe@example.com");
  EXPECT_EQ(peer.told(2)["recipients"], "zoe@example.com");
  EXPECT_THAT(server->process().output(), HasSubstr("the recipient is no mail address"));
}

// More invitations than the mail server's queue here has room for; everything else goes on.
TEST_F(MailTest, ADeadMailServerHoldsUpNothing) {
  const Peer peer{"mail_server", {"--silent"}};
  const auto server = server_with(peer.port(), {"--shutdown-timeout=0.2"});
  Session alice = alice_of(*server);
  for (int i = 0; i < 1100; ++i) {
    ASSERT_THAT(invite(alice, "zoe@example.com"), Status("ok"));
  }
  EXPECT_TRUE(server->process().await_output("was not sent: too many are waiting"));
  EXPECT_THAT(alice.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  EXPECT_EQ(server->stop(), 0);
  EXPECT_THAT(server->process().output(), HasSubstr("was not sent: the server stops"));
}

TEST_F(MailTest, ThroughTlsWithALogin) {
  for (const char* security : {"tls", "starttls"}) {
    const Peer peer{
        "mail_server",
        {std::string{"--security="} + security, "--user=parsec", "--password=pa55word"}};
    const bool ssl = std::string_view{security} == "tls";
    const auto server = Deployment::get().start_server(
        {.arguments = {"--email-host=127.0.0.1", "--email-sender=no-reply@example.com",
                       ssl ? "--email-use-ssl" : "--email-use-tls"},
         .variables = {{"SSL_CERT_FILE", peer.certificate()},
                       {"PARSEC_EMAIL_PORT", std::to_string(peer.port())},
                       {"PARSEC_EMAIL_HOST_USER", "parsec"},
                       {"PARSEC_EMAIL_HOST_PASSWORD", "pa55word"}}});
    Session alice = alice_of(*server);
    invite(alice, "zoe@example.com");
    auto mail = peer.told(1);
    EXPECT_EQ(mail["user"], "parsec");
    EXPECT_EQ(mail["recipients"], "zoe@example.com");
    EXPECT_THAT(server->process().output(), Not(HasSubstr("pa55word")));
  }
}

TEST_F(MailTest, MockedMailsAreFiles) {
  const TemporaryDirectory directory;
  const auto server =
      Deployment::get().start_server({.variables = {{"TMPDIR", directory.path().native()}}});
  Session alice = alice_of(*server);
  invite(alice, "zoe@example.com");
  const std::string said = "A mail to zoe@example.com was written to " + directory.path().native();
  EXPECT_TRUE(server->process().await_output(said)) << server->process().output();
  EXPECT_EQ(server->stop(), 0);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{directory.path()}) {
    if (entry.is_regular_file()) ++files;
  }
  EXPECT_EQ(files, 1u);
}

}  // namespace
}  // namespace parsec::testing
