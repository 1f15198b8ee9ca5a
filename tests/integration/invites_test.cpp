// protocol/5-invite.md §5.1, §5.2: invitations, and who is told of their claimers.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Invites : public IntegrationTest {
 protected:
  static Uuid invite(Session& greeter, const Map& fields = {{"type", "DEVICE"}}) {
    Map all{{"send_email", false}};
    return greeter.require("invite_new", all.with(fields))["token"].uuid();
  }
  static Document user(const char* email) {
    return Map{{"type", "USER"}, {"claimer_email", email}, {"send_email", false}};
  }
  static std::string status(Session& greeter, Uuid invitation) {
    const Document reply = greeter.require("invite_list");
    for (const Document& item : reply["invitations"].array()) {
      if (item["token"] == Document(invitation)) return item["status"].text();
    }
    return "gone";
  }
  static Document deletion(Uuid invitation, const char* reason = "CANCELLED") {
    return Map{{"token", invitation}, {"reason", reason}};
  }
};

TEST_F(Invites, StatusesAreToldToAllDevicesOnAllServers) {
  Session alice = this->alice();
  Session far = again(alice, there());
  alice.subscribe();
  far.subscribe();
  const Uuid invitation = invite(alice);
  const auto heard = [&](const char* wanted) {
    for (Session* session : {&alice, &far}) {
      EXPECT_EQ(session->next_event(), invitation_event(invitation, wanted));
    }
  };
  heard("IDLE");
  for (const Address& address : {here(), there()}) {
    Connection first = alice.organization().connect_invited(invitation, "DEVICE", address);
    heard("READY");
    Connection second = alice.organization().connect_invited(invitation, "DEVICE", address);
    heard("READY");
    EXPECT_EQ(status(alice, invitation), "READY");
    EXPECT_EQ(status(far, invitation), "READY");
    first.close();
    expect_no_event(alice);
    EXPECT_EQ(status(alice, invitation), "READY");
    second.abort();
    heard("IDLE");
    EXPECT_EQ(status(alice, invitation), "IDLE");
    EXPECT_EQ(status(far, invitation), "IDLE");
  }
}

TEST_F(Invites, ReuseTellsThePresentStatus) {
  Session alice = this->alice();
  const Uuid invitation = invite(alice);
  Connection claimer = alice.organization().connect_invited(invitation);
  EXPECT_TRUE(eventually([&] { return status(alice, invitation) == "READY"; }));
  alice.subscribe();  // what was told before is not heard
  EXPECT_EQ(invite(alice), invitation);
  EXPECT_EQ(alice.next_event(), invitation_event(invitation, "READY"));
}

TEST_F(Invites, DeletionClosesTheClaimersEverywhere) {
  Session alice = this->alice();
  const Uuid invitation = invite(alice);
  alice.subscribe();
  std::vector<Connection> claimers;
  for (const Address& address : {here(), there(), here(), there()}) {
    claimers.push_back(alice.organization().connect_invited(invitation, "DEVICE", address));
    EXPECT_EQ(alice.next_event(), invitation_event(invitation, "READY"));
  }
  claimers[2].start("invite_1_claimer_wait_peer",
                    {{"claimer_public_key", Octets{std::string(32, 'c')}}});
  EXPECT_THAT(alice.call("invite_delete", deletion(invitation).map()), Ok());
  for (Connection& claimer : claimers) {
    EXPECT_EQ(claimer.wait_end(), 1000);
    EXPECT_FALSE(claimer.has_message());
  }
  EXPECT_EQ(alice.next_event(), invitation_event(invitation, "DELETED"));
  expect_no_event(alice);
  EXPECT_THAT(alice.call("invite_delete", deletion(invitation).map()), Status("already_deleted"));
  EXPECT_EQ(status(alice, invitation), "gone");
}

TEST_F(Invites, ExpirationClosesClaimersThatWait) {
  Session alice = this->alice();
  const Uuid invitation = invite(alice);
  Connection claimer = alice.organization().connect_invited(invitation, "DEVICE", there());
  claimer.start("invite_1_claimer_wait_peer",
                {{"claimer_public_key", Octets{std::string(32, 'c')}}});
  EXPECT_TRUE(claimer.stays_silent());
  expire(alice.organization());
  EXPECT_EQ(claimer.wait_end(), 1000);
  EXPECT_FALSE(claimer.has_message());
}

TEST_F(Invites, AServerThatStopsTellsThatItsClaimersLeft) {
  Session alice = this->alice();
  const Uuid invitation = invite(alice);
  auto server = Deployment::get().start_server();
  Connection claimer =
      alice.organization().connect_invited(invitation, "DEVICE", server->address());
  EXPECT_TRUE(eventually([&] { return status(alice, invitation) == "READY"; }));
  server->stop();
  EXPECT_EQ(claimer.wait_end(), 1000);
  EXPECT_TRUE(eventually([&] { return status(alice, invitation) == "IDLE"; }));
}

TEST_F(Invites, EmailsAreKeptAsTheyAre) {
  Session alice = this->alice();
  struct Row {
    const char* name;
    std::string email;
    const char* status;
  };
  const std::vector<Row> rows{
      {"anything", "\xC3\xA9 not an address", "ok"},
      {"254 bytes", std::string(254, 'x'), "ok"},
      {"255 bytes", std::string(255, 'x'), "bad_message"},
      {"empty", "", "bad_message"},
      {"NUL", std::string("a\0b", 3), "bad_message"},
  };
  for_each_row(rows, [&](const Row& row) {
    const Document reply = alice.call(
        "invite_new", {{"type", "USER"}, {"claimer_email", row.email}, {"send_email", false}});
    EXPECT_THAT(reply, Status(row.status));
    if (row.status != std::string_view{"ok"}) return;
    Connection claimer =
        alice.organization().connect_invited(reply["token"].uuid(), "USER", there());
    EXPECT_EQ(claimer.require("invite_info")["claimer_email"], Document(row.email));
  });
}

}  // namespace
}  // namespace parsec::testing
