// protocol/4-commands.md, "Concurrency": writers of vlobs and blocks at once, on both servers in
// turn.
#include "tests/integration/concurrency.h"

#include <map>
#include <set>

namespace parsec::testing {
namespace {

// --- Vlobs ---------------------------------------------------------------------------------------

TEST_F(Concurrency, WritersOfOneVersion) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid vlob_id = alice.create_vlob(realm_id);
  std::vector<Session> writers = several(alice, 20);
  for (const int version : {2, 3, 4}) {
    const std::size_t winner = expect_one_ok(
        at_once(writers, "vlob_update",
                [&](std::size_t i) { return Session::update_fields(vlob_id, version, by(i)); }),
        "bad_version");
    const Document got =
        alice.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
    EXPECT_EQ(got["version"], Document(version));
    EXPECT_EQ(got["blob"], Document(by(winner)));
    EXPECT_EQ(poll(alice, realm_id)["current_checkpoint"], Document(version));
  }
}

TEST_F(Concurrency, CreatorsOfOneVlobInOneRealm) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> writers = several(alice, 12);
  for (int round = 1; round <= 3; ++round) {
    const Uuid vlob_id = new_uuid();
    const std::size_t winner =
        expect_one_ok(at_once(writers, "vlob_create",
                              [&](std::size_t i) { return creation(realm_id, vlob_id, by(i)); }),
                      "already_exists");
    EXPECT_EQ(alice.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}})["blob"],
              Document(by(winner)));
    EXPECT_EQ(poll(alice, realm_id)["current_checkpoint"], Document(round));
  }
}

TEST_F(Concurrency, RealmsRacingForOneVlob) {
  Session alice = this->alice();
  std::vector<Session> writers = several(alice, 6);
  std::vector<Uuid> realms;
  for (std::size_t i = 0; i < writers.size(); ++i) realms.push_back(alice.create_realm());
  std::map<std::size_t, std::int64_t> wins;
  for (int round = 0; round < 20; ++round) {
    const Uuid vlob_id = new_uuid();
    const std::size_t winner =
        expect_one_ok(at_once(writers, "vlob_create",
                              [&](std::size_t i) { return creation(realms[i], vlob_id, by(i)); }),
                      "already_exists");
    ++wins[winner];
    EXPECT_EQ(alice.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}})["blob"],
              Document(by(winner)));
    EXPECT_NE(poll(alice, realms[winner])["changes"].map().find(vlob_id), nullptr);
  }
  for (std::size_t i = 0; i < realms.size(); ++i) {
    EXPECT_EQ(poll(alice, realms[i])["current_checkpoint"], Document(wins[i]));
    EXPECT_EQ(poll(alice, realms[i])["changes"].map().size(), static_cast<std::size_t>(wins[i]));
  }
}

TEST_F(Concurrency, CheckpointsWithoutGaps) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> writers = several(alice, 6);
  constexpr int each = 12;
  Map wanted;
  for (Session& writer : writers) {
    const Uuid vlob_id = new_uuid();
    wanted.set(vlob_id, each);
    writer.start("vlob_create", creation(realm_id, vlob_id));
    for (int version = 2; version <= each; ++version) {
      writer.start("vlob_update", Session::update_fields(vlob_id, version));
    }
  }
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) EXPECT_THAT(writer.reply(), Ok());
  }
  const auto total = static_cast<std::int64_t>(each * writers.size());
  EXPECT_EQ(poll(alice, realm_id),
            Document(Map{{"status", "ok"}, {"changes", wanted}, {"current_checkpoint", total}}));
  // Going back one checkpoint at a time, at most one vlob appears at each.
  std::size_t known = 0;
  for (std::int64_t checkpoint = total; checkpoint > 0; --checkpoint) {
    const std::size_t count = poll(alice, realm_id, checkpoint - 1)["changes"].map().size();
    EXPECT_LE(count - known, 1u) << checkpoint;
    known = count;
  }
  EXPECT_EQ(known, writers.size());
}

TEST_F(Concurrency, PollingNeverSkips) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> writers = several(alice, 6);
  std::vector<Session> pollers = several(alice, 4);
  constexpr int each = 20;
  std::set<Uuid> created;
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) {
      const Uuid vlob_id = new_uuid();
      created.insert(vlob_id);
      writer.start("vlob_create", creation(realm_id, vlob_id));
    }
  }
  struct Follower {
    std::set<Uuid> seen;
    std::int64_t checkpoint = 0;
  };
  std::vector<Follower> followers(pollers.size());
  const auto ask = [&](std::size_t i) {
    pollers[i].start("vlob_poll_changes",
                     {{"realm_id", realm_id}, {"last_checkpoint", followers[i].checkpoint}});
  };
  for (std::size_t i = 0; i < pollers.size(); ++i) ask(i);
  std::size_t left = pollers.size();
  while (left > 0) {
    for (std::size_t i = 0; i < pollers.size(); ++i) {
      Follower& follower = followers[i];
      if (follower.seen.size() == created.size()) continue;
      const Document reply = pollers[i].reply();
      ASSERT_THAT(reply, Status("ok"));
      // Every change creates a vlob: as many new ones as the checkpoint advanced by.
      const auto advance = reply["current_checkpoint"].integer() - follower.checkpoint;
      ASSERT_EQ(reply["changes"].map().size(), static_cast<std::size_t>(advance));
      for (const auto& [vlob_id, version] : reply["changes"].map().entries()) {
        ASSERT_TRUE(follower.seen.insert(vlob_id.uuid()).second) << "shown twice";
      }
      follower.checkpoint += advance;
      if (follower.seen.size() == created.size()) {
        --left;
      } else {
        ask(i);
      }
    }
  }
  for (const Follower& follower : followers) EXPECT_EQ(follower.seen, created);
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) EXPECT_THAT(writer.reply(), Ok());
  }
}

TEST_F(Concurrency, BesideAServerThatCountsForItself) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  const Uuid foreign = new_uuid();
  alice.create_vlob(realm_id, "1"_bin, foreign);
  DatabaseProbe other_server = database();
  std::vector<Session> writers = several(alice, 4);
  constexpr int each = 25;
  Map wanted;
  for (Session& writer : writers) {
    const Uuid vlob_id = new_uuid();
    wanted.set(vlob_id, each);
    writer.start("vlob_create", creation(realm_id, vlob_id));
    for (int version = 2; version <= each; ++version) {
      writer.start("vlob_update", Session::update_fields(vlob_id, version));
    }
    writer.socket().flush(within(patience));
  }
  // It computes MAX + 1 without a lock, and tries again when somebody else took the number.
  int last = 1;
  for (int attempt = 0; attempt < 60; ++attempt) {
    try {
      other_server.execute(
          "WITH place AS (SELECT a.organization, a.vlob_encryption_revision, a.author, v.realm"
          "  FROM vlob_atom AS a JOIN vlob_encryption_revision AS v"
          "  ON v._id = a.vlob_encryption_revision WHERE vlob_id = $1 AND version = 1),"
          " atom AS (INSERT INTO vlob_atom (organization, vlob_encryption_revision, vlob_id,"
          "  version, blob, size, author, created_on)"
          "  SELECT organization, vlob_encryption_revision, $1, $2::text::int, '', 0, author, now()"
          "  FROM place RETURNING _id)"
          " INSERT INTO realm_vlob_update (realm, index, vlob_atom)"
          " SELECT realm, (SELECT max(index) + 1 FROM realm_vlob_update AS u"
          "  WHERE u.realm = place.realm), atom._id FROM place, atom",
          {foreign, std::to_string(last + 1)});
      ++last;
    } catch (const DatabaseError& error) {
      ASSERT_EQ(error.sqlstate, "23505") << error.what();  // unique_violation
    }
  }
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) EXPECT_THAT(writer.reply(), Ok());
  }
  wanted.set(foreign, last);
  EXPECT_GT(last, 1);
  const int total = each * static_cast<int>(writers.size()) + last;
  EXPECT_EQ(poll(alice, realm_id),
            Document(Map{{"status", "ok"}, {"changes", wanted}, {"current_checkpoint", total}}));
}

// --- Blocks --------------------------------------------------------------------------------------

TEST_F(Concurrency, CreatorsOfOneBlock) {
  Session alice = this->alice();
  std::vector<Session> creators = several(alice, 6);
  std::vector<Uuid> realms;
  for (std::size_t i = 0; i < creators.size(); ++i) realms.push_back(alice.create_realm());
  for (const std::size_t size : {10u, 100'000u}) {
    for (const bool one_realm : {true, false}) {
      const Uuid block_id = new_uuid();
      const Octets block{size, 'b'};
      const std::size_t winner =
          expect_one_ok(at_once(creators, "block_create",
                                [&](std::size_t i) {
                                  return Map{{"block_id", block_id},
                                             {"realm_id", realms[one_realm ? 0 : i]},
                                             {"block", block}};
                                }),
                        "already_exists");
      EXPECT_THAT(alice.call("block_read", {{"block_id", block_id}}), Ok({{"block", block}}));
      const Document realm_stats =
          alice.call("realm_stats", {{"realm_id", realms[one_realm ? 0 : winner]}});
      EXPECT_GE(realm_stats["blocks_size"].integer(), static_cast<std::int64_t>(size));
    }
  }
}

TEST_F(Concurrency, BlocksAtTheStartOfAMaintenance) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> writers = several(alice, 4);
  constexpr int each = 12;
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) {
      writer.start(
          "block_create",
          {{"block_id", new_uuid()}, {"realm_id", realm_id}, {"block", Octets{1000, 'b'}}});
    }
    writer.socket().flush(within(patience));
  }
  alice.start_reencryption(realm_id, {{"alice", ""_bin}});
  std::int64_t made = 0;
  for (Session& writer : writers) {
    for (int i = 0; i < each; ++i) {
      const Document reply = writer.reply();
      if (reply["status"] == Document("ok")) {
        ++made;
      } else {
        EXPECT_THAT(reply, Status("in_maintenance"));
      }
    }
  }
  EXPECT_EQ(alice.call("realm_stats", {{"realm_id", realm_id}})["blocks_size"],
            Document(1000 * made));
}

TEST_F(Concurrency, MoreBlocksThanDatabaseConnections) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> connections = several(alice, 40);
  std::vector<Uuid> blocks;
  for (std::size_t i = 0; i < connections.size(); ++i) blocks.push_back(new_uuid());
  const auto content = [](std::size_t i) { return Octets{100'000, static_cast<char>(i)}; };
  expect_all_ok(at_once(connections, "block_create", [&](std::size_t i) {
    return Map{{"block_id", blocks[i]}, {"realm_id", realm_id}, {"block", content(i)}};
  }));
  const std::vector<Document> replies = at_once(connections, "block_read", [&](std::size_t i) {
    return Map{{"block_id", blocks[i]}};
  });
  for (std::size_t i = 0; i < replies.size(); ++i) {
    EXPECT_TRUE(replies[i]["block"] == Document(content(i))) << i;
  }
}

}  // namespace
}  // namespace parsec::testing
