// protocol/7-apiv1.md §7.3: users and devices by invitation: two sides that wait for each other, on
// one server and on two.
#include <vector>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// One of the two families of commands.
struct Family {
  const char* kind;
  bool of_users() const { return std::string_view{kind} == "user"; }
};

class Apiv1Invitations : public IntegrationTest, public ::testing::WithParamInterface<Family> {
 protected:
  Apiv1Invitations() : family(GetParam()) {}

  std::string command(std::string_view suffix) const { return family.kind + std::string{suffix}; }

  /// alice, who invites from one server, and a claimer.
  struct Sides {
    Session alice;
    Connection claimer;
  };
  Sides sides(const Address& of_alice = here(), const Address& of_claimer = here()) const {
    const auto made = organization();
    return {made->connect(made->alice(), of_alice, 1), made->connect_anonymous(of_claimer)};
  }

  std::string id(std::string_view name) const {
    return family.of_users() ? std::string{name} : "alice@" + std::string{name};
  }
  Map own(std::string_view name) const {
    return {{family.of_users() ? "user_id" : "invited_device_name", name}};
  }
  Map invited(std::string_view name) const {
    return {{family.of_users() ? "invited_user_id" : "invited_device_id", id(name)}};
  }

  /// Returns once the invitation is stored; the reply is still to come.
  void invite(Session& alice, Connection& stranger, std::string_view name = "zoe") const {
    alice.start(command("_invite"), own(name));
    await_invitation(stranger, name);
  }
  void await_invitation(Connection& stranger, std::string_view name = "zoe") const {
    EXPECT_TRUE(eventually([&] {
      return stranger.call(command("_get_invitation_creator"), invited(name))["status"] ==
             Document("ok");
    }));
  }
  void claim(Connection& claimer, const Octets& encrypted_claim = "claim"_bin,
             std::string_view name = "zoe") const {
    claimer.start(command("_claim"), invited(name).with({{"encrypted_claim", encrypted_claim}}));
  }
  static ReplyMatcher Claim(const Octets& encrypted_claim = "claim"_bin) {
    return Ok({{"encrypted_claim", encrypted_claim}});
  }
  /// Both sides until the inviter has its claim and the claimer waits.
  void reach_claim(Sides& both) const {
    invite(both.alice, both.claimer);
    claim(both.claimer);
    EXPECT_THAT(both.alice.reply(), Claim());
  }
  /// What the inviter creates; what the claimer shall get.
  Map create(Session& alice, std::string_view name = "zoe",
             const Octets& answer = "answer"_bin) const {
    const std::string device_id =
        family.of_users() ? std::string{name} + "@dev1" : "alice@" + std::string{name};
    const Device device = alice.organization().new_device(device_id);
    const Map made = user_certificates(alice.device(), device);
    Map fields{{"device_certificate", *made.find("device_certificate")}};
    fields = family.of_users() ? fields.with({{"user_certificate", *made.find("user_certificate")}})
                               : fields.with({{"encrypted_answer", answer}});
    alice.require(command("_create"), fields);
    return fields;
  }
  std::string cancelled() const { return command("_cancel_invitation"); }

  static ReplyMatcher Denied() { return Refused("denied", "Invitation creator rejected us."); }

  const Family& family;
};

INSTANTIATE_TEST_SUITE_P(Families, Apiv1Invitations,
                         ::testing::Values(Family{"user"}, Family{"device"}),
                         [](const auto& one) { return std::string{one.param.kind}; });

// --- From the invitation to the answer -----------------------------------------------------------

TEST_P(Apiv1Invitations, OnOneServerAndOnTwo) {
  for (const Address& address : {here(), there()}) {
    Sides both = sides(here(), address);
    reach_claim(both);
    EXPECT_TRUE(both.claimer.stays_silent());
    const Map made = create(both.alice);
    EXPECT_THAT(both.claimer.reply(), Ok(made));
    // Who exists has no invitation any more.
    EXPECT_THAT(both.claimer.call(command("_get_invitation_creator"), invited("zoe")),
                Status("not_found"));
    EXPECT_THAT(both.alice.call(command("_invite"), own("zoe")), Status("already_exists"));
  }
}

TEST_P(Apiv1Invitations, ClaimsOfAnySize) {
  for (const std::size_t size : {0U, 1U, 5'800U, 6'000U, 1'000'000U}) {
    Sides both = sides(here(), there());
    const Octets encrypted_claim{std::string(size, 'c')};
    invite(both.alice, both.claimer);
    claim(both.claimer, encrypted_claim);
    EXPECT_THAT(both.alice.reply(), Claim(encrypted_claim)) << size;
  }
}

TEST_P(Apiv1Invitations, AnswersOfAnySize) {
  // Of users there are the certificates alone.
  for (const std::size_t size : family.of_users() ? std::vector{0U} : std::vector{0U, 300'000U}) {
    Sides both = sides(here(), there());
    reach_claim(both);
    const Map made = create(both.alice, "zoe", Octets{std::string(size, 'a')});
    EXPECT_THAT(both.claimer.reply(), Ok(made)) << size;
  }
}

TEST_P(Apiv1Invitations, CreatedOverApiV2) {
  Sides both = sides(here(), there());
  reach_claim(both);
  Session v2 = again(both.alice);
  if (family.of_users()) {
    const Device zoe = v2.add_user("zoe");
    EXPECT_THAT(both.claimer.reply(),
                Ok({{"user_certificate", *zoe.certificates.find("user_certificate")},
                    {"device_certificate", *zoe.certificates.find("device_certificate")}}));
  } else {
    const Device zoe = v2.add_device("zoe");
    EXPECT_THAT(both.claimer.reply(),
                Ok({{"device_certificate", *zoe.certificates.find("device_certificate")},
                    {"encrypted_answer", ""_bin}}));
  }
}

// --- Cancelling ----------------------------------------------------------------------------------

TEST_P(Apiv1Invitations, ACancellationEndsClaims) {
  Sides both = sides(here(), there());
  reach_claim(both);
  EXPECT_THAT(both.alice.call(cancelled(), own("zoe")), Ok());
  EXPECT_THAT(both.claimer.reply(), Denied());
  EXPECT_THAT(
      both.claimer.call(command("_claim"), invited("zoe").with({{"encrypted_claim", "x"_bin}})),
      Status("not_found"));
}

TEST_P(Apiv1Invitations, ACancellationDoesNotEndInvites) {
  Sides both = sides(here(), there());
  invite(both.alice, both.claimer);
  Session other = again(both.alice, there(), 1);
  other.require(cancelled(), own("zoe"));
  EXPECT_TRUE(both.alice.stays_silent());
  // Invited anew: the wait that went on gets that claim, too.
  invite(other, both.claimer);
  claim(both.claimer);
  EXPECT_THAT(both.alice.reply(), Claim());
  EXPECT_THAT(other.reply(), Claim());
}

TEST_P(Apiv1Invitations, AgainAndAgainNothingOldIsHeard) {
  Sides both = sides(here(), there());
  for (int round = 0; round < 10; ++round) {
    const Octets encrypted_claim{"claim " + std::to_string(round)};
    invite(both.alice, both.claimer);
    claim(both.claimer, encrypted_claim);
    EXPECT_THAT(both.alice.reply(), Claim(encrypted_claim));
    both.alice.require(cancelled(), own("zoe"));
    EXPECT_THAT(both.claimer.reply(), Denied());
  }
}

// --- Several -------------------------------------------------------------------------------------

TEST_P(Apiv1Invitations, EveryWaiterOfAnIdAndNobodyElse) {
  Sides both = sides();
  std::vector<Session> inviters;
  std::vector<Connection> claimers;
  for (const Address& address : {here(), there()}) {
    inviters.push_back(again(both.alice, address, 1));
    invite(inviters.back(), both.claimer);
    claimers.push_back(both.alice.organization().connect_anonymous(address));
  }
  Session elsewhere = again(both.alice, there(), 1);
  invite(elsewhere, both.claimer, "yan");
  // The first claim may come before the second inviter listens: it is sent until both have one.
  for (Session& inviter : inviters) {
    EXPECT_TRUE(eventually([&] {
      claim(both.claimer);
      both.claimer.require("ping", {{"ping", "x"}});
      return inviter.poll(100ms).has_value();
    }));
  }
  for (Connection& claimer : claimers) claim(claimer);
  for (Connection& claimer : claimers) EXPECT_TRUE(claimer.stays_silent());
  const Map made = create(both.alice);
  for (Connection& claimer : claimers) EXPECT_THAT(claimer.reply(), Ok(made));
  EXPECT_TRUE(elsewhere.stays_silent());
}

TEST_P(Apiv1Invitations, BelongToTheirOrganization) {
  Sides ours = sides();
  Sides theirs = sides();
  invite(ours.alice, ours.claimer);
  EXPECT_THAT(theirs.claimer.call(command("_get_invitation_creator"), invited("zoe")),
              Status("not_found"));
  invite(theirs.alice, theirs.claimer);
  claim(theirs.claimer);
  EXPECT_THAT(theirs.alice.reply(), Claim());
  EXPECT_TRUE(ours.alice.stays_silent());
}

// --- New requests, and ends in the middle --------------------------------------------------------

TEST_P(Apiv1Invitations, ANewRequestCancelsTheWaitNotTheInvitation) {
  Sides both = sides();
  invite(both.alice, both.claimer);
  both.alice.require("ping", {{"ping", "x"}});
  claim(both.claimer);
  EXPECT_TRUE(both.claimer.stays_silent());
  EXPECT_TRUE(both.alice.stays_silent());
  both.claimer.require("ping", {{"ping", "x"}});
  claim(both.claimer);
  EXPECT_TRUE(both.claimer.stays_silent());
  const Map made = create(both.alice);
  EXPECT_THAT(both.claimer.reply(), Ok(made));
}

TEST_P(Apiv1Invitations, RequestsInARowCancelEachOther) {
  Sides both = sides();
  for (int i = 0; i < 5; ++i) both.alice.start(command("_invite"), own("zoe"));
  await_invitation(both.claimer);
  EXPECT_TRUE(eventually([&] {
    claim(both.claimer);
    both.claimer.require("ping", {{"ping", "x"}});
    return both.alice.poll(100ms).has_value();
  }));
  EXPECT_TRUE(both.alice.stays_silent());
}

TEST_P(Apiv1Invitations, PingFramesAreAnswered) {
  Sides both = sides();
  invite(both.alice, both.claimer);
  both.alice.WebSocket::ping();
  claim(both.claimer);
  EXPECT_THAT(both.alice.reply(), Claim());
  both.claimer.WebSocket::ping();
}

TEST_P(Apiv1Invitations, AnExpirationEndsBothSides) {
  Sides both = sides(here(), there());
  reach_claim(both);
  both.alice.start(command("_invite"), own("yan"));
  expire(both.alice.organization());
  EXPECT_EQ(both.alice.wait_end(), 1000);
  EXPECT_EQ(both.claimer.wait_end(), 1000);
}

TEST_P(Apiv1Invitations, PeersThatVanish) {
  Sides both = sides();
  invite(both.alice, both.claimer);
  both.alice.abort();
  claim(both.claimer);
  EXPECT_TRUE(both.claimer.stays_silent());
  both.claimer.abort();
  Session alice = again(both.alice, here(), 1);
  Connection claimer = alice.organization().connect_anonymous();
  claim(claimer);
  EXPECT_TRUE(claimer.stays_silent());
  const Map made = create(alice);
  EXPECT_THAT(claimer.reply(), Ok(made));
}

// --- Deadlines, and lost notifications -----------------------------------------------------------

TEST_P(Apiv1Invitations, TimeOut) {
  const auto hasty = Deployment::get().start_server({.arguments = {"--claim-timeout=0.3"}});
  Sides both = sides(hasty->address(), hasty->address());
  const std::string noun = family.kind;
  EXPECT_THAT(both.alice.call(command("_invite"), own("zoe")),
              Refused("timeout", "Timeout while waiting for new " + noun + " to be claimed."));
  // The invitation is still there.
  EXPECT_THAT(
      both.claimer.call(command("_claim"), invited("zoe").with({{"encrypted_claim", "x"_bin}})),
      Refused("timeout", "Timeout while waiting for invitation creator to answer."));
  both.alice.require("ping", {{"ping", "x"}});
  both.claimer.require("ping", {{"ping", "x"}});
  EXPECT_EQ(hasty->stop(), 0) << hasty->process().output();
}

TEST_P(Apiv1Invitations, WhoMayHaveMissedTheAnswerIsToldToComeBack) {
  static int count = 0;
  const std::string url =
      Deployment::get().create_database("lost_notifications_" + std::to_string(++count));
  ASSERT_EQ(run_parsec({"backend", "migrate", "--db", url}).exit, 0);
  const auto server = Deployment::get().start_server({.database = url});
  const auto made = Organization::create(server->address(), token);
  Sides both{made->connect(made->alice(), {}, 1), made->connect_anonymous()};
  reach_claim(both);
  Session other = made->connect(made->alice(), {}, 1);
  other.start(command("_invite"), own("yan"));
  Connection stranger = made->connect_anonymous();
  await_invitation(stranger, "yan");
  DatabaseProbe{url}.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  EXPECT_EQ(both.claimer.wait_end(20s), 1000);
  EXPECT_EQ(other.wait_end(20s), 1000);
  // And begins anew.
  Connection claimer = made->connect_anonymous();
  claim(claimer);
  Session alice = made->connect(made->alice(), {}, 1);
  EXPECT_TRUE(claimer.stays_silent());
  const Map answer = create(alice);
  EXPECT_THAT(claimer.reply(), Ok(answer));
  EXPECT_EQ(server->stop(), 0) << server->process().output();
}

}  // namespace
}  // namespace parsec::testing
