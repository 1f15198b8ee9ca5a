// protocol/commands/administration.cpp without a database (protocol/7-apiv1.md §7.1): the fields,
// and what each status of the database becomes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/functions/organization.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

class AdministrationCommands : public ::testing::Test, protected ServiceFixture {
 protected:
  AdministrationCommands() : admin(open_administration()) {}

  void ask(std::string_view cmd, std::string_view organization_id, bool with_date = false) {
    send_command(admin, cmd, with_date ? 2 : 1, [&](msgpack::Writer& writer) {
      writer.str("organization_id"), writer.str(organization_id);
      if (with_date) writer.str("expiration_date"), writer.nil();
    });
  }

  const engine::ConnectionId admin;
};

TEST_F(AdministrationCommands, Fields) {
  for (const auto* cmd : {"organization_create", "organization_status", "organization_stats",
                          "organization_update"}) {
    SCOPED_TRACE(cmd);
    ask(cmd, "not an ID", true);
    EXPECT_EQ(take_reply(admin),
              "{status=\"bad_message\" errors={organization_id=[\"Invalid organization ID\"]} "
              "reason=\"Invalid message.\"}");
  }
  ask("organization_update", "Org");
  EXPECT_EQ(take_reply(admin),
            "{status=\"bad_message\" errors={expiration_date=[\"Missing data for required "
            "field.\"]} reason=\"Invalid message.\"}");
  EXPECT_TRUE(database.submitted.empty());
}

TEST_F(AdministrationCommands, Replies) {
  struct Row {
    const char* cmd;
    std::vector<CellRow> rows;
    const char* reply;
  };
  const Row rows[] = {
      {"organization_create",
       {{text_cell("already_bootstrapped")}},
       R"({status="already_exists"})"},
      {"organization_status", {{text_cell("not_found")}}, R"({status="not_found"})"},
      {"organization_status",
       {{text_cell("ok"), bool_cell(true), null_cell()}},
       R"({status="ok" is_bootstrapped=true expiration_date=null})"},
      {"organization_stats", {{text_cell("not_found")}}, R"({status="not_found"})"},
      {"organization_stats",
       {{text_cell("ok"), int_cell(1), int_cell(2), int_cell(3)}},
       R"({status="ok" data_size=1 metadata_size=2 users=3})"},
      {"organization_update", {{text_cell("not_found")}}, R"({status="not_found"})"},
      {"organization_update", {{text_cell("ok"), bool_cell(false)}}, R"({status="ok"})"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.cmd);
    ask(row.cmd, "Org", true);
    answer(row.rows);
    EXPECT_EQ(take_reply(admin), row.reply);
  }
}

// The reply to what ends rights waits for the writes that began before.
TEST_F(AdministrationCommands, AnExpirationIsToldWhenNobodyWritesAnyMore) {
  ask("organization_update", "Org", true);
  answer({{text_cell("ok"), bool_cell(true)}});
  ASSERT_EQ(database.submitted.size(), 1U);
  const db::Request& waiting = *database.submitted[0];
  EXPECT_EQ(waiting.function, &db::functions::await_writes_function);
  const auto organization = waiting.parameters().front();
  EXPECT_EQ(std::string_view(waiting.parameter_data(organization),
                             static_cast<std::size_t>(organization.length)),
            "Org");
  answer({{text_cell("ok")}});
  EXPECT_EQ(take_reply(admin), R"({status="ok"})");
}

TEST_F(AdministrationCommands, EveryTokenIsANewOne) {
  std::vector<std::string> replies;
  for (int i = 0; i < 2; ++i) {
    ask("organization_create", "Org");
    answer({{text_cell("ok")}});
    replies.push_back(take_reply(admin));
    EXPECT_TRUE(replies.back().starts_with("{status=\"ok\" bootstrap_token=\"")) << replies.back();
    EXPECT_EQ(replies.back().size(),
              std::string{"{status=\"ok\" bootstrap_token=\"\"}"}.size() + 64);
  }
  EXPECT_NE(replies[0], replies[1]);
}

}  // namespace
}  // namespace parsec::testing
