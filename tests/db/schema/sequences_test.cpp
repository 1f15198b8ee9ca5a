#include "db/schema/sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/schema/migrations.h"
#include "tests/db/id_tables.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {
namespace {

using namespace db;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- The check and the repair

class Sequences : public ::testing::Test {
 protected:
  /// One row in each table, with the id 5.
  static void fill(Connection& connection) {
    for (const std::string table : id_tables) {
      run_sql(connection, "ALTER TABLE public." + table + " DISABLE TRIGGER ALL");
    }
    run_sql(connection,
            "DO $$ DECLARE t text; c text; v text; BEGIN"
            " FOR t IN SELECT unnest('{" +
                joined() +
                "}'::text[]) LOOP"
                "  SELECT string_agg(quote_ident(attname), ', '),"
                "   string_agg(CASE WHEN attname = '_id' THEN '5'"
                "    WHEN atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'"
                "    WHEN atttypid = 'timestamptz'::regtype THEN 'now()'"
                "    WHEN atttypid = 'invitation_type'::regtype THEN '''USER'''"
                "    ELSE '''1''' END, ', ')"
                "  INTO c, v FROM pg_attribute WHERE attrelid = ('public.' || t)::regclass"
                "  AND attnum > 0 AND (attnotnull AND NOT atthasdef OR attname = '_id');"
                "  EXECUTE format('INSERT INTO public.%I (%s) VALUES (%s)', t, c, v);"
                "  PERFORM setval(pg_get_serial_sequence('public.' || t, '_id'), 5);"
                " END LOOP; END $$");
  }
  static std::string joined() {
    std::string text;
    for (const std::string table : id_tables) text += (text.empty() ? "" : ",") + table;
    return text;
  }
  /// Names of those that are behind.
  static std::vector<std::string> behind(Connection& connection) {
    std::vector<std::string> names;
    for (const auto& sequence : sequences_of(connection)) {
      if (sequence.is_behind()) names.push_back(sequence.name);
    }
    return names;
  }

  const std::string conninfo = fresh_database();
  Connection connection = open_connection(conninfo);
};

TEST_F(Sequences, OfAllTables) {
  std::vector<std::string> found;
  for (const auto& sequence : sequences_of(connection)) {
    found.push_back(sequence.table);
    EXPECT_EQ(sequence.name, sequence.table + "__id_seq");
    EXPECT_EQ(sequence.next, 1);
    EXPECT_EQ(sequence.taken, 0);
    EXPECT_EQ(sequence.last, 2147483647);
  }
  std::vector<std::string> expected;
  for (const std::string table : id_tables) expected.push_back("public." + table);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(sequences_refusal(sequences_of(connection)), "");
  EXPECT_THAT(ids_warnings(sequences_of(connection)), IsEmpty());
}

TEST_F(Sequences, EachIsSeenBehindAndRepaired) {
  fill(connection);
  ASSERT_THAT(behind(connection), IsEmpty());
  for (const std::string table : id_tables) {
    SCOPED_TRACE(table);
    const std::string name = "public." + table + "__id_seq";
    for (const std::string state : {"1, false", "4", "5, false"}) {
      run_sql(connection, "SELECT setval('" + name + "', " + state + ")");
      EXPECT_EQ(behind(connection), std::vector{name}) << state;
      const std::string refusal = sequences_refusal(sequences_of(connection));
      EXPECT_THAT(refusal, HasSubstr("`parsec backend migrate`"));
      EXPECT_THAT(refusal, HasSubstr("SELECT setval('" + name + "', (SELECT max(_id) FROM public." +
                                     table + "));"));

      const auto dry = migrate(connection, {.dry_run = true});
      EXPECT_TRUE(dry.ok()) << dry.error;
      ASSERT_EQ(dry.sequences.size(), 1U);
      EXPECT_EQ(dry.sequences[0].name, name);
      EXPECT_FALSE(dry.sequences[0].repaired);
      EXPECT_EQ(behind(connection), std::vector{name});

      const auto report = migrate(connection, {});
      EXPECT_TRUE(report.ok()) << report.error;
      ASSERT_EQ(report.sequences.size(), 1U);
      EXPECT_EQ(report.sequences[0].name, name);
      EXPECT_EQ(report.sequences[0].taken, 5);
      EXPECT_TRUE(report.sequences[0].repaired);
      EXPECT_THAT(behind(connection), IsEmpty());
      EXPECT_EQ(run_sql(connection, "SELECT nextval('" + name + "')"), "6");
    }
    run_sql(connection, "SELECT setval('" + name + "', 5)");
    EXPECT_THAT(migrate(connection, {}).sequences, IsEmpty());
  }
}

TEST_F(Sequences, OneThatIsAheadStaysThere) {
  fill(connection);
  run_sql(connection, "SELECT setval('public.block__id_seq', 1)");
  auto sequences = sequences_of(connection);
  run_sql(connection, "SELECT setval('public.block__id_seq', 900)");  // by somebody else, meanwhile
  EXPECT_EQ(repair_id_sequence(connection, sequences[0]), false);
  EXPECT_EQ(run_sql(connection, "SELECT nextval('public.block__id_seq')"), "901");
}

TEST_F(Sequences, OfOtherFormsAreFoundAsWell) {
  fill(connection);
  // A default that names a sequence of nobody, as migration services leave it; an identity.
  run_sql(connection,
          "ALTER SEQUENCE public.block__id_seq OWNED BY NONE;"
          "ALTER TABLE public.message ALTER COLUMN _id DROP DEFAULT;"
          "DROP SEQUENCE public.message__id_seq;"
          "ALTER TABLE public.message ALTER COLUMN _id ADD GENERATED BY DEFAULT AS IDENTITY;"
          "SELECT setval('public.block__id_seq', 2)");
  EXPECT_EQ(behind(connection),
            (std::vector<std::string>{"public.block__id_seq", "public.message__id_seq"}));
  EXPECT_EQ(migrate(connection, {}).sequences.size(), 2U);
  EXPECT_THAT(behind(connection), IsEmpty());
}

TEST_F(Sequences, ARoleThatMayOnlyUseThemSees) {
  fill(connection);
  run_sql(connection,
          "DO $$ BEGIN CREATE ROLE counter; EXCEPTION WHEN duplicate_object THEN END $$;"
          "GRANT SELECT ON ALL TABLES IN SCHEMA public TO counter;"
          "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO counter;"
          "REVOKE SELECT ON ALL SEQUENCES IN SCHEMA public FROM counter;"
          "SELECT setval('public.block__id_seq', 2);"
          "SELECT setval('public.device__id_seq', 1, false);"
          "SET ROLE counter");
  EXPECT_EQ(behind(connection),
            (std::vector<std::string>{"public.block__id_seq", "public.device__id_seq"}));
}

// --- The end of the ids

TEST_F(Sequences, TheEndIsToldFromHalfOn) {
  run_sql(connection, "SELECT setval('public.vlob_atom__id_seq', 1073741822)");
  EXPECT_THAT(ids_warnings(sequences_of(connection)), IsEmpty());
  run_sql(connection, "SELECT setval('public.vlob_atom__id_seq', 1073741824)");
  const auto warnings = ids_warnings(sequences_of(connection));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], HasSubstr("50 % of the ids of public.vlob_atom are used"));
  EXPECT_THAT(warnings[0],
              HasSubstr("ALTER TABLE public.vlob_atom ALTER COLUMN _id TYPE bigint; "
                        "ALTER TABLE public.realm_vlob_update ALTER COLUMN vlob_atom TYPE bigint; "
                        "ALTER SEQUENCE public.vlob_atom__id_seq AS bigint;"));
  EXPECT_THAT(ids_summary(sequences_of(connection)),
              HasSubstr("most_used=public.vlob_atom used=50.0"));
}

}  // namespace
}  // namespace parsec::testing
