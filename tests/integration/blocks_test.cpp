// protocol/4-commands.md §4.7: block_create, block_read.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Blocks : public IntegrationTest {
 protected:
  static Document create(Session& author, Uuid realm_id, Uuid block_id = new_uuid(),
                         const Octets& block = "block"_bin) {
    return author.call("block_create",
                       {{"block_id", block_id}, {"realm_id", realm_id}, {"block", block}});
  }
  static Document read(Session& reader, Uuid block_id) {
    return reader.call("block_read", {{"block_id", block_id}});
  }
  static ReplyMatcher Block(const Octets& block) { return Ok({{"block", block}}); }
};

TEST_F(Blocks, OfAnySize) {
  constexpr std::size_t mib = 1'048'576;
  Session alice = this->alice();
  Session elsewhere = again(alice, there());
  const Uuid realm_id = alice.create_realm();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256}, std::size_t{65'535},
        std::size_t{65'536}, mib / 2 + 1, mib - 1, mib}) {
    const Octets block = random_octets(size);
    const Uuid block_id = new_uuid();
    EXPECT_THAT(create(alice, realm_id, block_id, block), Ok()) << size;
    EXPECT_TRUE(read(elsewhere, block_id)["block"] == Document(block)) << size;
  }
  const Uuid too_large = new_uuid();
  EXPECT_EQ(create(alice, realm_id, too_large, Octets{mib + 1, 'x'}), invalid_format);
  alice.wait_end();
  EXPECT_THAT(read(elsewhere, too_large), Status("not_found"));
}

TEST_F(Blocks, Pipelined) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Octets> blocks;
  for (int i = 0; i < 12; ++i) {
    const Uuid block_id = new_uuid();
    blocks.push_back(random_octets(20'000));
    alice.start("block_create",
                {{"block_id", block_id}, {"realm_id", realm_id}, {"block", blocks.back()}});
    alice.start("block_read", {{"block_id", block_id}});
  }
  for (const Octets& block : blocks) {
    EXPECT_THAT(alice.reply(), Ok());
    EXPECT_THAT(alice.reply(), Block(block));
  }
}

TEST_F(Blocks, RightsByRole) {
  for (const char* profile : {"STANDARD", "OUTSIDER"}) {
    Session alice = this->alice();
    Session bob = alice.organization().connect(alice.add_user("bob", profile));
    for (const Document& role : every_role) {
      if (profile == std::string_view{"OUTSIDER"} &&
          (role == Document("OWNER") || role == Document("MANAGER"))) {
        continue;
      }
      SCOPED_TRACE(role_name(role));
      const Uuid realm_id = alice.create_realm();
      if (!role.is_nil()) alice.share(realm_id, "bob", role);
      const Uuid theirs = alice.create_block(realm_id);
      const bool writes = !role.is_nil() && role != Document("READER");
      const Uuid block_id = new_uuid();
      EXPECT_THAT(create(bob, realm_id, block_id), Status(writes ? "ok" : "not_allowed"));
      EXPECT_THAT(read(bob, theirs), Status(role.is_nil() ? "not_allowed" : "ok"));
      EXPECT_THAT(read(alice, block_id), Status(writes ? "ok" : "not_found"));
    }
  }
}

TEST_F(Blocks, RightsThatAreWithdrawn) {
  auto [alice, bob, realm_id] = realm_pair("CONTRIBUTOR");
  const Uuid block_id = bob.create_block(realm_id);
  alice.share(realm_id, "bob", "READER");
  EXPECT_THAT(create(bob, realm_id), Status("not_allowed"));
  EXPECT_THAT(read(bob, block_id), Status("ok"));
  alice.share(realm_id, "bob", nullptr);
  EXPECT_THAT(read(bob, block_id), Status("not_allowed"));
  alice.share(realm_id, "bob", "OWNER");
  EXPECT_THAT(create(bob, realm_id), Ok());
}

TEST_F(Blocks, CreateChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  Session stranger = this->alice();
  const Uuid elsewhere = stranger.create_realm();
  const Uuid taken = alice.create_block(realm_id, "first"_bin);
  for (const Uuid unknown : {new_uuid(), elsewhere}) {
    EXPECT_THAT(create(bob, unknown, taken), Status("not_found"));
  }
  EXPECT_THAT(create(bob, realm_id, taken), Status("not_allowed"));
  // The ID is taken in the organization, whichever realm asks.
  const Uuid other_realm = bob.create_realm();
  for (const Octets& block : {"first"_bin, "second"_bin}) {
    EXPECT_THAT(create(alice, realm_id, taken, block), Status("already_exists"));
    EXPECT_THAT(create(bob, other_realm, taken, block), Status("already_exists"));
  }
  EXPECT_THAT(create(stranger, elsewhere, taken, "theirs"_bin), Ok());
  EXPECT_THAT(read(alice, taken), Block("first"_bin));
  EXPECT_THAT(read(stranger, taken), Block("theirs"_bin));
  EXPECT_THAT(alice.call("realm_stats", {{"realm_id", realm_id}}),
              Ok({{"blocks_size", 5}, {"vlobs_size", 0}}));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  for (Session* session : {&alice, &bob}) {
    EXPECT_THAT(create(*session, realm_id, taken), Status("in_maintenance"));
  }
}

TEST_F(Blocks, ReadChecksInTheirOrder) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  Session carol = alice.organization().connect(alice.add_user("carol"));
  Session stranger = this->alice();
  const Uuid block_id = alice.create_block(realm_id);
  const Uuid other = alice.create_block(alice.create_realm(), "other"_bin);
  EXPECT_THAT(read(carol, new_uuid()), Status("not_found"));
  EXPECT_THAT(read(stranger, block_id), Status("not_found"));
  EXPECT_THAT(read(carol, block_id), Status("not_allowed"));
  alice.start_reencryption(realm_id, {{"alice", ""_bin}, {"bob", ""_bin}});
  for (Session* session : {&alice, &bob, &carol}) {
    EXPECT_THAT(read(*session, block_id), Status("in_maintenance"));
  }
  EXPECT_THAT(read(alice, other), Block("other"_bin));  // another realm is not concerned
  alice.finish_reencryption(realm_id);
  EXPECT_THAT(read(bob, block_id), Block("block"_bin));
}

TEST_F(Blocks, IdsOfEachKindAreApart) {
  Session alice = this->alice();
  const Uuid id = alice.create_realm();
  alice.create_vlob(id, "vlob"_bin, id);
  EXPECT_THAT(create(alice, id, id), Ok());
  EXPECT_THAT(read(alice, id), Block("block"_bin));
}

TEST_F(Blocks, AsTheDatabaseHasThem) {
  auto [alice, bob, realm_id] = realm_pair("READER");
  DatabaseProbe rows = database();
  // Deleted: not found, and its ID stays taken.
  const Uuid deleted = alice.create_block(realm_id);
  rows.execute("UPDATE block SET deleted_on = now() WHERE block_id = $1", {deleted});
  EXPECT_THAT(read(alice, deleted), Status("not_found"));
  EXPECT_THAT(create(alice, realm_id, deleted), Status("already_exists"));
  // Missing in the store.
  const Uuid lost = alice.create_block(realm_id);
  rows.execute("DELETE FROM block_data WHERE block_id = $1", {lost});
  EXPECT_THAT(read(alice, lost), Status("not_found"));
  // Left in the store by an attempt that failed before its metadata: invisible, and no obstacle.
  for (const Octets& block : {"block"_bin, "of another attempt"_bin}) {
    const Uuid half = new_uuid();
    rows.execute("INSERT INTO block_data (organization_id, block_id, data) VALUES ($1, $2, $3)",
                 {alice.organization_id(), half, "block"_bin});
    EXPECT_THAT(read(alice, half), Status("not_found"));
    EXPECT_THAT(create(alice, realm_id, half, block), Ok());
    EXPECT_THAT(read(alice, half), Block("block"_bin));
  }
  // Refused: neither metadata nor data.
  const Uuid refused = new_uuid();
  EXPECT_THAT(create(bob, realm_id, refused), Status("not_allowed"));
  EXPECT_THAT(create(alice, new_uuid(), refused), Status("not_found"));
  for (const char* table : {"block", "block_data"}) {
    EXPECT_EQ(rows.value("SELECT count(*) FROM " + std::string{table} + " WHERE block_id = $1",
                         {refused}),
              Document(0));
  }
}

}  // namespace
}  // namespace parsec::testing
