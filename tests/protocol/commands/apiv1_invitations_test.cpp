// protocol/commands/apiv1_invitations.cpp without a database: fields, rights, what is asked for and
// what each answer becomes. How a command waits is shown in session_listening_test.cpp.
#include <gtest/gtest.h>

#include <string>

#include "protocol/bytes/base64.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;
using namespace std::string_literals;

std::vector<std::byte> octets(std::string_view text) {
  return {as_bytes(text).begin(), as_bytes(text).end()};
}

/// One of the two families of commands.
struct Family {
  const char* name;  // of the commands: <name>_invite, …
  const char* own_field;
  const char* own_value;
  const char* invited_field;
  const char* id;
  const char* noun;
  const char* wrong_field_text;
  const char* wrong_own_value;
  const char* wrong_id_text;
};
const Family families[] = {
    {"user", "user_id", "zoe", "invited_user_id", "zoe", "User", "Invalid user name", "a b",
     "Invalid user name"},
    {"device", "invited_device_name", "new", "invited_device_id", "alice@new", "Device",
     "Invalid device name", "a@b", "Invalid device ID"},
};

class Apiv1Invitations : public ::testing::TestWithParam<Family>, protected ServiceFixture {
 protected:
  Apiv1Invitations()
      : alice(open_device("Org", "alice@dev1", true)), claimer(open_anonymous("Org")) {}

  std::string command(std::string_view suffix) const { return family.name + std::string{suffix}; }
  void send_own(std::string_view suffix, std::string_view value) {
    send_command(alice, command(suffix), 1,
                 [&](msgpack::Writer& writer) { writer.str(family.own_field), writer.str(value); });
  }
  void send_own(std::string_view suffix) { send_own(suffix, family.own_value); }
  void send_invited(std::string_view suffix, std::string_view id,
                    std::optional<std::string_view> claim = {}) {
    send_command(claimer, command(suffix), claim ? 2 : 1, [&](msgpack::Writer& writer) {
      writer.str(family.invited_field), writer.str(id);
      if (claim) writer.str("encrypted_claim"), writer.bin(as_bytes(*claim));
    });
  }
  void start_claim(std::string_view claim = "claim") {
    send_invited("_claim", family.id, claim);
    pass_fence();
  }
  bool is_user() const { return family.name == "user"s; }
  Event::Content created(std::string_view first, std::string_view second) const {
    if (is_user()) return UserCreated{family.id, octets(first), "zoe@first", octets(second)};
    return DeviceCreated{family.id, octets(first), octets(second)};
  }
  /// Parameter of the request that waits for its answer.
  std::string parameter(std::size_t number) const {
    const auto& request = *database.submitted.front();
    const auto& one = request.parameters()[number];
    if (one.length < 0) return "<null>";
    return {request.parameter_data(one), static_cast<std::size_t>(one.length)};
  }
  std::string function() const { return database.submitted.front()->function->name; }
  static std::string bad_message(std::string_view errors) {
    return "{status=\"bad_message\" errors={" + std::string{errors} +
           "} reason=\"Invalid message.\"}";
  }

  const Family& family = GetParam();
  const engine::ConnectionId alice, claimer;
};

INSTANTIATE_TEST_SUITE_P(Families, Apiv1Invitations, ::testing::ValuesIn(families),
                         [](const auto& one) { return std::string{one.param.name}; });

TEST_P(Apiv1Invitations, FieldsOfTheInviter) {
  for (const auto* suffix : {"_invite", "_cancel_invitation"}) {
    send_command(alice, command(suffix));
    EXPECT_EQ(take_reply(alice),
              bad_message(family.own_field + R"(=["Missing data for required field."])"s));
    send_own(suffix, family.wrong_own_value);
    EXPECT_EQ(take_reply(alice),
              bad_message(family.own_field + "=[\""s + family.wrong_field_text + "\"]"));
  }
  EXPECT_TRUE(database.submitted.empty() && database.fences.empty());
}

TEST_P(Apiv1Invitations, FieldsOfTheInvited) {
  const std::string wrong = family.invited_field + "=[\""s + family.wrong_id_text + "\"]";
  send_invited("_get_invitation_creator", "a b");
  EXPECT_EQ(take_reply(claimer), bad_message(wrong));
  send_invited("_claim", "a b");
  EXPECT_EQ(take_reply(claimer),
            bad_message(wrong + R"( encrypted_claim=["Missing data for required field."])"));
  EXPECT_TRUE(database.submitted.empty() && database.fences.empty());
}

TEST_P(Apiv1Invitations, Invite) {
  struct Row {
    const char* status;
    std::string reply;
  };
  const Row rows[] = {
      {"not_allowed",
       R"({status="not_allowed" reason="Only allowed for user with ADMIN profile."})"},
      {"already_exists", "{status=\"already_exists\" reason=\""s + family.noun + " `" + family.id +
                             "` already exists\"}"},
  };
  for (const auto& row : rows) {
    send_own("_invite");
    pass_fence();
    EXPECT_EQ(function(), command("_invite"));
    EXPECT_EQ(parameter(0) + " " + parameter(1) + " " + parameter(2),
              "Org alice@dev1 "s + family.id);
    answer({{text_cell(row.status)}});
    EXPECT_EQ(take_reply(alice), row.reply);
  }
  send_own("_invite");
  pass_fence();
  answer({{text_cell("ok")}});
  event({"Org", Claimed{family.id, octets("claim")}});
  EXPECT_EQ(take_reply(alice), R"({status="ok" encrypted_claim=<5 bytes>})");
}

TEST_P(Apiv1Invitations, AnEmptyClaimMayBeALargeOne) {
  send_own("_invite");
  pass_fence();
  answer({{text_cell("ok")}});
  event({"Org", Claimed{family.id, {}}});
  EXPECT_EQ(function(), "kept_claim");
  EXPECT_EQ(parameter(1), family.id);
  answer({{text_cell("ok"), bytes_cell(octets("large"))}});
  EXPECT_EQ(take_reply(alice), R"({status="ok" encrypted_claim=<5 bytes>})");
}

TEST_P(Apiv1Invitations, Cancel) {
  send_own("_cancel_invitation");
  EXPECT_EQ(function(), command("_cancel_invitation"));
  EXPECT_EQ(parameter(2), family.id);
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(alice), R"({status="ok"})");
  send_own("_cancel_invitation");
  answer({{text_cell("not_allowed")}});
  EXPECT_EQ(take_reply(alice), R"({status="not_allowed" reason="User `alice` is not admin"})");
}

TEST_P(Apiv1Invitations, Creator) {
  send_invited("_get_invitation_creator", family.id);
  EXPECT_EQ(function(), command("_get_invitation_creator"));
  EXPECT_EQ(parameter(0) + " " + parameter(1), "Org "s + family.id);
  answer({{text_cell("not_found")}});
  EXPECT_EQ(take_reply(claimer), R"({status="not_found"})");

  send_invited("_get_invitation_creator", family.id);
  const auto row = [](const char* list, std::string_view certificate) {
    return CellRow{null_cell(), null_cell(), null_cell(), text_cell(list),
                   bytes_cell(octets(certificate))};
  };
  answer({{text_cell("ok"), bytes_cell(octets("u")), bytes_cell(octets("dd")), null_cell(),
           null_cell()},
          row("devices", "333"),
          row("users", "4444"),
          row("devices", "55555")});
  EXPECT_EQ(take_reply(claimer),
            "{status=\"ok\" device_certificate=<2 bytes> user_certificate=<1 bytes> "
            "trustchain={devices=[<3 bytes> <5 bytes>] users=[<4 bytes>] revoked_users=[]}}");
}

TEST_P(Apiv1Invitations, ClaimWithoutInvitation) {
  start_claim();
  EXPECT_EQ(function(), command("_claim"));
  answer({{text_cell("not_found")}});
  EXPECT_EQ(take_reply(claimer), R"({status="not_found"})");
}

TEST_P(Apiv1Invitations, ClaimsThatANotificationTellsAndOthers) {
  struct Row {
    std::string claim;
    bool kept;
  };
  const Row rows[] = {
      {"x", false}, {std::string(5'800, 'x'), false}, {"", true}, {std::string(6'000, 'x'), true}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.claim.size());
    start_claim(row.claim);
    EXPECT_EQ(parameter(3), row.kept ? row.claim : "<null>");
    const auto payload = parameter(2);
    EXPECT_LE((payload.size() + 2) / 3 * 4, 7'999u);
    const auto notification = msgpack::parse(as_bytes(payload));
    ASSERT_TRUE(notification);
    EXPECT_EQ(notification->find("__signal__")->str(), command(".claimed"));
    EXPECT_EQ(notification->find(is_user() ? "user_id" : "device_id")->str(), family.id);
    EXPECT_EQ(as_text(notification->find("encrypted_claim")->bin()), row.kept ? "" : row.claim);
    answer({{text_cell("not_found")}});
    take_sent(claimer);
  }
}

TEST_P(Apiv1Invitations, HowAClaimEnds) {
  const char* second = is_user() ? "device_certificate" : "encrypted_answer";
  const char* first = is_user() ? "user_certificate" : "device_certificate";
  struct Row {
    const char* name;
    Event::Content content;
    std::string reply;
  };
  const Row rows[] = {
      {"created", created("1", "22"),
       "{status=\"ok\" "s + first + "=<1 bytes> " + second + "=<2 bytes>}"},
      {"cancelled", InvitationCancelled{family.id},
       R"({status="denied" reason="Invitation creator rejected us."})"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    start_claim();
    answer({{text_cell("ok")}});
    event({"Org", Claimed{family.id, octets("claim")}});  // its own, and others'
    EXPECT_TRUE(take_sent(claimer).empty());
    event({"Org", row.content});
    EXPECT_EQ(take_reply(claimer), row.reply);
  }
  start_claim();
  answer({{text_cell("ok")}});
  EXPECT_EQ(transport[claimer].deadline, settings.claim_timeout);
  service.on_deadline(claimer);
  EXPECT_EQ(take_reply(claimer),
            "{status=\"timeout\" reason=\"Timeout while waiting for invitation creator to "
            "answer.\"}");
}

TEST_P(Apiv1Invitations, WhatTheEventHadNoRoomForIsReadBack) {
  const auto wait = [&] {
    start_claim();
    answer({{text_cell("ok")}});
    event({"Org", created("", "")});
    EXPECT_EQ(function(), is_user() ? "user_created" : "device_created");
    EXPECT_EQ(parameter(1), is_user() ? "zoe@first" : family.id);
  };
  wait();
  answer({{text_cell("ok"), bytes_cell(octets("333")), bytes_cell(octets("4444"))}});
  const auto reply = take_reply(claimer);
  EXPECT_TRUE(reply.contains("=<3 bytes>") && reply.contains("=<4 bytes>")) << reply;

  wait();
  answer({{text_cell("not_found"), null_cell(), null_cell()}});  // the database was emptied
  EXPECT_EQ(take_sent(claimer).back().close_code(), 1011);
}

TEST_P(Apiv1Invitations, AnExpiredOrganizationEndsTheConnection) {
  start_claim();
  answer({{text_cell("organization_expired")}});
  EXPECT_EQ(take_sent(claimer).back().close_code(), 1000);
}

}  // namespace
}  // namespace parsec::testing
