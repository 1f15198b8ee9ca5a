// db/schema/sql/functions/message.sql and its typed call: protocol/4-commands.md §4.3.
#include "db/functions/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

class FunctionsMessage : public ::testing::Test {
 protected:
  /// "<number>=<body>" of each message.
  using Messages = std::vector<std::string>;

  static constexpr std::size_t much = 1 << 30;

  Sql::Fill get(std::int64_t after, std::string_view user = "bob", std::size_t max_bytes = much) {
    return [this, after, user, max_bytes](db::Request& call) {
      message_get(call, world.author(user), after, max_bytes);
    };
  }
  static Messages read(const db::Rows& rows) {
    EXPECT_EQ("ok", rows.status());
    Messages messages;
    for (int row = 1; row < rows.count(); ++row) {
      messages.push_back(std::to_string(rows.integer(row, MessageGetColumns::count)) + "=" +
                         std::string{as_text(rows.bytes(row, MessageGetColumns::body))});
    }
    return messages;
  }
  Messages messages(std::int64_t after, std::string_view user = "bob") {
    return read(world.sql.call(get(after, user))->rows());
  }

  /// Messages <from> … <to> as another server stores them; `index` is an SQL expression of n.
  std::string insert(std::int64_t from, std::int64_t to, const std::string& index = "n",
                     std::string_view user = "bob") {
    return "INSERT INTO public.message (organization, recipient, timestamp, index, sender, body)"
           " SELECT " +
           world.key() + ", " + world.user_key(user) + ", now(), " + index + ", " +
           world.device_key("alice") + ", n::text::bytea FROM generate_series(" +
           std::to_string(from) + ", " + std::to_string(to) + ") AS n";
  }
  static Messages expected(std::int64_t after, std::int64_t last) {
    Messages all;
    for (auto n = std::min(after, last) + 1; n <= last; ++n) {
      all.push_back(std::to_string(n) + "=" + std::to_string(n));
    }
    return all;
  }
  void expect_numbered(std::int64_t last) {
    for (const auto after :
         {std::int64_t{0}, std::int64_t{1}, last / 2, last - 65, last - 64, last - 63, last - 1,
          last, last + 1, std::int64_t{INT32_MAX}, INT64_MAX}) {
      if (after < 0) continue;
      EXPECT_EQ(expected(after, last), messages(after)) << after << " of " << last;
    }
  }
  std::int64_t message_count(Sql& sql, std::string_view user = "bob") {
    return sql.number("SELECT parsec_functions.message_count(" + world.user_key(user) + ")");
  }
  /// The place of the mark; 0: there is none.
  std::int64_t mark(std::string_view user = "bob") {
    return world.sql.number(
        "SELECT COALESCE(max(place), 0) FROM parsec_ext.message_mark WHERE recipient = " +
        world.user_key(user));
  }

  World world;
};

TEST_F(FunctionsMessage, WhatAMessageHolds) {
  EXPECT_EQ(Messages{}, messages(0));
  const auto realm = world.create_realm();
  EXPECT_EQ("ok",
            world.sql.status(world.realm_update_roles("alice", realm, "bob", "READER", "hello")));
  const auto reply = world.sql.call(get(0));
  const auto rows = reply->rows();
  ASSERT_EQ(2, rows.count());
  EXPECT_EQ(1, rows.integer(1, MessageGetColumns::count));
  EXPECT_EQ("alice@dev", rows.text(1, MessageGetColumns::sender));
  EXPECT_EQ(at(world.clock), rows.datetime(1, MessageGetColumns::timestamp));
  EXPECT_EQ("hello", as_text(rows.bytes(1, MessageGetColumns::body)));
  EXPECT_EQ(Messages{}, messages(0, "carol"));
}

// Rows of servers that count without a lock: equal numbers, holes, any order.
TEST_F(FunctionsMessage, NumbersAreThePositionsWhateverTheIndexSays) {
  const std::vector<std::string> bad_indexes{
      "(n + 1) / 2 * 2 - 1",                     // 1 1 3 3 5 5 …
      "greatest(n - 3, 1)",                      // 1 1 1 1 2 3 4 …: a long row without a hole
      "n + CASE WHEN n > 10 THEN 5 ELSE 0 END",  // a hole
      "1",
      "1000 - n",
      "n",
  };
  std::int64_t last = 0;
  for (const auto& index : bad_indexes) {
    for (const auto rows : {7, 63, 90}) {
      world.sql.run(insert(last + 1, last + rows, index));
      world.sql.run(insert(1, 3, "n", "carol"));  // in between: _id has gaps
      last += rows;
      expect_numbered(last);
      EXPECT_EQ(last, message_count(world.sql));
    }
  }
  EXPECT_GT(mark(), last - 64);
}

TEST_F(FunctionsMessage, OursAreNumberedAfterThoseOfOthers) {
  const auto realm = world.create_realm();
  world.sql.run(insert(1, 100, "(n + 1) / 2"));
  std::int64_t last = 100;
  for (int round = 0; round < 10; ++round) {
    const std::string role = round % 2 == 0 ? "READER" : "CONTRIBUTOR";
    const auto body = std::to_string(++last);
    EXPECT_EQ("ok", world.sql.status(world.realm_update_roles("alice", realm, "bob", role, body)));
    EXPECT_EQ(last, world.sql.number("SELECT index FROM public.message WHERE recipient = " +
                                     world.user_key("bob") + " ORDER BY _id DESC LIMIT 1"));
    world.sql.run(insert(last + 1, last + 1, "7"));
    ++last;
  }
  expect_numbered(last);
}

// A transaction has drawn an _id and has not committed when later ones are read, counted, marked.
// Nobody is kept from messages by too many of them: the reader goes on from where a reply ends.
TEST_F(FunctionsMessage, OfTooManyThoseThatFitAreTheFirst) {
  constexpr std::int64_t last = 200;
  for (const bool marked : {false, true}) {
    SCOPED_TRACE(marked);
    const std::string user = marked ? "bob" : "carol";
    world.sql.run(
        insert(1, last, "n", user) + "; UPDATE public.message SET body = body ||" +
        " convert_to(repeat('x', 10000), 'UTF8') WHERE recipient = " + world.user_key(user));
    if (marked) world.sql.call(get(0, user));
    ASSERT_EQ(marked, mark(user) > 0);
    for (const auto& [max_bytes, most] :
         {std::pair<std::size_t, std::int64_t>{100'000, 9}, {1, 1}, {much, last}}) {
      // Without the mark that a read leaves, and with it kept.
      world.sql.run("BEGIN");
      std::int64_t seen = 0;
      for (;;) {
        const auto reply = world.sql.call(get(seen, user, max_bytes));
        const auto rows = reply->rows();
        const std::int64_t got = rows.count() - 1;
        EXPECT_EQ(std::min(most, last - seen), got) << seen;
        for (int row = 1; row <= got; ++row) {
          ASSERT_EQ(++seen, rows.integer(row, MessageGetColumns::count));
          const auto body = as_text(rows.bytes(row, MessageGetColumns::body));
          ASSERT_TRUE(body.starts_with(std::to_string(seen) + "x")) << seen;
        }
        if (got == 0) break;
      }
      EXPECT_EQ(last, seen);
      world.sql.run("ROLLBACK");
    }
  }
}

TEST_F(FunctionsMessage, ALateCommitIsCounted) {
  Sql late;
  late.run("BEGIN");
  late.run(insert(1, 1));
  world.sql.run(insert(2, 200));
  EXPECT_EQ(199U, messages(0).size());
  EXPECT_EQ(Messages{}, messages(199));
  EXPECT_EQ(199, message_count(world.sql));
  EXPECT_EQ(0, mark()) << "somebody may still store a message before the newest";
  late.run("COMMIT");
  expect_numbered(200);
  EXPECT_EQ(200, mark());
}

TEST_F(FunctionsMessage, AMarkOfARolledBackTransactionIsGoneWithIt) {
  world.sql.run("BEGIN");
  world.sql.run(insert(1, 100));
  EXPECT_EQ(100, message_count(world.sql));
  EXPECT_EQ(100, mark());
  world.sql.run("ROLLBACK");
  EXPECT_EQ(0, mark());
  world.sql.run(insert(1, 70));
  expect_numbered(70);
}

// Tables that were emptied and filled again with the same keys.
TEST_F(FunctionsMessage, AnOutdatedMarkDoesNotCount) {
  world.sql.run(insert(1, 100));
  expect_numbered(100);
  EXPECT_EQ(100, mark());
  const auto newest = world.sql.run("SELECT max(_id) FROM public.message WHERE recipient = " +
                                    world.user_key("bob"));
  world.sql.run("DELETE FROM public.message WHERE recipient = " + world.user_key("bob"));
  EXPECT_EQ(Messages{}, messages(0));
  EXPECT_EQ(0, message_count(world.sql));
  world.sql.run(
      "INSERT INTO public.message (_id, organization, recipient, timestamp, index,"
      " sender, body) VALUES (" +
      newest + ", " + world.key() + ", " + world.user_key("bob") + ", now(), 1, " +
      world.device_key("alice") + ", '1')");
  EXPECT_EQ(expected(0, 1), messages(0));
  EXPECT_EQ(1, message_count(world.sql));
}

TEST_F(FunctionsMessage, ReadsInAReadOnlyTransaction) {
  world.sql.run(insert(1, 150));
  world.sql.run("SET default_transaction_read_only TO on");
  expect_numbered(150);
  world.sql.run("SET default_transaction_read_only TO off");
  EXPECT_EQ(0, mark());
}

// Two readers that want to set marks of two users in opposite order: nobody waits.
TEST_F(FunctionsMessage, ReadersDoNotWaitForEachOther) {
  world.sql.run(insert(1, 100));
  world.sql.run(insert(1, 100, "n", "carol"));
  Sql other;
  world.sql.run("BEGIN");
  other.run("BEGIN");
  EXPECT_EQ(100U, messages(0, "bob").size());
  EXPECT_EQ(100U, read(other.call(get(0, "carol"))->rows()).size());
  EXPECT_EQ(100U, messages(0, "carol").size());
  EXPECT_EQ(100U, read(other.call(get(0, "bob"))->rows()).size());
  world.sql.run("COMMIT");
  other.run("COMMIT");
}

TEST_F(FunctionsMessage, CostsTheSameAmongMany) {
  world.sql.run(insert(1, 10));
  const auto few = rows_read(world.sql, get(9));
  EXPECT_LE(few, 40);
  world.sql.run(
      "INSERT INTO public.device (organization, user_, device_id, device_certificate,"
      " created_on, redacted_device_certificate) SELECT " +
      world.key() + ", " + world.user_key("carol") +
      ", 'carol@many' || n, '', now(), '' FROM generate_series(1, 2000) AS n");
  world.sql.run(insert(11, 20'000));
  world.sql.run(insert(1, 20'000, "n", "carol"));
  // The first one counts them all, and marks; then neither end nor middle costs more than what is
  // returned.
  EXPECT_EQ(expected(19'999, 20'000), messages(19'999));
  EXPECT_EQ(20'000, mark());
  EXPECT_LE(rows_read(world.sql, get(19'999)), few + 2);
  EXPECT_LE(rows_read(world.sql, get(19'990)), few + 9 * 6);
  EXPECT_LE(rows_read(world.sql, get(20'000)), few + 2);
  world.sql.run(insert(20'001, 20'063));
  EXPECT_LE(rows_read(world.sql, get(20'062)), few + 2 * 64);
}

}  // namespace
}  // namespace parsec::testing
