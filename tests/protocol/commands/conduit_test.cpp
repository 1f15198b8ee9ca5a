// protocol/commands/conduit.cpp and invites.cpp without a database: when a conduit looks again, and
// how each answer ends it. What the database answers is shown in
// tests/db/functions/invite_test.cpp.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;
using namespace std::string_literals;

class Conduit : public ::testing::Test, protected ServiceFixture {
 protected:
  Conduit() : greeter(open_device("Org", "alice@dev1")), claimer(open_claimer()) {}

  engine::ConnectionId open_claimer() {
    const auto id = open_websocket();
    send(id, 6, [&](msgpack::Writer& writer) {
      writer.str("handshake"), writer.str("answer");
      writer.str("client_api_version"), writer.array(2), writer.integer(2), writer.integer(0);
      writer.str("type"), writer.str("INVITED");
      writer.str("organization_id"), writer.str("Org");
      writer.str("invitation_type"), writer.str("DEVICE");
      writer.str("token"), writer.uuid(token);
    });
    answer({{text_cell("ok"), bool_cell(false), bool_cell(false), text_cell("DEVICE"),
             text_cell("alice")}});
    EXPECT_EQ("claimer_announce", function());
    EXPECT_TRUE(take_sent(id).empty()) << "READY is known before it is let in";
    answer({{text_cell("ok")}});
    take_sent(id);
    return id;
  }
  void greet() {
    send_command(greeter, "invite_3a_greeter_wait_peer_trust", 1,
                 [&](msgpack::Writer& writer) { writer.str("token"), writer.uuid(token); });
  }
  std::string function() const {
    return database.submitted.empty() ? "" : database.submitted.front()->function->name;
  }
  void answer_talk(const char* status = "ok", Cell peer = null_cell()) {
    ASSERT_EQ("conduit_talk", function());
    answer({{text_cell(status), peer}});
  }
  void answer_listen(const char* status, Cell peer = null_cell()) {
    ASSERT_EQ("conduit_listen", function());
    answer({{text_cell(status), peer}});
  }
  void updated() { event({"Org", InviteConduitUpdated{token}}); }
  void deleted() {
    event({"Org", InviteStatusChanged{.greeter = "alice", .token = token, .status = "DELETED"}});
  }

  const Uuid token{{std::byte{7}}};
  const engine::ConnectionId greeter, claimer;
};

TEST_F(Conduit, LooksAgainAtEachEventUntilItIsDone) {
  greet();
  answer_talk();
  EXPECT_EQ("", function()) << "nothing has happened yet";
  for (int round = 0; round < 3; ++round) {
    updated();
    answer_listen("waiting");
  }
  event({"Org", InviteConduitUpdated{Uuid{{std::byte{8}}}}});
  event({"Other", InviteConduitUpdated{token}});
  EXPECT_EQ("", function()) << "not about this invitation";
  updated();
  answer_listen("ok", text_cell(""));
  EXPECT_EQ("{status=\"ok\"}", take_reply(greeter));
  updated();
  EXPECT_EQ("", function());
}

TEST_F(Conduit, WhatHappensWhileItTalksOrLooksIsNotMissed) {
  greet();
  updated();
  answer_talk();
  ASSERT_EQ("conduit_listen", function());
  updated();
  answer_listen("waiting");
  answer_listen("ok", text_cell(""));
  EXPECT_EQ("{status=\"ok\"}", take_reply(greeter));
}

TEST_F(Conduit, LooksAgainAfterAGap) {
  greet();
  answer_talk();
  inbox.post({});
  turn();
  answer_listen("waiting");
  EXPECT_EQ("", function());
}

/// Between the peer's FIN and on_closed: whoever talks to it later must not be answered for it.
TEST_F(Conduit, WhoLeftWhileItWaitedLooksNoMore) {
  greet();
  answer_talk();
  transport[greeter].peer_left = true;
  updated();
  EXPECT_EQ("", function());
  inbox.post({});
  turn();
  EXPECT_EQ("", function());
}

TEST_F(Conduit, TwoExchangesInOneCommand) {
  send_command(claimer, "invite_2a_claimer_send_hashed_nonce", 1, [](msgpack::Writer& writer) {
    writer.str("claimer_hashed_nonce"), writer.bin(as_bytes("hash"));
  });
  answer_talk();
  updated();
  answer_listen("ok", text_cell(""));
  answer_talk("ok", text_cell("nonce"));  // second: what it saw is what it returns
  updated();
  answer_listen("ok");
  EXPECT_EQ("{status=\"ok\" greeter_nonce=<5 bytes>}", take_reply(claimer));
}

TEST_F(Conduit, Refusals) {
  for (const auto& [status, wanted] : {std::pair{"invalid_state", "invalid_state"},
                                       {"not_found", "not_found"},
                                       {"deleted", "already_deleted"}}) {
    greet();
    answer_talk(status);
    EXPECT_EQ("{status=\"" + std::string{wanted} + "\"}", take_reply(greeter));
    greet();
    answer_talk();
    updated();
    answer_listen(status);
    EXPECT_EQ("{status=\"" + std::string{wanted} + "\"}", take_reply(greeter));
  }
  send_command(claimer, "invite_3a_claimer_signify_trust");
  answer_talk("deleted");
  const auto sent = take_sent(claimer);
  ASSERT_EQ(1U, sent.size()) << "a Close and no reply";
  EXPECT_EQ(1000, sent[0].close_code());
}

TEST_F(Conduit, ADeletionEndsClaimersAndWakesGreeters) {
  greet();
  answer_talk();
  deleted();
  EXPECT_TRUE(is_closed(claimer));
  ASSERT_EQ("claimer_announce", function()) << "its claimer left";
  answer({{text_cell("deleted")}});
  answer_listen("deleted");
  EXPECT_EQ("{status=\"already_deleted\"}", take_reply(greeter));
  EXPECT_FALSE(is_closed(greeter));
  EXPECT_EQ(0U, claimers.size());
}

TEST_F(Conduit, RequestsBehindItWait) {
  greet();
  answer_talk();
  send_command(greeter, "events_listen", 1,
               [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(false); });
  EXPECT_TRUE(take_sent(greeter).empty());
  updated();
  answer_listen("ok", text_cell(""));
  EXPECT_EQ(2U, take_sent(greeter).size());
}

TEST_F(Conduit, AClaimerThatLeavesIsTold) {
  EXPECT_EQ(1U, claimers.size());
  send_command(claimer, "invite_3a_claimer_signify_trust");
  answer_talk();
  close(claimer);
  EXPECT_EQ("claimer_announce", function());
  answer({{text_cell("ok")}});
  EXPECT_EQ(0U, claimers.size());
  updated();
  EXPECT_EQ("", function()) << "nobody waits any more";
}

}  // namespace
}  // namespace parsec::testing
