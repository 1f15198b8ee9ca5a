// db/schema/sql/functions/invite.sql and its typed calls: protocol/5-invite.md.
#include "db/functions/invite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;
using Text = std::optional<std::string>;

const std::vector<std::string> states{
    "1_WAIT_PEERS",      "2_1_CLAIMER_HASHED_NONCE", "2_2_GREETER_NONCE", "2_3_CLAIMER_NONCE",
    "3_1_CLAIMER_TRUST", "3_2_GREETER_TRUST",        "4_COMMUNICATE",
};

class FunctionsInvite : public ::testing::Test {
 protected:
  Sql::Fill new_one(std::string user, Text claimer_email, Uuid token = random_uuid(),
                    bool needs_human = false) {
    return [=, this, user = std::move(user)](db::Request& call) {
      NewInvitation invitation{.type = claimer_email ? "USER" : "DEVICE",
                               .claimer_email = {},
                               .token = token,
                               .needs_human = needs_human};
      if (claimer_email) invitation.claimer_email = *claimer_email;
      invite_new(call, world.author(user), invitation, as_bytes("idle"));
    };
  }
  Uuid invite(std::string user = "alice", Text claimer_email = {}) {
    return token_of(world.sql.call(new_one(std::move(user), std::move(claimer_email))));
  }
  static Uuid token_of(const Sql::Reply& reply) {
    return reply->rows().uuid(0, InviteNewColumns::token);
  }
  Sql::Fill deletion(std::string user, Uuid token, std::string reason = "CANCELLED") {
    return [=, this, user = std::move(user), reason = std::move(reason)](db::Request& call) {
      invite_delete(call, world.author(user), token, reason, as_bytes("deleted"));
    };
  }
  Sql::Fill announcement(Uuid token) {
    return [=, this](db::Request& call) {
      invite_announce(call, world.organization_id, token, as_bytes("ready"));
    };
  }
  Sql::Fill info(Uuid token) {
    return [=, this](db::Request& call) { invite_info(call, world.organization_id, token); };
  }
  std::vector<std::string> listed(const std::string& user) {
    const auto reply =
        world.sql.call([&](db::Request& call) { invite_list(call, world.author(user)); });
    const auto rows = reply->rows();
    EXPECT_EQ("ok", rows.status());
    std::vector<std::string> all;
    for (int row = 1; row < rows.count(); ++row) {
      const bool is_user = !rows.is_null(row, InviteListColumns::claimer_email);
      all.push_back(
          std::string{rows.text(row, InviteListColumns::type)} +
          (is_user ? " " + std::string{rows.text(row, InviteListColumns::claimer_email)} : ""));
    }
    return all;
  }

  // --- The conduit. user: of the greeter; null: the claimer.

  /// SHA-256.
  std::string digest_of(const std::string& payload) {
    const auto hex = world.sql.run("SELECT encode(sha256('" + payload + "'), 'hex')");
    std::string digest;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      digest += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    return digest;
  }

  struct Half {
    std::string status;
    Text peer;
    bool operator==(const Half&) const = default;
    friend std::ostream& operator<<(std::ostream& out, const Half& half) {
      return out << half.status << " " << half.peer.value_or("(null)");
    }
  };
  static Half half(const Sql::Reply& reply) {
    const auto rows = reply->rows();
    Half result{std::string{rows.status()}, {}};
    if (!rows.is_null(0, ConduitColumns::peer_payload)) {
      result.peer = as_text(rows.bytes(0, ConduitColumns::peer_payload));
    }
    return result;
  }
  Sql::Fill talking(Text user, Uuid token, std::string state, std::string payload) {
    return [=, this](db::Request& call) {
      conduit_talk(call, side(user, token), state, as_bytes(payload), as_bytes("updated"));
    };
  }
  Half talk(const Text& user, const Uuid& token, const std::string& state,
            const std::string& payload) {
    return half(world.sql.call(talking(user, token, state, payload)));
  }
  /// seen: the peer's payload of whom talked second.
  Half listen(const Text& user, const Uuid& token, const std::string& state,
              const std::string& payload, const Text& seen = {}) {
    const auto own = digest_of(payload);
    const auto peer = seen ? Text{digest_of(*seen)} : Text{};
    return half(world.sql.call([&](db::Request& call) {
      conduit_listen(call, side(user, token), state, as_bytes(own),
                     peer ? std::optional{as_bytes(*peer)} : std::nullopt, as_bytes("updated"));
    }));
  }
  ConduitSide side(const Text& user, const Uuid& token) {
    ConduitSide result{.organization_id = world.organization_id, .device_id = {}, .token = token};
    if (user) result.device_id = world.author(*user).device_id;
    return result;
  }
  /// A whole exchange; `first` talks first, the other side second.
  void exchange(const Uuid& token, const std::string& state, const Text& first, const Text& second,
                const std::string& of_first = "of first",
                const std::string& of_second = "of second") {
    ASSERT_EQ((Half{"ok", {}}), talk(first, token, state, of_first));
    ASSERT_EQ((Half{"waiting", {}}), listen(first, token, state, of_first));
    ASSERT_EQ((Half{"ok", of_first}), talk(second, token, state, of_second));
    ASSERT_EQ((Half{"waiting", {}}), listen(second, token, state, of_second, of_first));
    ASSERT_EQ((Half{"ok", of_second}), listen(first, token, state, of_first));
    ASSERT_EQ((Half{"ok", {}}), listen(second, token, state, of_second, of_first));
  }
  Uuid reach(const std::string& state) {
    const Uuid token = invite("alice", random_uuid().text());
    for (const auto& before : states) {
      if (before == state) break;
      exchange(token, before, greeter, claimer);
    }
    return token;
  }
  std::string row(const Uuid& token) {
    return world.sql.run(
        "SELECT concat_ws(' ', conduit_state, encode(conduit_greeter_payload, 'escape'),"
        " encode(conduit_claimer_payload, 'escape')) FROM public.invitation WHERE token = '" +
        token.text() + "'");
  }

  const Text greeter = "alice";
  const Text claimer = std::nullopt;
  World world;
};

// --- Invitations ---------------------------------------------------------------------------------

TEST_F(FunctionsInvite, NewOnesAndThoseUsedAgain) {
  world.sql.run("LISTEN app_notification");
  const Uuid wanted = random_uuid();
  const auto first = world.sql.call(new_one("alice", "zoe@example.com", wanted));
  EXPECT_EQ("ok", first->rows().status());
  EXPECT_TRUE(first->rows().boolean(0, InviteNewColumns::is_new));
  EXPECT_EQ(wanted, token_of(first));
  EXPECT_EQ(std::vector{"idle"s}, world.sql.notifications());

  const auto again = world.sql.call(new_one("alice", "zoe@example.com"));
  EXPECT_FALSE(again->rows().boolean(0, InviteNewColumns::is_new));
  EXPECT_EQ(wanted, token_of(again));
  EXPECT_EQ(std::vector<std::string>{}, world.sql.notifications());

  const std::vector<Uuid> others{invite("alice", "ZOE@example.com"), invite("alice"),
                                 invite("bob", "zoe@example.com"), invite("bob")};
  for (const auto& other : others) EXPECT_NE(wanted, other);
  EXPECT_EQ(others[1], invite("alice"));

  EXPECT_EQ("ok", world.sql.status(deletion("alice", wanted)));
  EXPECT_NE(wanted, invite("alice", "zoe@example.com"));
}

TEST_F(FunctionsInvite, AnInvitationByMailNeedsAnAddress) {
  EXPECT_EQ("not_available", world.sql.status(new_one("bob", {}, random_uuid(), true)));
  EXPECT_EQ(std::vector<std::string>{}, listed("bob"));
  const std::string human = "INSERT INTO public.human (organization, email, label) VALUES (" +
                            world.key() + ", 'bob@example.com', 'Bob') RETURNING _id";
  world.sql.run("UPDATE public.user_ SET human = " + world.sql.run(human) +
                " WHERE _id = " + world.user_key("bob"));
  const auto reply = world.sql.call(new_one("bob", {}, random_uuid(), true));
  EXPECT_EQ("ok", reply->rows().status());
  EXPECT_EQ("bob@example.com", reply->rows().text(0, InviteNewColumns::human_email));
  EXPECT_EQ("Bob", reply->rows().text(0, InviteNewColumns::human_label));
}

TEST_F(FunctionsInvite, TwoAtOnceAreOne) {
  Sql other;
  world.sql.run("BEGIN");
  const auto first = world.sql.call(new_one("alice", {}));
  other.send(new_one("alice", {}));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ(token_of(first), token_of(other.receive()));
}

TEST_F(FunctionsInvite, ListedByCreationDate) {
  invite("alice", "z@example.com");
  invite("alice");
  const Uuid gone = invite("alice", "y@example.com");
  invite("alice", "a@example.com");
  invite("bob");
  world.sql.status(deletion("alice", gone));
  EXPECT_EQ((std::vector{"USER z@example.com"s, "DEVICE"s, "USER a@example.com"s}),
            listed("alice"));
  world.sql.run(
      "UPDATE public.invitation SET created_on = now() + interval '1 day'"
      " WHERE type = 'DEVICE' AND greeter = " +
      world.user_key("alice"));
  EXPECT_EQ((std::vector{"USER z@example.com"s, "USER a@example.com"s, "DEVICE"s}),
            listed("alice"));
  EXPECT_EQ(std::vector<std::string>{}, listed("olga"));
}

TEST_F(FunctionsInvite, DeletedOnce) {
  const Uuid token = invite("alice");
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("not_found", world.sql.status(deletion("bob", token)));
  EXPECT_EQ("not_found", world.sql.status(deletion("alice", random_uuid())));
  EXPECT_EQ(std::vector<std::string>{}, world.sql.notifications());
  EXPECT_EQ("ok", world.sql.status(deletion("alice", token, "ROTTEN")));
  EXPECT_EQ(std::vector{"deleted"s}, world.sql.notifications());
  EXPECT_EQ("deleted", world.sql.status(deletion("alice", token, "FINISHED")));
  EXPECT_EQ("not_found", world.sql.status(deletion("bob", token)));
  EXPECT_EQ(std::vector<std::string>{}, world.sql.notifications());
  EXPECT_EQ("ROTTEN", world.sql.run("SELECT deleted_reason FROM public.invitation WHERE token = '" +
                                    token.text() + "'"));
}

TEST_F(FunctionsInvite, NothingIsToldOfADeletedOne) {
  const Uuid token = invite("alice");
  Sql other;
  other.run("LISTEN app_notification");
  EXPECT_EQ("ok", other.status(announcement(token)));
  EXPECT_EQ(std::vector{"ready"s}, other.notifications());
  EXPECT_EQ("not_found", other.status(announcement(random_uuid())));
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(deletion("alice", token)));
  other.send(announcement(token));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("deleted", other.received_status());
  EXPECT_EQ(std::vector{"deleted"s}, other.notifications());
}

TEST_F(FunctionsInvite, WhatAClaimerIsTold) {
  const Uuid user = invite("alice", "zoe@example.com"), device = invite("bob");
  {
    const auto reply = world.sql.call(info(user));
    EXPECT_EQ("ok", reply->rows().status());
    EXPECT_EQ("USER", reply->rows().text(0, InviteInfoColumns::type));
    EXPECT_EQ("zoe@example.com", reply->rows().text(0, InviteInfoColumns::claimer_email));
    EXPECT_EQ("alice", reply->rows().text(0, InviteInfoColumns::greeter));
    EXPECT_TRUE(reply->rows().is_null(0, InviteInfoColumns::human_email));
  }
  const auto reply = world.sql.call(info(device));
  EXPECT_EQ("DEVICE", reply->rows().text(0, InviteInfoColumns::type));
  EXPECT_TRUE(reply->rows().is_null(0, InviteInfoColumns::claimer_email));
  EXPECT_EQ("not_found", world.sql.status(info(random_uuid())));
  world.sql.status(deletion("bob", device));
  EXPECT_EQ("deleted", world.sql.status(info(device)));
}

// --- The conduit ---------------------------------------------------------------------------------

TEST_F(FunctionsInvite, EachStateIsFollowedByTheNextWhoeverComesFirst) {
  for (const bool greeter_first : {true, false}) {
    const Uuid token = invite(greeter_first ? "alice" : "bob");
    const Text who = greeter_first ? greeter : "bob";
    for (std::size_t i = 0; i < states.size(); ++i) {
      SCOPED_TRACE(states[i]);
      exchange(token, states[i], greeter_first ? who : claimer, greeter_first ? claimer : who);
      EXPECT_EQ(states[std::min(i + 1, states.size() - 1)], row(token));
    }
    exchange(token, "4_COMMUNICATE", claimer, who, "", "");
    EXPECT_EQ("4_COMMUNICATE", row(token));
  }
}

TEST_F(FunctionsInvite, OtherStatesAreInvalid) {
  for (const auto& state : states) {
    const Uuid token = reach(state);
    for (const auto& other : states) {
      if (other == state || other == "1_WAIT_PEERS") continue;
      for (const auto& side : {greeter, claimer}) {
        EXPECT_EQ((Half{"invalid_state", {}}), talk(side, token, other, "x")) << state << other;
      }
    }
    EXPECT_EQ(state, row(token));
  }
}

TEST_F(FunctionsInvite, TalkingTwiceIsInvalidButForTheBeginning) {
  for (const auto& state : states) {
    const Uuid token = reach(state);
    EXPECT_EQ((Half{"ok", {}}), talk(claimer, token, state, "one"));
    const bool restarts = state == "1_WAIT_PEERS";
    EXPECT_EQ((Half{restarts ? "ok" : "invalid_state", {}}), talk(claimer, token, state, "two"));
    EXPECT_EQ(state + (restarts ? " two" : " one"), row(token));
    EXPECT_EQ(restarts ? "invalid_state" : "waiting", listen(claimer, token, state, "one").status);
  }
}

TEST_F(FunctionsInvite, TheBeginningAlwaysRestarts) {
  for (const auto& state : states) {
    for (const auto& starter : {greeter, claimer}) {
      SCOPED_TRACE(state);
      const Uuid token = reach(state);
      const auto& waiting = starter ? claimer : greeter;
      ASSERT_EQ("ok", talk(waiting, token, state, "old").status);
      const bool joins = state == "1_WAIT_PEERS";
      EXPECT_EQ((Half{"ok", joins ? Text{"old"} : Text{}}),
                talk(starter, token, "1_WAIT_PEERS", "new"));
      if (joins) continue;
      EXPECT_EQ("1_WAIT_PEERS new", row(token));
      EXPECT_EQ((Half{"invalid_state", {}}), listen(waiting, token, state, "old"));
      exchange(token, "1_WAIT_PEERS", starter, waiting);
    }
  }
}

TEST_F(FunctionsInvite, TheSecondOneGivesUpWhenAnythingElseHappened) {
  const std::string state = "3_1_CLAIMER_TRUST";
  const auto both_talked = [&] {
    const Uuid token = reach(state);
    EXPECT_EQ("ok", talk(greeter, token, state, "g").status);
    EXPECT_EQ("ok", talk(claimer, token, state, "c").status);
    EXPECT_EQ("waiting", listen(claimer, token, state, "c", "g").status);
    return token;
  };
  const auto set = [&](const Uuid& token, const std::string& change) {
    world.sql.run("UPDATE public.invitation SET " + change + " WHERE token = '" + token.text() +
                  "'");
  };
  for (const char* change : {"conduit_greeter_payload = 'other'", "conduit_greeter_payload = NULL",
                             "conduit_claimer_payload = 'other'", "conduit_claimer_payload = NULL",
                             "conduit_state = '4_COMMUNICATE'", "conduit_state = '1_WAIT_PEERS'"}) {
    const Uuid token = both_talked();
    set(token, change);
    EXPECT_EQ((Half{"invalid_state", {}}), listen(claimer, token, state, "c", "g")) << change;
  }
  // The first one may be far ahead by now, but for its peer's next payload.
  const Uuid token = both_talked();
  EXPECT_EQ("ok", listen(greeter, token, state, "g").status);
  EXPECT_EQ("ok", talk(greeter, token, "3_2_GREETER_TRUST", "").status);
  EXPECT_EQ((Half{"ok", {}}), listen(claimer, token, state, "c", "g"));
}

// Whoever talked second looks only after the first one, who was done, has begun anew.
TEST_F(FunctionsInvite, WhoMetHasItsOkAlthoughTheOtherBeganAnew) {
  const std::string state = "1_WAIT_PEERS";
  const Uuid token = invite();
  const auto begun_anew = [&] {
    EXPECT_EQ((Half{"ok", {}}), talk(greeter, token, state, "g"));
    EXPECT_EQ((Half{"ok", "g"}), talk(claimer, token, state, "c"));
    EXPECT_EQ((Half{"ok", "c"}), listen(greeter, token, state, "g"));
    EXPECT_EQ((Half{"ok", {}}), talk(greeter, token, state, "g"));
  };
  begun_anew();
  EXPECT_EQ((Half{"ok", {}}), listen(claimer, token, state, "c", "g"));
  // It has to be of this very meeting.
  EXPECT_EQ("invalid_state", listen(claimer, token, state, "c", "other").status);
  EXPECT_EQ("invalid_state", listen(claimer, token, state, "other", "g").status);
  EXPECT_EQ((Half{"ok", "g"}), talk(claimer, token, state, "c"));
  EXPECT_EQ((Half{"ok", {}}), talk(greeter, token, state, "g"));
  EXPECT_EQ((Half{"invalid_state", {}}), listen(claimer, token, state, "c", "g"));
}

TEST_F(FunctionsInvite, ConduitsOfOthersAndOfDeletedInvitations) {
  const Uuid token = invite("alice");
  ASSERT_EQ("ok", talk(greeter, token, "1_WAIT_PEERS", "g").status);
  for (const auto& [user, wanted] :
       {std::pair<Text, Uuid>{"bob", token}, {greeter, random_uuid()}, {claimer, random_uuid()}}) {
    EXPECT_EQ((Half{"not_found", {}}), talk(user, wanted, "1_WAIT_PEERS", "x"));
    EXPECT_EQ((Half{"not_found", {}}), listen(user, wanted, "1_WAIT_PEERS", "x"));
  }
  EXPECT_EQ("1_WAIT_PEERS g", row(token));
  world.sql.status(deletion("alice", token));
  for (const auto& user : {greeter, claimer}) {
    for (const auto& state : states) {
      EXPECT_EQ((Half{"deleted", {}}), talk(user, token, state, "x"));
      EXPECT_EQ((Half{"deleted", {}}), listen(user, token, state, "g"));
    }
  }
  EXPECT_EQ("not_found", talk("bob", token, "1_WAIT_PEERS", "x").status);
}

TEST_F(FunctionsInvite, RevokedAndExpired) {
  const Uuid token = invite("bob");
  const auto everything = [&](const std::string& wanted) {
    EXPECT_EQ(wanted, world.sql.status(new_one("bob", {})));
    EXPECT_EQ(wanted, world.sql.status(deletion("bob", token)));
    EXPECT_EQ(wanted, talk("bob", token, "1_WAIT_PEERS", "x").status);
    EXPECT_EQ(wanted, listen("bob", token, "1_WAIT_PEERS", "x").status);
    EXPECT_EQ(wanted,
              world.sql.status([&](db::Request& call) { invite_list(call, world.author("bob")); }));
  };
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("bob"));
  everything("author_revoked");
  // What a revoked greeter left behind stays as it is.
  EXPECT_EQ("ok", talk(claimer, token, "1_WAIT_PEERS", "c").status);
  EXPECT_EQ("ok", world.sql.status(info(token)));
  world.sql.run("UPDATE public.user_ SET revoked_on = NULL WHERE _id = " + world.user_key("bob"));
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  everything("organization_expired");
  EXPECT_EQ("organization_expired", talk(claimer, token, "1_WAIT_PEERS", "c").status);
  EXPECT_EQ("organization_expired", listen(claimer, token, "1_WAIT_PEERS", "c").status);
  EXPECT_EQ("organization_expired", world.sql.status(info(token)));
}

TEST_F(FunctionsInvite, EveryChangeIsToldAndNothingElse) {
  const Uuid token = invite();
  world.sql.run("LISTEN app_notification");
  talk(greeter, token, "1_WAIT_PEERS", "g");
  EXPECT_EQ(std::vector{"updated"s}, world.sql.notifications());
  listen(greeter, token, "1_WAIT_PEERS", "g");
  talk(greeter, token, "4_COMMUNICATE", "g");
  EXPECT_EQ(std::vector<std::string>{}, world.sql.notifications());
  talk(claimer, token, "1_WAIT_PEERS", "c");
  EXPECT_EQ(std::vector{"updated"s}, world.sql.notifications());
  listen(greeter, token, "1_WAIT_PEERS", "g");
  EXPECT_EQ(std::vector{"updated"s}, world.sql.notifications());
  listen(claimer, token, "1_WAIT_PEERS", "c", "g");
  EXPECT_EQ(std::vector<std::string>{}, world.sql.notifications());
}

TEST_F(FunctionsInvite, ConversationsOfOneInvitationWaitForEachOther) {
  const Uuid token = invite();
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ((Half{"ok", {}}), talk(greeter, token, "1_WAIT_PEERS", "g"));
  other.send(talking(claimer, token, "1_WAIT_PEERS", "c"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ((Half{"ok", "g"}), half(other.receive()));
}

TEST_F(FunctionsInvite, CostsTheSameAmongMany) {
  const auto cost = [&] {
    const Uuid token = invite("bob");
    return rows_read(world.sql, new_one("bob", {})) +
           rows_read(world.sql, talking(claimer, token, "1_WAIT_PEERS", "c")) +
           rows_read(world.sql, info(token));
  };
  cost();
  const auto few = cost();
  world.sql.run(
      "INSERT INTO public.invitation (organization, token, type, greeter, created_on)"
      " SELECT " +
      world.key() + ", gen_random_uuid(), 'DEVICE', " + world.user_key("alice") +
      ", now() FROM generate_series(1, 5000); ANALYZE public.invitation");
  EXPECT_LE(cost(), few + 20);
}

}  // namespace
}  // namespace parsec::testing
