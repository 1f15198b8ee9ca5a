// protocol/5-invite.md §5.3: the claim conduit, greeter and claimer on two servers.
#include "tests/integration/integration_test.h"
#include "tests/support/haproxy.h"

namespace parsec::testing {
namespace {

/// One side of a conversation, with the commands that it sends in turn.
struct Step {
  const char* cmd;
  const char* field;  // that it sends; null: none
  const char* reply;  // that it gets; null: none
};
const std::vector<Step> greeter_steps{
    {"invite_1_greeter_wait_peer", "greeter_public_key", "claimer_public_key"},
    {"invite_2a_greeter_get_hashed_nonce", nullptr, "claimer_hashed_nonce"},
    {"invite_2b_greeter_send_nonce", "greeter_nonce", "claimer_nonce"},
    {"invite_3a_greeter_wait_peer_trust", nullptr, nullptr},
    {"invite_3b_greeter_signify_trust", nullptr, nullptr},
    {"invite_4_greeter_communicate", "payload", "payload"},
};
const std::vector<Step> claimer_steps{
    {"invite_1_claimer_wait_peer", "claimer_public_key", "greeter_public_key"},
    {"invite_2a_claimer_send_hashed_nonce", "claimer_hashed_nonce", "greeter_nonce"},
    {"invite_2b_claimer_send_nonce", "claimer_nonce", nullptr},
    {"invite_3a_claimer_signify_trust", nullptr, nullptr},
    {"invite_3b_claimer_wait_peer_trust", nullptr, nullptr},
    {"invite_4_claimer_communicate", "payload", "payload"},
};

/// What a step sends: 32 bytes, as keys must have.
Octets sent_in(const char* field) {
  std::string text{field};
  text.resize(32, '.');
  return Octets{text};
}

class Conduit : public IntegrationTest {
 protected:
  struct Meeting {
    Uuid invitation;
    Connection greeter;
    Connection claimer;
  };
  /// Over an invitation of that greeter.
  static Meeting meet(Session& alice, const std::string& email, const Address& greeter_at = here(),
                      const Address& claimer_at = there()) {
    const Map fields{{"type", "USER"}, {"claimer_email", email}, {"send_email", false}};
    const Uuid invitation = alice.require("invite_new", fields)["token"].uuid();
    return {invitation, again(alice, greeter_at),
            alice.organization().connect_invited(invitation, "USER", claimer_at)};
  }
  static void start(Connection& connection, const Step& step, const Meeting& meeting) {
    Map fields;
    if (&connection == &meeting.greeter) fields = {{"token", meeting.invitation}};
    if (step.field != nullptr) fields = fields.with({{step.field, sent_in(step.field)}});
    connection.start(step.cmd, fields);
  }
  static void expect_reply(Connection& connection, const Step& step) {
    Map wanted;
    if (step.reply != nullptr) wanted = {{step.reply, sent_in(step.reply)}};
    EXPECT_THAT(connection.reply(), Ok(wanted)) << step.cmd;
  }
  static void converse(std::vector<Meeting>& meetings) {
    for (Meeting& meeting : meetings) {
      for (const Step& step : greeter_steps) start(meeting.greeter, step, meeting);
      for (const Step& step : claimer_steps) start(meeting.claimer, step, meeting);
    }
    for (Meeting& meeting : meetings) {
      for (const Step& step : greeter_steps) expect_reply(meeting.greeter, step);
      for (const Step& step : claimer_steps) expect_reply(meeting.claimer, step);
    }
  }
};

TEST_F(Conduit, ThousandsOfPairsAtOnce) {
  std::vector<Meeting> meetings;
  const Address sides[] = {here(), there()};
  for (int i = 0; i < 20; ++i) {
    Session alice = this->alice();
    for (int k = 0; k < 100; ++k) {
      meetings.push_back(meet(alice, std::to_string(k), sides[k % 2], sides[k / 2 % 2]));
    }
  }
  converse(meetings);
}

TEST_F(Conduit, ThroughAProxy) {
  const Address servers[] = {here(), there()};
  const Haproxy proxy{servers};
  std::vector<Meeting> meetings;
  Session alice = this->alice();
  for (int i = 0; i < 20; ++i) {
    const std::string email = "claimer" + std::to_string(i) + "@example.com";
    meetings.push_back(meet(alice, email, proxy.plain(), proxy.tls()));
    // Dealt out in turn, every other pair would be on one server: from here on it is the other
    // half.
    if (i == 9) Connection{proxy.plain()};
  }
  converse(meetings);
}

TEST_F(Conduit, APeerThatWaitsElsewhereIsToldOfARestart) {
  Session alice = this->alice();
  Meeting meeting = meet(alice, "zoe");
  start(meeting.greeter, greeter_steps[0], meeting);
  start(meeting.claimer, claimer_steps[0], meeting);
  expect_reply(meeting.greeter, greeter_steps[0]);
  expect_reply(meeting.claimer, claimer_steps[0]);
  start(meeting.greeter, greeter_steps[1], meeting);
  EXPECT_TRUE(meeting.greeter.stays_silent());
  start(meeting.claimer, claimer_steps[0], meeting);
  EXPECT_THAT(meeting.greeter.reply(), Status("invalid_state"));
  start(meeting.greeter, greeter_steps[0], meeting);
  expect_reply(meeting.greeter, greeter_steps[0]);
  expect_reply(meeting.claimer, claimer_steps[0]);
  // Nothing but the beginning, and what follows, is accepted.
  for (std::size_t i = 2; i < greeter_steps.size(); ++i) {
    start(meeting.greeter, greeter_steps[i], meeting);
    EXPECT_THAT(meeting.greeter.reply(), Status("invalid_state")) << greeter_steps[i].cmd;
    start(meeting.claimer, claimer_steps[i], meeting);
    EXPECT_THAT(meeting.claimer.reply(), Status("invalid_state")) << claimer_steps[i].cmd;
  }
}

/// The claimer's server, as a 2.0 server is to others: it reads the conduit a while after it heard
/// that something changed.
TEST_F(Conduit, AClaimerOfASlowServerGetsItsLastAnswer) {
  Session alice = this->alice();
  alice.subscribe();
  const Uuid invitation =
      alice.require("invite_new", {{"type", "DEVICE"}, {"send_email", false}})["token"].uuid();
  DatabaseProbe slow_server = database();
  slow_server.listen();
  const Map of_invitation{{"organization_id", alice.organization_id()}, {"token", invitation}};
  const auto tell_status = [&](const char* status) {
    slow_server.notify("invite.status_changed",
                       of_invitation.with({{"greeter", "alice"}, {"status_str", status}}));
  };
  EXPECT_EQ(alice.next_event(), invitation_event(invitation, "IDLE")) << "it is new";
  tell_status("READY");
  EXPECT_EQ(alice.next_event(), invitation_event(invitation, "READY"));

  // The greeter talks first, so its Listen clears the conduit that the claimer has still to look
  // at.
  alice.start("invite_1_greeter_wait_peer",
              {{"token", invitation}, {"greeter_public_key", Octets{std::string(32, 'g')}}});
  const auto row = [&](const char* column) {
    return slow_server.value(std::string{"SELECT "} + column + " FROM invitation WHERE token = $1",
                             {invitation});
  };
  while (row("conduit_greeter_payload IS NULL") == Document(true)) slow_server.next_notification();
  slow_server.execute("UPDATE invitation SET conduit_claimer_payload = $2 WHERE token = $1",
                      {invitation, Octets{std::string(32, 'c')}});
  slow_server.notify("invite.conduit_updated", of_invitation);
  ASSERT_THAT(alice.reply(), Ok({{"claimer_public_key", Octets{std::string(32, 'c')}}}));
  alice.start("invite_delete", {{"token", invitation}, {"reason", "FINISHED"}});
  EXPECT_TRUE(alice.stays_silent()) << "for as long as the claimer's server needs";
  EXPECT_EQ(row("conduit_state::text"), Document("2_1_CLAIMER_HASHED_NONCE"));
  EXPECT_EQ(row("deleted_on IS NULL"), Document(true)) << "the claimer is given its answer";
  tell_status("IDLE");
  EXPECT_THAT(alice.reply(), Ok({}));
  EXPECT_EQ(row("deleted_on IS NULL"), Document(false));
}

TEST_F(Conduit, DeletionWakesWhoeverWaits) {
  Session alice = this->alice();
  for (const bool greeter_waits : {true, false}) {
    Meeting meeting = meet(alice, "zoe", there(), here());
    Connection& waiting = greeter_waits ? meeting.greeter : meeting.claimer;
    start(waiting, (greeter_waits ? greeter_steps : claimer_steps)[0], meeting);
    EXPECT_TRUE(waiting.stays_silent());
    alice.require("invite_delete", {{"token", meeting.invitation}, {"reason", "FINISHED"}});
    EXPECT_EQ(meeting.claimer.wait_end(), 1000);
    EXPECT_FALSE(meeting.claimer.has_message());
    if (!greeter_waits) continue;
    EXPECT_THAT(meeting.greeter.reply(), Status("already_deleted"));
    meeting.greeter.require("invite_list");
  }
}

TEST_F(Conduit, RequestsWaitBehindAndPingsAreAnswered) {
  Session alice = this->alice();
  Meeting meeting = meet(alice, "zoe");
  start(meeting.greeter, greeter_steps[0], meeting);
  meeting.greeter.start("ping", {{"ping", "behind"}});
  meeting.greeter.ping();
  EXPECT_TRUE(meeting.greeter.stays_silent());
  start(meeting.claimer, claimer_steps[0], meeting);
  expect_reply(meeting.greeter, greeter_steps[0]);
  EXPECT_THAT(meeting.greeter.reply(), Ok({{"pong", "behind"}}));
  expect_reply(meeting.claimer, claimer_steps[0]);
}

// Notifications are lost while nobody listens: whoever waits looks again afterwards.
TEST_F(Conduit, LostNotificationsLeaveNobodyWaiting) {
  const std::string url = Deployment::get().create_database("lost_conduit");
  ASSERT_EQ(run_parsec({"backend", "migrate", "--db", url}).exit, 0);
  const auto first = Deployment::get().start_server({.database = url});
  const auto second = Deployment::get().start_server({.database = url});
  const auto made = Organization::create(first->address(), token);
  Session alice = made->connect(made->alice());
  std::vector<Meeting> meetings;
  for (int i = 0; i < 10; ++i) {
    meetings.push_back(meet(alice, std::to_string(i), first->address(), second->address()));
  }
  DatabaseProbe database{url};
  for (std::size_t step = 0; step < greeter_steps.size(); ++step) {
    for (Meeting& meeting : meetings) {
      start(meeting.greeter, greeter_steps[step], meeting);
      start(meeting.claimer, claimer_steps[step], meeting);
    }
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'parsec'"
        " AND (query LIKE 'LISTEN app_notification%' OR query = '')");
  }
  for (Meeting& meeting : meetings) {
    for (const Step& step : greeter_steps) expect_reply(meeting.greeter, step);
    for (const Step& step : claimer_steps) expect_reply(meeting.claimer, step);
  }
}

TEST_F(Conduit, LargeAndEmptyPayloads) {
  Session alice = this->alice();
  std::vector<Meeting> meetings;
  meetings.push_back(meet(alice, "zoe"));
  converse(meetings);
  Meeting& meeting = meetings.front();
  const Octets large{std::string(1'000'000, '\xFF')};
  for (const auto& [of_greeter, of_claimer] :
       {std::pair<Octets, Octets>{large, large}, {Octets{}, large}, {Octets{}, Octets{}}}) {
    meeting.greeter.start("invite_4_greeter_communicate",
                          {{"token", meeting.invitation}, {"payload", of_greeter}});
    meeting.claimer.start("invite_4_claimer_communicate", {{"payload", of_claimer}});
    EXPECT_THAT(meeting.greeter.reply(), Ok({{"payload", of_claimer}}));
    EXPECT_THAT(meeting.claimer.reply(), Ok({{"payload", of_greeter}}));
  }
}

}  // namespace
}  // namespace parsec::testing
