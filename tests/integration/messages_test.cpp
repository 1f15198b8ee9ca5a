// protocol/4-commands.md §4.3: message_get, and the numbers of messages.
#include <limits>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Messages : public IntegrationTest {
 protected:
  /// One message for each body, by roles that change.
  static void send(Session& author, Uuid realm_id, const char* user,
                   const std::vector<std::string>& bodies) {
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      author.share(realm_id, user, i % 2 == 0 ? "READER" : "CONTRIBUTOR", Octets{bodies[i]});
    }
  }
  static Array bodies_from(Session& session, const Document& offset = 0) {
    Array got;
    const Document reply = session.require("message_get", {{"offset", offset}});
    for (const Document& message : reply["messages"].array()) {
      got.push_back(list(message["count"], message["body"]));
    }
    return got;
  }
};

TEST_F(Messages, Offsets) {
  auto [alice, bob] = pair();
  EXPECT_THAT(bob.call("message_get", {{"offset", 0}}), Ok({{"messages", list()}}));
  const Uuid realm_id = alice.create_realm();
  send(alice, realm_id, "bob", {"1", "2", "3", "4", "5"});
  EXPECT_THAT(alice.call("message_get", {{"offset", 0}}), Ok({{"messages", list()}}));
  struct Row {
    const char* name;
    Document offset;
    int first;
  };
  const std::vector<Row> rows{
      {"0", 0, 1},
      {"1", 1, 2},
      {"text", "1", 2},
      {"float", 1.9, 2},
      {"true", true, 2},
      {"4", 4, 5},
      {"all of them", 5, 6},
      {"more", 6, 6},
      {"int32", std::numeric_limits<std::int32_t>::max(), 6},
      {"beyond int32", std::int64_t{1} << 31, 6},
      {"int64", std::numeric_limits<std::int64_t>::max(), 6},
      {"beyond int64", std::uint64_t{1} << 63, 6},
      {"the largest", std::numeric_limits<std::uint64_t>::max(), 6},
  };
  for_each_row(rows, [&](const Row& row) {
    Array wanted;
    for (int i = row.first; i <= 5; ++i) wanted.push_back(list(i, Octets{std::to_string(i)}));
    EXPECT_EQ(Document(bodies_from(bob, row.offset)), Document(wanted));
  });
  for (const std::int64_t negative : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_THAT(bob.call("message_get", {{"offset", negative}}), Status("bad_message"));
  }
}

TEST_F(Messages, OneRowForEachRecipientFromAllSenders) {
  auto [alice, bob] = pair();
  Organization& organization = alice.organization();
  Session carol = organization.connect(alice.add_user("carol", "OUTSIDER"));
  Session dave = organization.connect(alice.add_user("dave"), there());
  Session dev2 = organization.connect(alice.add_device("dev2"));
  Array to_bob;
  int number = 0;
  for (Session* sender : {&alice, &dave, &dev2, &dave, &alice}) {
    const Uuid realm_id = sender->create_realm();
    const Octets body{"from " + std::to_string(++number)};
    // The order is that of the commits, whatever the timestamps say.
    const DateTime at = now() + (number % 2 == 0 ? 5min : -5min);
    sender->require("realm_update_roles",
                    {{"role_certificate", sender->role(realm_id, "bob", "READER", at)},
                     {"recipient_message", body}});
    sender->share(realm_id, "carol", "READER", Octets{"c" + std::to_string(number)});
    to_bob.push_back(
        Map{{"count", number}, {"sender", sender->device().id}, {"timestamp", at}, {"body", body}});
  }
  // Every device of the user reads the same, on every server and API version.
  Session second = organization.connect(bob.add_device("dev2"), there());
  Session old = again(bob, {}, 1);
  for (Session* reader : {&bob, &second, &old}) {
    EXPECT_THAT(reader->call("message_get", {{"offset", 0}}), Ok({{"messages", to_bob}}));
  }
  EXPECT_EQ(Document(bodies_from(carol, 3)), list(list(4, "c4"_bin), list(5, "c5"_bin)));
  auto [stranger, other_bob] = pair();
  EXPECT_EQ(bodies_from(other_bob).size(), 0u);
}

TEST_F(Messages, BodiesOfAnySize) {
  auto [alice, bob] = pair();
  const Uuid realm_id = alice.create_realm();
  const std::vector<std::string> bodies{random_octets(1).bytes, random_octets(102'400).bytes,
                                        random_octets(1'048'576).bytes};
  send(alice, realm_id, "bob", bodies);
  const Array got = bodies_from(bob);
  ASSERT_EQ(got.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(got[i] == list(i + 1, Octets{bodies[i]})) << i;
  }
}

TEST_F(Messages, OfReencryptions) {
  auto [alice, bob] = pair();
  Session olga = alice.organization().connect(alice.add_user("olga", "OUTSIDER"));
  Session zoe = alice.organization().connect(alice.add_user("zoe"));
  const Uuid realm_id = alice.create_realm();
  alice.share(realm_id, "bob", "READER", "earlier"_bin);
  alice.share(realm_id, "olga", "READER");
  alice.share(realm_id, "zoe", "READER");
  alice.share(realm_id, "zoe", nullptr);
  const DateTime at = now() - 1min;
  const Map first{{"alice", "to alice"_bin}, {"bob", random_octets(50'000)}, {"olga", ""_bin}};
  alice.require("realm_start_reencryption_maintenance", {{"realm_id", realm_id},
                                                         {"encryption_revision", 2},
                                                         {"timestamp", at},
                                                         {"per_participant_message", first}});
  const auto message = [&](int count, const char* user) {
    return Map{
        {"count", count}, {"sender", "alice@dev1"}, {"timestamp", at}, {"body", *first.find(user)}};
  };
  EXPECT_THAT(alice.call("message_get", {{"offset", 0}}),
              Ok({{"messages", list(message(1, "alice"))}}));
  EXPECT_THAT(bob.call("message_get", {{"offset", 1}}),
              Ok({{"messages", list(message(2, "bob"))}}));
  // An empty message is one, too, here.
  EXPECT_THAT(olga.call("message_get", {{"offset", 0}}),
              Ok({{"messages", list(message(1, "olga"))}}));
  EXPECT_THAT(zoe.call("message_get", {{"offset", 0}}), Ok({{"messages", list()}}));
  alice.finish_reencryption(realm_id);
  alice.start_reencryption(realm_id, {{"alice", "2"_bin}, {"bob", "2"_bin}, {"olga", "2"_bin}}, 3);
  EXPECT_EQ(Document(bodies_from(bob, 2)), list(list(3, "2"_bin)));
}

TEST_F(Messages, ManyAtOnce) {
  auto [alice, bob] = pair();
  const Uuid realm_id = alice.create_realm();
  std::vector<std::string> bodies;
  Array wanted;
  for (int i = 1; i <= 60; ++i) {
    bodies.push_back(std::to_string(i));
    wanted.push_back(list(i, Octets{std::to_string(i)}));
  }
  send(alice, realm_id, "bob", bodies);
  EXPECT_EQ(Document(bodies_from(bob)), Document(wanted));
}

}  // namespace
}  // namespace parsec::testing
