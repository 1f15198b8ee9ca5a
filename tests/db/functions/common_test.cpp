// db/schema/sql/functions/00_common.sql: what every function builds on.
#include <gtest/gtest.h>

#include <string>

#include "tests/db/function_world.h"

namespace parsec::testing {
namespace {

struct Number {
  const char* value;
  const char* hex;
};
// The shortest form, https://github.com/msgpack/msgpack/blob/master/spec.md#int-format-family
constexpr Number numbers[] = {
    {"0", "00"},
    {"127", "7f"},
    {"128", "cc80"},
    {"255", "ccff"},
    {"256", "cd0100"},
    {"65535", "cdffff"},
    {"65536", "ce00010000"},
    {"4294967295", "ceffffffff"},
    {"4294967296", "cf0000000100000000"},
    {"9223372036854775807", "cf7fffffffffffffff"},
    {"-1", "ff"},
    {"-32", "e0"},
    {"-33", "d0df"},
    {"-128", "d080"},
    {"-129", "d1ff7f"},
    {"-32768", "d18000"},
    {"-32769", "d2ffff7fff"},
    {"-2147483648", "d280000000"},
    {"-2147483649", "d3ffffffff7fffffff"},
    {"-9223372036854775808", "d38000000000000000"},
};

TEST(FunctionsCommon, IntegersTakeTheirShortestForm) {
  Sql sql;
  for (const auto& number : numbers) {
    EXPECT_EQ(number.hex, sql.run("SELECT encode(parsec_functions.msgpack_integer('" +
                                  std::string{number.value} + "'), 'hex')"))
        << number.value;
  }
}

TEST(FunctionsCommon, NotificationsAreBase64InOneLine) {
  Sql sql;
  sql.run("LISTEN app_notification");
  const std::string longest(5997, 'x');  // Notification::max_bytes
  sql.run("SELECT parsec_functions.notify('" + longest + "'::bytea)");
  EXPECT_EQ(std::vector<std::string>{longest}, sql.notifications());
  sql.run("SELECT parsec_functions.notify('prefix'::bytea, 300)");
  EXPECT_EQ(std::vector<std::string>{"prefix\xcd\x01\x2c"}, sql.notifications());
}

TEST(FunctionsCommon, AuthorHasOneRowWhateverItIs) {
  World world;
  const auto status = [&](std::string_view organization, std::string_view device) {
    return world.sql.run("SELECT status FROM parsec_functions.author('" +
                         std::string{organization} + "', '" + std::string{device} + "')");
  };
  EXPECT_EQ("ok", status(world.organization_id, "bob@dev"));
  EXPECT_EQ("author_unknown", status(world.organization_id, "nobody@dev"));
  EXPECT_EQ("author_unknown", status("NoSuchOrganization", "bob@dev"));
  World elsewhere;
  EXPECT_EQ("author_unknown", status(elsewhere.organization_id, "alice@other"));

  const auto bob = world.user_key("bob");
  world.sql.run("UPDATE public.user_ SET revoked_on = now() + interval '1 hour' WHERE _id = " +
                bob);
  EXPECT_EQ("author_revoked", status(world.organization_id, "bob@dev"));
  EXPECT_EQ("ok", status(world.organization_id, "carol@dev"));
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  EXPECT_EQ("organization_expired", status(world.organization_id, "carol@dev"));
}

// Many commands share a transaction, which may be older than a revocation that was acknowledged.
TEST(FunctionsCommon, ARevocationCountsInsideAnOlderTransaction) {
  World world;
  Sql other;
  world.sql.run("BEGIN");
  other.run("UPDATE public.user_ SET revoked_on = clock_timestamp() WHERE _id = " +
            world.user_key("bob"));
  EXPECT_EQ("author_revoked", world.sql.run("SELECT status FROM parsec_functions.author('" +
                                            world.organization_id + "', 'bob@dev')"));
  world.sql.run("ROLLBACK");
}

}  // namespace
}  // namespace parsec::testing
