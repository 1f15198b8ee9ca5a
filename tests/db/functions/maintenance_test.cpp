// db/schema/sql/functions/maintenance.sql and its typed calls: re-encryption,
// protocol/4-commands.md §4.5, §4.6.
#include "db/functions/maintenance.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "db/functions/realm.h"
#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;

struct Version {
  Uuid vlob_id;
  std::int64_t version;
  auto operator<=>(const Version&) const = default;
};
using Progress = std::pair<std::int64_t, std::int64_t>;  // total, done

class FunctionsMaintenance : public ::testing::Test {
 protected:
  Sql::Fill start(std::vector<std::string_view> recipients, std::int64_t revision = 2,
                  std::string_view user = "alice", std::optional<Uuid> realm = {}) {
    return [this, recipients, revision, user, realm](db::Request& call) {
      const std::vector<Bytes> bodies(recipients.size(), as_bytes("m"));
      // PostgreSQL delivers equal notifications of one transaction once.
      const std::vector<Bytes> notifications = [&] {
        std::vector<Bytes> of_each;
        for (const auto recipient : recipients) of_each.push_back(as_bytes(recipient));
        return of_each;
      }();
      realm_start_reencryption_maintenance(
          call, world.author(user), realm.value_or(realm_id), revision, at(7),
          {.recipients = recipients, .messages = bodies, .message_notifications = notifications},
          as_bytes("started"));
    };
  }
  std::string finish(std::string_view user = "alice", std::int64_t revision = 2) {
    return world.sql.status([&](db::Request& call) {
      realm_finish_reencryption_maintenance(call, world.author(user), realm_id, revision,
                                            as_bytes("finished"));
    });
  }
  std::set<Version> batch(std::int64_t size = 1000, std::int64_t revision = 2,
                          std::size_t max_bytes = 1 << 20) {
    const auto reply = world.sql.call([&](db::Request& call) {
      vlob_maintenance_get_reencryption_batch(call, world.author("alice"), realm_id, revision, size,
                                              max_bytes);
    });
    const auto rows = reply->rows();
    EXPECT_EQ("ok", rows.status());
    std::set<Version> versions;
    for (int row = 1; row < rows.count(); ++row) {
      versions.insert({rows.uuid(row, ReencryptionBatchColumns::vlob_id),
                       rows.integer(row, ReencryptionBatchColumns::version)});
    }
    EXPECT_EQ(rows.count() - 1, std::ssize(versions));
    return versions;
  }
  Sql::Reply save_reply(const std::vector<Version>& versions, std::int64_t revision = 2,
                        std::string_view user = "alice") {
    return world.sql.call([&](db::Request& call) {
      std::vector<Uuid> vlob_ids;
      std::vector<std::int64_t> numbers;
      std::vector<std::string> texts;
      for (std::size_t n = 0; n < versions.size(); ++n) texts.push_back("new" + std::to_string(n));
      std::vector<Bytes> blobs;
      for (std::size_t n = 0; n < versions.size(); ++n) {
        vlob_ids.push_back(versions[n].vlob_id);
        numbers.push_back(versions[n].version);
        blobs.push_back(as_bytes(texts[n]));
      }
      vlob_maintenance_save_reencryption_batch(
          call, world.author(user), realm_id, revision,
          {.vlob_ids = vlob_ids, .versions = numbers, .blobs = blobs});
    });
  }
  Progress save(const std::vector<Version>& versions, std::int64_t revision = 2) {
    const auto reply = save_reply(versions, revision);
    EXPECT_EQ("ok", reply->rows().status());
    return {reply->rows().integer(0, ReencryptionProgressColumns::total),
            reply->rows().integer(0, ReencryptionProgressColumns::done)};
  }
  std::string blob(const Uuid& vlob_id, std::int64_t version, std::int64_t revision) {
    const auto reply = world.sql.call([&](db::Request& call) {
      vlob_read(call, world.author("alice"), revision, vlob_id, version, {});
    });
    EXPECT_EQ("ok", reply->rows().status());
    return std::string{reply->rows().text(0, VlobReadColumns::blob)};
  }
  /// What another kind of server writes: a version under a revision, without any lock or log.
  void insert_foreign(const Uuid& vlob_id, int version, int revision) {
    world.sql.run(
        "INSERT INTO public.vlob_atom (organization, vlob_encryption_revision, vlob_id,"
        " version, blob, size, author, created_on) SELECT " +
        world.key() + ", _id, '" + vlob_id.text() + "', " + std::to_string(version) + ", 'f', 1, " +
        world.device_key("alice") +
        ", now() FROM public.vlob_encryption_revision WHERE encryption_revision = " +
        std::to_string(revision) + " AND realm = " + world.realm_key(realm_id));
  }

  World world;
  const Uuid realm_id = world.create_realm();
};

TEST_F(FunctionsMaintenance, ChecksAStartInOrder) {
  world.grant(realm_id, "bob", "READER");
  world.grant(realm_id, "carol", "READER");
  world.grant(realm_id, "carol", std::nullopt);
  auto& sql = world.sql;
  EXPECT_EQ("realm_not_found", sql.status(start({}, 2, "alice", random_uuid())));
  for (const std::int64_t revision : {std::int64_t{1}, std::int64_t{3}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ("bad_encryption_revision", sql.status(start({}, revision, "bob")));
  }
  EXPECT_EQ("not_allowed", sql.status(start({}, 2, "bob")));
  const std::vector<std::vector<std::string_view>> wrong{
      {}, {"alice"}, {"alice", "bob", "carol"}, {"alice", "carol"}, {"alice", "bob", "nobody"}};
  for (const auto& recipients : wrong) {
    EXPECT_EQ("participants_mismatch", sql.status(start(recipients)));
  }
  EXPECT_EQ(0,
            sql.number("SELECT count(*) FROM public.message WHERE organization = " + world.key()));
  EXPECT_EQ("ok", sql.status(start({"alice", "bob"})));
  EXPECT_EQ("in_maintenance", sql.status(start({}, 9, "carol")));
}

TEST_F(FunctionsMaintenance, RevokedUsersAreNoParticipants) {
  world.grant(realm_id, "bob", "OWNER");
  world.grant(realm_id, "carol", "READER");
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("bob") +
                "; UPDATE public.user_ SET revoked_on = now() + interval '1 hour' WHERE _id = " +
                world.user_key("carol"));
  EXPECT_EQ("participants_mismatch", world.sql.status(start({"alice", "bob", "carol"})));
  EXPECT_EQ("participants_mismatch", world.sql.status(start({"alice", "carol"})));
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
}

TEST_F(FunctionsMaintenance, TellsOfTheStartBeforeTheMessages) {
  world.grant(realm_id, "bob", "READER");
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(start({"bob", "alice"})));
  EXPECT_EQ((std::vector<std::string>{"started", "alice\x01", "bob\x01"}),
            world.sql.notifications());
  const auto reply =
      world.sql.call([&](db::Request& call) { realm_status(call, world.author("bob"), realm_id); });
  EXPECT_EQ("REENCRYPTION", reply->rows().text(0, RealmStatusColumns::maintenance_type));
  EXPECT_EQ(at(7), reply->rows().datetime(0, RealmStatusColumns::maintenance_started_on));
  EXPECT_EQ("alice@dev", reply->rows().text(0, RealmStatusColumns::maintenance_started_by));
  EXPECT_EQ(2, reply->rows().integer(0, RealmStatusColumns::encryption_revision));
  EXPECT_EQ("ok", finish());  // a realm without any vlob
  EXPECT_EQ(std::vector<std::string>{"finished"}, world.sql.notifications());
}

TEST_F(FunctionsMaintenance, ReencryptsBatchByBatch) {
  const auto first = world.create_vlob(realm_id, "old");
  const auto second = world.create_vlob(realm_id, "old");
  world.update_vlob(realm_id, first, 2, "old");
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  const std::set<Version> everything{{first, 1}, {first, 2}, {second, 1}};
  EXPECT_EQ(everything, batch());
  EXPECT_EQ(2U, batch(2).size());
  EXPECT_TRUE(batch(0).empty());

  EXPECT_EQ((Progress{3, 0}), save({}));
  EXPECT_EQ((Progress{3, 1}), save({{first, 2}}));  // not in order: all the same
  EXPECT_EQ((std::set<Version>{{first, 1}, {second, 1}}), batch());
  EXPECT_EQ("maintenance_error", finish());
  // Named twice, saved before, unknown: the first stays, the others are ignored.
  EXPECT_EQ((Progress{3, 2}),
            save({{first, 1}, {first, 1}, {first, 2}, {first, 0}, {first, 3}, {random_uuid(), 1}}));
  EXPECT_EQ((std::set<Version>{{second, 1}}), batch());
  EXPECT_EQ((Progress{3, 3}), save({{second, 1}}));
  EXPECT_TRUE(batch().empty());
  EXPECT_EQ("ok", finish());
  EXPECT_EQ("not_in_maintenance", finish());

  EXPECT_EQ("new0", blob(first, 1, 2));
  EXPECT_EQ("new0", blob(first, 2, 2));
  EXPECT_EQ(0, world.sql.number(
                   "SELECT count(*) FROM parsec_ext.reencryption WHERE revision IN (SELECT _id"
                   " FROM public.vlob_encryption_revision WHERE realm = " +
                   world.realm_key(realm_id) + ")"));
  EXPECT_EQ(3, world.sql.number("SELECT count(*) FROM public.realm_vlob_update WHERE realm = " +
                                world.realm_key(realm_id)));
  EXPECT_EQ(1, world.sql.number("SELECT count(DISTINCT created_on) FROM public.vlob_atom WHERE"
                                " vlob_id = '" +
                                first.text() + "' AND version = 2"));

  EXPECT_EQ("ok", world.sql.status(world.vlob_update("alice", realm_id, first, 3, "r2", 2)));
  EXPECT_EQ("ok", world.sql.status(start({"alice"}, 3)));
  EXPECT_EQ(4U, batch(1000, 3).size());
}

TEST_F(FunctionsMaintenance, AVlobOfAnotherRealmIsUnknown) {
  const auto other = world.create_realm();
  const auto elsewhere = world.create_vlob(other, "mine");
  const auto here = world.create_vlob(realm_id);
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  EXPECT_EQ((Progress{1, 1}), save({{elsewhere, 1}, {here, 1}}));
  EXPECT_EQ("mine", blob(elsewhere, 1, 1));
}

TEST_F(FunctionsMaintenance, ChecksBatchesInOrder) {
  world.grant(realm_id, "bob", "MANAGER");
  const auto get = [&](std::string_view user, std::int64_t revision) {
    return world.sql.status([&](db::Request& call) {
      vlob_maintenance_get_reencryption_batch(call, world.author(user), realm_id, revision, 10,
                                              1 << 20);
    });
  };
  const auto put = [&](std::string_view user, std::int64_t revision) {
    return std::string{save_reply({}, revision, user)->rows().status()};
  };
  EXPECT_EQ("not_allowed", finish("bob"));
  EXPECT_EQ("not_in_maintenance", finish("alice", 9));
  EXPECT_EQ("not_in_maintenance", get("bob", 9));
  EXPECT_EQ("not_in_maintenance", put("bob", 9));
  EXPECT_EQ("ok", world.sql.status(start({"alice", "bob"})));
  EXPECT_EQ("bad_encryption_revision", get("bob", 1));
  EXPECT_EQ("bad_encryption_revision", put("bob", 1));
  EXPECT_EQ("not_allowed", get("bob", 2));
  EXPECT_EQ("not_allowed", put("bob", 2));
  EXPECT_EQ("not_allowed", finish("bob", 9));
  EXPECT_EQ("bad_encryption_revision", finish("alice", 1));
}

// --- Beside other servers

TEST_F(FunctionsMaintenance, CountsWhatAnotherServerSaved) {
  const auto first = world.create_vlob(realm_id);
  const auto second = world.create_vlob(realm_id);
  const auto third = world.create_vlob(realm_id);
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  EXPECT_EQ((Progress{3, 1}), save({{first, 1}}));
  insert_foreign(second, 1, 2);
  EXPECT_EQ((std::set<Version>{{third, 1}}), batch());
  EXPECT_EQ((Progress{3, 3}), save({{third, 1}}));
  EXPECT_EQ("ok", finish());
}

TEST_F(FunctionsMaintenance, AVersionWrittenLateIsNotForgotten) {
  const auto first = world.create_vlob(realm_id);
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  EXPECT_EQ((Progress{1, 1}), save({{first, 1}}));
  const auto late = random_uuid();
  insert_foreign(late, 1, 1);  // by a server that had looked at the realm before
  EXPECT_EQ("maintenance_error", finish());
  EXPECT_EQ((std::set<Version>{{late, 1}}), batch());
  EXPECT_EQ((Progress{2, 2}), save({{late, 1}}));
  EXPECT_EQ("ok", finish());
}

TEST_F(FunctionsMaintenance, AWriteWaitsForTheStartAndIsRefused) {
  const auto vlob_id = world.create_vlob(realm_id);
  Sql writer;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  writer.send(world.vlob_update("alice", realm_id, vlob_id, 2));
  EXPECT_TRUE(writer.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("in_maintenance", writer.received_status());
}

TEST_F(FunctionsMaintenance, RealmsWithTheSameParticipantsTakeTurns) {
  const auto other = world.create_realm();
  for (const auto& realm : {realm_id, other}) {
    for (const auto* user : {"bob", "carol", "olga"}) world.grant(realm, user, "READER");
  }
  Sql second;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(start({"alice", "bob", "carol", "olga"})));
  second.send(start({"olga", "carol", "bob", "alice"}, 2, "alice", other));
  EXPECT_TRUE(second.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", second.received_status());
  EXPECT_EQ(4, world.sql.number(
                   "SELECT count(*) FROM public.message WHERE index = 2 AND organization = " +
                   world.key()));
}

// Also by plans that were made while the organization was small.
TEST_F(FunctionsMaintenance, AStartReadsItsParticipantsOnly) {
  for (int i = 0; i < 6; ++i) rows_read_at_once(world.sql, start({"alice"}));
  const auto few = rows_read_at_once(world.sql, start({"alice"}));
  world.sql.run(
      "INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
      " redacted_user_certificate) SELECT " +
      world.key() + ", 'other' || n, 'c', now(), 'c' FROM generate_series(1, 3000) AS n");
  EXPECT_LE(rows_read_at_once(world.sql, start({"alice"})), few + 20);
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
}

TEST_F(FunctionsMaintenance, ASavedBatchReadsItsVersionsOnly) {
  const auto vlob_id = world.create_vlob(realm_id);
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  save({});  // counts the versions
  const std::vector<Uuid> vlob_ids{vlob_id};
  const std::vector<std::int64_t> versions{1};
  const std::vector<Bytes> blobs{as_bytes("new")};
  const auto save_one = [&](db::Request& call) {
    vlob_maintenance_save_reencryption_batch(
        call, world.author("alice"), realm_id, 2,
        {.vlob_ids = vlob_ids, .versions = versions, .blobs = blobs});
  };
  for (int i = 0; i < 6; ++i) rows_read_at_once(world.sql, save_one);
  const auto few = rows_read_at_once(world.sql, save_one);
  world.sql.run(
      "INSERT INTO public.vlob_atom (organization, vlob_encryption_revision, vlob_id, version,"
      " blob, size, author, created_on) SELECT " +
      world.key() + ", _id, gen_random_uuid(), 1, 'b', 1, " + world.device_key("alice") +
      ", now() FROM public.vlob_encryption_revision, generate_series(1, 3000)"
      " WHERE encryption_revision = 1 AND realm = " +
      world.realm_key(realm_id));
  // `done` finds the first that is missing among 3000, whose neighbours it may look at.
  EXPECT_LE(rows_read_at_once(world.sql, save_one), few + 40);
}

TEST_F(FunctionsMaintenance, ABatchHoldsWhatFits) {
  std::set<Version> all;
  for (int i = 0; i < 7; ++i) {
    all.insert({world.create_vlob(realm_id, std::string(10'000, 'b')), 1});
  }
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  EXPECT_EQ(7, std::ssize(batch(1000, 2, 100'000)));
  std::set<Version> got;
  for (const std::int64_t fitting : {3, 3, 1, 0}) {
    const auto versions = batch(1000, 2, 35'000);
    EXPECT_EQ(fitting, std::ssize(versions));
    got.insert(versions.begin(), versions.end());
    save({versions.begin(), versions.end()});
  }
  EXPECT_EQ(all, got);
}

TEST_F(FunctionsMaintenance, ABatchHoldsOneWhateverItsSize) {
  world.create_vlob(realm_id, std::string(10'000, 'b'));
  world.create_vlob(realm_id, std::string(10'000, 'b'));
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  EXPECT_EQ(1, std::ssize(batch(1000, 2, 10)));
  EXPECT_EQ(0, std::ssize(batch(0, 2, 10)));
}

TEST_F(FunctionsMaintenance, BatchesDoNotReadWhatIsDone) {
  world.create_vlob(realm_id);
  insert_foreign(random_uuid(), 1, 1);
  world.sql.run(
      "INSERT INTO public.vlob_atom (organization, vlob_encryption_revision, vlob_id, version,"
      " blob, size, author, created_on) SELECT " +
      world.key() +
      ", _id, gen_random_uuid(), 1,"
      " 'b', 1, " +
      world.device_key("alice") +
      ", now() FROM public.vlob_encryption_revision,"
      " generate_series(1, 3000) WHERE realm = " +
      world.realm_key(realm_id));
  EXPECT_EQ("ok", world.sql.status(start({"alice"})));
  std::int64_t done = 0;
  std::vector<std::int64_t> pages;
  const auto explain =
      "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT"
      " parsec_functions.vlob_maintenance_get_reencryption_batch('" +
      world.organization_id + "', 'alice@dev', '" + realm_id.text() + "', 2, 100, 1000000)";
  for (auto versions = batch(300); !versions.empty(); versions = batch(300)) {
    done += std::ssize(versions);
    EXPECT_EQ((Progress{3002, done}), save({versions.begin(), versions.end()}));
    world.sql.run(explain);
    const auto plan = world.sql.run(explain);
    pages.push_back(std::stoll(plan.substr(plan.find("\"Shared Hit Blocks\": ") + 21)));
  }
  EXPECT_EQ(3002, done);
  EXPECT_EQ("ok", finish());
  pages.resize(9);  // of the full batches
  EXPECT_LE(pages.back(), pages.front() + pages.front() / 2);
}

}  // namespace
}  // namespace parsec::testing
