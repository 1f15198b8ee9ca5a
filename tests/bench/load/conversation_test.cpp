// What a connection of the generator says, with replies that the test makes up.
#include "bench/load/conversation.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace parsec::bench {
namespace {

using Fill = std::function<void(msgpack::Writer&)>;

class ConversationTest : public ::testing::Test {
 protected:
  void begin(std::vector<CommandShare> commands) {
    scenario.commands = std::move(commands);
    conversation.emplace(population, scenario, DeviceNumber{}, 3, random);
    conversation->restart();
  }

  /// Everything it says before its first request, by command.
  std::vector<std::string> prepared() {
    std::vector<std::string> said;
    engine::OutputBuffer out;
    msgpack::Writer writer{out};
    while (conversation->prepare(writer)) {
      said.push_back(text(out, "cmd"));
      out.clear();
    }
    EXPECT_TRUE(out.empty());
    return said;
  }
  /// Sends the first of the scenario's commands, and answers whatever it says with these.
  std::vector<std::string> request(const std::vector<Fill>& replies) {
    const CommandShare& share = scenario.commands.front();
    engine::OutputBuffer out;
    msgpack::Writer writer{out};
    conversation->begin(share, writer);
    std::vector<std::string> said{text(out, "cmd")};
    for (const Fill& fill : replies) {
      engine::OutputBuffer reply;
      msgpack::Writer reply_writer{reply};
      fill(reply_writer);
      out.clear();
      if (!conversation->goes_on(share, *msgpack::parse(reply.bytes()), writer)) break;
      said.push_back(text(out, "cmd"));
      last_ = std::vector<std::byte>(out.bytes().begin(), out.bytes().end());
    }
    return said;
  }
  static std::string text(const engine::OutputBuffer& out, std::string_view field) {
    const auto message = msgpack::parse(out.bytes());
    return message ? std::string{message->find(field)->str()} : "nothing";
  }
  static void ok(msgpack::Writer& out) {
    out.map(1);
    out.str("status");
    out.str("ok");
  }
  static void refused(msgpack::Writer& out) {
    out.map(1);
    out.str("status");
    out.str("in_maintenance");
  }
  static Fill batch(std::uint32_t entries) {
    return [entries](msgpack::Writer& out) {
      out.map(2);
      out.str("status");
      out.str("ok");
      out.str("batch");
      out.array(entries);
      for (std::uint32_t i = 0; i < entries; ++i) out.str("entry");
    };
  }

  Scenario scenario;
  const Population population{"talk", {}};
  std::mt19937_64 random{1};
  std::optional<Conversation> conversation;
  std::vector<std::byte> last_;
};

using Said = std::vector<std::string>;

TEST_F(ConversationTest, MakesWhatItsRequestsNeed) {
  begin({{.command = Command::ping}, {.command = Command::vlob_read}});
  EXPECT_EQ(prepared(), Said{});
  begin({{.command = Command::vlob_update}, {.command = Command::block_read}});
  EXPECT_EQ(prepared(), (Said{"vlob_create", "block_create"}));
  begin({{.command = Command::block_read, .bytes = 1}, {.command = Command::block_read}});
  EXPECT_EQ(prepared(), (Said{"block_create", "block_create"}));
  begin({{.command = Command::reencryption, .vlobs = 2}});
  EXPECT_EQ(prepared(), (Said{"realm_create", "vlob_create", "vlob_create"}));
  conversation->restart();
  EXPECT_EQ(prepared(), (Said{"realm_create", "vlob_create", "vlob_create"}));
}

TEST_F(ConversationTest, VersionsFollowTheRepliesThatWereOk) {
  begin({{.command = Command::vlob_update}});
  prepared();
  EXPECT_EQ(conversation->next_version(), 2);
  EXPECT_EQ(request({ok}), Said{"vlob_update"});
  EXPECT_EQ(conversation->next_version(), 3);
  request({refused});
  EXPECT_EQ(conversation->next_version(), 3);
}

TEST_F(ConversationTest, AReencryptionGoesOnUntilNothingIsLeft) {
  begin({{.command = Command::reencryption, .vlobs = 1, .batch = 2}});
  prepared();
  EXPECT_EQ(
      request({ok, batch(2), ok, batch(1), ok, batch(0), ok}),
      (Said{"realm_start_reencryption_maintenance", "vlob_maintenance_get_reencryption_batch",
            "vlob_maintenance_save_reencryption_batch", "vlob_maintenance_get_reencryption_batch",
            "vlob_maintenance_save_reencryption_batch", "vlob_maintenance_get_reencryption_batch",
            "realm_finish_reencryption_maintenance"}));
  const auto finish = msgpack::parse(last_);
  ASSERT_TRUE(finish);
  EXPECT_EQ(finish->find("encryption_revision")->integer(), 2);
  EXPECT_EQ(request({refused}), Said{"realm_start_reencryption_maintenance"});
}

}  // namespace
}  // namespace parsec::bench
