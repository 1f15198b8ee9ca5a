// db/blocks/block_store_raid.h over nodes that a test scripts: which are asked, and what comes of
// their answers, in whatever order these come.
#include "db/blocks/block_store_raid.h"

#include <gtest/gtest.h>

#include <map>

#include "db/blocks/block_store_postgresql.h"
#include "db/blocks/raid_layout.h"
#include "db/functions/block.h"
#include "tests/support/scripted_database.h"

namespace parsec::db {
namespace {

using Kind = BlockJob::Kind;
using Raid = BlockStoreConfig::Raid;

/// A store whose answers are given by hand.
class ScriptedNode final : public BlockStore {
 public:
  ~ScriptedNode() override {
    for (auto* job : asked) release(job);
    for (auto* job : answered_) release(job);
  }
  bool submit(BlockJob* job) override {
    if (full) return false;
    asked.push_back(job);
    return true;
  }
  BlockJob* next_completion() override {
    if (answered_.empty()) return nullptr;
    auto* job = answered_.front();
    answered_.pop_front();
    return job;
  }
  bool has_completions() const override { return !answered_.empty(); }

  /// The oldest question: as a store with those contents does.
  void answer() {
    auto* job = asked.front();
    job->outcome = BlockOutcome::ok;
    if (job->kind == Kind::create) {
      contents.emplace(job->block_id, as_text(job->data));
    } else if (const auto found = contents.find(job->block_id); found != contents.end()) {
      const auto bytes = as_bytes(found->second);
      job->data.assign(bytes.begin(), bytes.end());
      job->found = job->data;
    } else {
      job->outcome = BlockOutcome::not_found;
    }
    finish();
  }
  void time_out() {
    asked.front()->outcome = BlockOutcome::timeout;
    finish();
  }

  bool full = false;
  std::deque<BlockJob*> asked;
  std::map<Uuid, std::string> contents;

 private:
  void finish() {
    answered_.push_back(asked.front());
    asked.pop_front();
  }
  std::deque<BlockJob*> answered_;
};

class Set {
 public:
  Set(Raid raid, std::size_t nodes) {
    std::vector<std::shared_ptr<BlockStore>> stores;
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_shared<ScriptedNode>());
      stores.push_back(nodes_.back());
    }
    raid_ = std::make_unique<RaidBlockStore>(raid, std::move(stores));
  }
  ScriptedNode& operator[](std::size_t node) { return *nodes_[node]; }

  void create(std::string_view data, const Uuid& id = {}) {
    ASSERT_TRUE(submit(Kind::create, data, id));
  }
  void read(const Uuid& id = {}) { ASSERT_TRUE(submit(Kind::read, {}, id)); }
  bool submit(Kind kind, std::string_view data, const Uuid& id, engine::FlowKey flow = {}) {
    auto* job = raid_->acquire();
    job->kind = kind;
    job->tag = 7;
    job->flow = flow;
    job->since = since;
    job->organization_id = "Org";
    job->block_id = id;
    const auto bytes = as_bytes(data);
    job->data.assign(bytes.begin(), bytes.end());
    if (raid_->submit(job)) return true;
    raid_->release(job);
    return false;
  }

  /// "" if nothing is completed yet.
  std::string result() {
    auto* job = raid_->next_completion();
    if (job == nullptr) return "";
    EXPECT_EQ(job->tag, 7U);
    std::string text = job->outcome == BlockOutcome::timeout     ? "timeout"
                       : job->outcome == BlockOutcome::not_found ? "not found"
                       : job->kind == Kind::create               ? "ok"
                                                   : "<" + std::string{as_text(job->found)} + ">";
    raid_->release(job);
    return text;
  }
  /// How many questions wait at each node, as digits.
  std::string asked() {
    std::string text;
    for (const auto& node : nodes_) text += std::to_string(node->asked.size());
    return text;
  }
  /// Each letter for a node: answers (a), times out (t), nothing (-).
  std::string answer(std::string_view what) {
    for (std::size_t node = 0; node < what.size(); ++node) {
      if (what[node] == 'a') nodes_[node]->answer();
      if (what[node] == 't') nodes_[node]->time_out();
    }
    return result();
  }
  std::string created(std::string_view data, const Uuid& id = {}) {
    create(data, id);
    return answer(std::string(nodes_.size(), 'a'));
  }

  const std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

 private:
  std::vector<std::shared_ptr<ScriptedNode>> nodes_;
  std::unique_ptr<RaidBlockStore> raid_;
};

TEST(Raid0, EachBlockHasItsNode) {
  Set set{Raid::raid0, 3};
  const auto id = *Uuid::parse("00000000-0000-0000-0000-000000000005");  // 5 mod 3 = 2
  set.create("block", id);
  EXPECT_EQ(set.asked(), "001");
  EXPECT_EQ(set.answer("--a"), "ok");
  EXPECT_EQ(set[2].contents[id], "block");
  set.read(id);
  EXPECT_EQ(set.asked(), "001");
  EXPECT_EQ(set.answer("--a"), "<block>");
  set.read(*Uuid::parse("00000000-0000-0000-0000-000000000003"));
  EXPECT_EQ(set.answer("a"), "not found");
  set.read(id);
  EXPECT_EQ(set.answer("--t"), "timeout");
}

TEST(Raid1, WritesEverywhere) {
  Set set{Raid::raid1, 3};
  set.create("block");
  EXPECT_EQ(set.asked(), "111");
  EXPECT_EQ(set.answer("aa-"), "");
  EXPECT_EQ(set.answer("--a"), "ok");
  for (std::size_t node = 0; node < 3; ++node) EXPECT_EQ(set[node].contents[Uuid{}], "block");
  set.create("block");
  EXPECT_EQ(set.answer("a-t"), "timeout");
  EXPECT_EQ(set.answer("-a-"), "");  // too late, and no harm
}

TEST(Raid1, ReadsFromTheFirstThatAnswers) {
  Set set{Raid::raid1, 3};
  EXPECT_EQ(set.created("block"), "ok");
  set.read();
  EXPECT_EQ(set.asked(), "100");
  EXPECT_EQ(set.answer("a"), "<block>");
  // Missing in one: the others have it.
  set[0].contents.clear();
  set.read();
  EXPECT_EQ(set.answer("a"), "");
  EXPECT_EQ(set.asked(), "011");
  EXPECT_EQ(set.answer("--a"), "<block>");
  EXPECT_EQ(set.answer("-a"), "");
  // A dead one: those that come after need not wait for it.
  set.read();
  EXPECT_EQ(set.answer("t"), "");
  EXPECT_EQ(set.answer("-aa"), "<block>");
  set.read();
  EXPECT_EQ(set.asked(), "111");
  EXPECT_EQ(set.answer("-a-"), "<block>");
  // It is back: asked alone again.
  EXPECT_EQ(set.answer("a-a"), "");
  set.read();
  EXPECT_EQ(set.asked(), "100");
}

TEST(Raid1, MissingIsWhatIsMissingEverywhere) {
  Set set{Raid::raid1, 2};
  set.read();
  EXPECT_EQ(set.answer("a"), "");
  EXPECT_EQ(set.answer("-a"), "not found");
  set.read();
  EXPECT_EQ(set.answer("a"), "");
  EXPECT_EQ(set.answer("-t"), "timeout");
}

TEST(Raid5, ReadsTheDataNodes) {
  Set set{Raid::raid5, 3};
  EXPECT_EQ(set.created("abcd"), "ok");
  EXPECT_EQ(set[1].contents[Uuid{}], "abcd");
  EXPECT_EQ(set[2].contents[Uuid{}], "abc\x60");
  set.read();
  EXPECT_EQ(set.asked(), "110");
  EXPECT_EQ(set.answer("-a"), "");
  EXPECT_EQ(set.answer("a"), "<abcd>");
}

TEST(Raid5, RebuildsWhatOneNodeLacks) {
  for (const char failure : {'t', 'm'}) {
    for (std::size_t node = 0; node < 2; ++node) {
      Set set{Raid::raid5, 3};
      EXPECT_EQ(set.created("some block"), "ok");
      if (failure == 'm') set[node].contents.clear();
      set.read();
      std::string answers = "aa";
      if (failure == 't') answers[node] = 't';
      EXPECT_EQ(set.answer(answers), "");
      EXPECT_EQ(set.asked(), "001");
      EXPECT_EQ(set.answer("--a"), "<some block>");
    }
  }
}

TEST(Raid5, ReadsWithMoreThanOneFailure) {
  struct Row {
    std::string first, second, result;
    bool written;
  };
  const Row rows[] = {
      {"tta", "", "timeout", true},      // of the data nodes both
      {"ata", "---t", "timeout", true},  // one, and the checksum
      {"aaa", "---a", "not found", false},
      {"aaa", "---t", "timeout", false},  // perhaps it is there
      {"aat", "---a", "timeout", false},
  };
  for (const auto& row : rows) {
    Set set{Raid::raid5, 4};
    if (row.written) {
      EXPECT_EQ(set.created("block"), "ok");
    }
    set.read();
    const auto at_once = set.answer(row.first);
    EXPECT_EQ(at_once.empty() ? set.answer(row.second) : at_once, row.result) << row.first;
  }
}

TEST(Raid5, WritesWithoutOneNode) {
  for (std::size_t dead = 0; dead < 3; ++dead) {
    Set set{Raid::raid5, 3};
    std::string answers = "aaa";
    answers[dead] = 't';
    set.create("block");
    EXPECT_EQ(set.answer(answers), "ok");
    // From now on nobody waits for it.
    set.create("other", *Uuid::parse("00000000-0000-0000-0000-000000000005"));
    answers[dead] = '-';
    EXPECT_EQ(set.answer(answers), "ok");
    // What was written is complete without it.
    set.read();
    std::string reading = dead == 2 ? "aa-" : "aaa";
    if (dead < 2) reading[dead] = '-';
    EXPECT_EQ(set.answer(reading), "<block>");
  }
  Set set{Raid::raid5, 3};
  set.create("block");
  EXPECT_EQ(set.answer("t-t"), "timeout");
}

TEST(Raid5, AnotherFailureBesideTheDeadNodeIsATimeout) {
  Set set{Raid::raid5, 3};
  set.create("block");
  EXPECT_EQ(set.answer("taa"), "ok");
  set.create("block");
  EXPECT_EQ(set.answer("-ta"), "");  // it may be back
  EXPECT_EQ(set.answer("a--"), "ok");
  set.create("block");
  EXPECT_EQ(set.answer("t-a"), "");
  EXPECT_EQ(set.answer("-t-"), "timeout");
}

TEST(Raid5, ChunksThatDoNotFitTogetherAreATimeout) {
  Set set{Raid::raid5, 3};
  EXPECT_EQ(set.created("block"), "ok");
  set[0].contents[Uuid{}] += "x";
  set.read();
  EXPECT_EQ(set.answer("aa"), "timeout");
}

TEST(Raid1, ANodeWithoutRoomIsAskedAgain) {
  Set set{Raid::raid1, 2};
  set[1].full = true;
  set.create("block");
  EXPECT_EQ(set.answer("a"), "");
  EXPECT_EQ(set.asked(), "00");
  set[1].full = false;
  EXPECT_EQ(set.result(), "");
  EXPECT_EQ(set.asked(), "01");
  EXPECT_EQ(set.answer("-a"), "ok");
}

/// What gathers in front of a node without room is one job of each user.
TEST(Raid1, WhoWaitsForANodeGetsNoFurtherJobIn) {
  Set set{Raid::raid1, 2};
  set[1].full = true;
  const engine::FlowKey alice{.organization = 1, .user = 1};
  EXPECT_TRUE(set.submit(Kind::create, "block", {}, alice));
  EXPECT_FALSE(set.submit(Kind::create, "block", {}, alice));
  EXPECT_TRUE(set.submit(Kind::create, "block", {}, {.organization = 1, .user = 2}));
  set[1].full = false;
  EXPECT_EQ(set.result(), "");
  EXPECT_TRUE(set.submit(Kind::create, "block", {}, alice));
  EXPECT_EQ(set.asked(), "33");
}

TEST(RaidBlockStore, NodesHearWhoseTurnItIsAndSinceWhen) {
  for (const auto raid : {Raid::raid0, Raid::raid1, Raid::raid5}) {
    for (const auto kind : {Kind::create, Kind::read}) {
      Set set{raid, 3};
      const engine::FlowKey alice{.organization = 1, .user = 1};
      EXPECT_TRUE(set.submit(kind, "block", {}, alice));
      ASSERT_EQ(set.asked()[0], '1');
      EXPECT_EQ(set[0].asked.front()->flow, alice);
      EXPECT_EQ(set[0].asked.front()->since, set.since);
    }
  }
}

TEST(Raid1, ManyAtOnceInAnyOrder) {
  Set set{Raid::raid1, 2};
  for (int i = 0; i < 20; ++i) set.create("block");
  for (int i = 0; i < 20; ++i) set[1].answer();
  EXPECT_EQ(set.result(), "");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(set.answer("a"), "ok");
  // Some are never answered: the set ends with them.
  for (int i = 0; i < 3; ++i) set.create("block");
}

TEST(RaidBlockStore, SeveralNodesInTheDatabaseShareItsReplies) {
  testing::ScriptedDatabase gateway;
  const auto database = std::make_shared<PostgresqlBlockStore>(gateway);
  {
    RaidBlockStore raid{Raid::raid1, {database, database}};
    auto* job = raid.acquire();
    job->kind = Kind::create;
    ASSERT_TRUE(raid.submit(job));
    ASSERT_EQ(gateway.submitted.size(), 2U);
    for (int i = 0; i < 2; ++i) gateway.answer({{testing::text_cell("ok")}});
    while (auto* reply = gateway.next_reply()) EXPECT_TRUE(raid.take_reply(reply));
    EXPECT_EQ(raid.next_completion(), job);
    EXPECT_EQ(job->outcome, BlockOutcome::ok);
    raid.release(job);
  }
  EXPECT_EQ(gateway.acquired, 0);
}

}  // namespace
}  // namespace parsec::db
