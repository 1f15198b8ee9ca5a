// A set answers each call as the function for one does: what tests of that share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/db/function_support.h"

namespace parsec::testing {

class SetTest : public ::testing::Test {
 protected:
  /// Every column of every call, as text.
  using Answers = std::vector<std::string>;

  static std::string row_text(const db::Rows& rows, int row, int columns) {
    std::string text;
    for (int column = 0; column < columns; ++column) {
      text += (rows.is_null(row, column) ? "-" : std::string{rows.text(row, column)}) + "|";
    }
    return text;
  }
  Answers one_by_one(const std::vector<Sql::Fill>& fills, int columns) {
    Answers answers;
    for (const auto& fill : fills) {
      world.sql.run("BEGIN");
      answers.push_back(row_text(world.sql.call(fill)->rows(), 0, columns));
      world.sql.run("ROLLBACK");
    }
    return answers;
  }
  Answers as_set(const std::vector<Sql::Fill>& fills, int columns) {
    world.sql.run("BEGIN");
    const auto reply = call_as_set(world.sql, fills);
    world.sql.run("ROLLBACK");
    Answers answers;
    for (int row = 0; row < reply->rows().count(); ++row) {
      answers.push_back(row_text(reply->rows(), row, columns));
    }
    return answers;
  }
  void expect_the_same(const std::vector<Sql::Fill>& fills, int columns,
                       const std::vector<std::string>& statuses) {
    const auto answers = as_set(fills, columns);
    EXPECT_EQ(one_by_one(fills, columns), answers);
    ASSERT_EQ(statuses.size(), answers.size());
    for (std::size_t i = 0; i < statuses.size(); ++i) {
      EXPECT_EQ(statuses[i], answers[i].substr(0, answers[i].find('|'))) << i;
    }
  }
  /// Rows that PostgreSQL reads for the set, when its plans are made.
  std::int64_t rows_of(const std::vector<Sql::Fill>& fills) {
    as_set(fills, 1);
    return rows_read_at_once(world.sql, statement_over(set_of(fills[0]), fills));
  }
  /// Begins a re-encryption.
  void maintain(const Uuid& realm) {
    world.sql.run("UPDATE realm SET maintenance_type = 'REENCRYPTION' WHERE _id = " +
                  world.realm_key(realm));
  }
  void revoke(std::string_view user) {
    world.sql.run("UPDATE user_ SET revoked_on = now() WHERE _id = " + world.user_key(user));
  }

  World world;
  const Uuid realm_id = world.create_realm();
};

}  // namespace parsec::testing
