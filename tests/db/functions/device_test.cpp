// db/schema/sql/functions/device.sql and its typed calls: protocol/4-commands.md §4.1, §4.4,
// protocol/7-apiv1.md §7.3.
#include "db/functions/device.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

class FunctionsDevice : public ::testing::Test {
 protected:
  Sql::Fill create(std::string device_id, std::string_view user = "bob",
                   std::optional<std::string> large_answer = {}) {
    return [this, device_id = std::move(device_id), user,
            large_answer = std::move(large_answer)](db::Request& call) {
      std::optional<Bytes> answer;
      if (large_answer) answer = as_bytes(*large_answer);
      device_create(call, world.author(user), at(7),
                    {.device_id = device_id,
                     .device_label = "phone",
                     .device_certificate = as_bytes("plain"),
                     .redacted_device_certificate = as_bytes("redacted")},
                    as_bytes("created"), answer);
    };
  }
  std::string answer_of(std::string_view device_id) {
    const auto reply = world.sql.call(
        [&](db::Request& call) { device_created(call, world.organization_id, device_id); });
    if (reply->rows().status() != "ok") return std::string{reply->rows().status()};
    return std::string{as_text(reply->rows().bytes(0, DeviceCreatedColumns::device_certificate))} +
           "|" +
           std::string{as_text(reply->rows().bytes(0, DeviceCreatedColumns::encrypted_answer))};
  }

  World world;
};

TEST_F(FunctionsDevice, IsCreatedOnce) {
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(create("bob@phone")));
  EXPECT_EQ(std::vector{"created"s}, world.sql.notifications());
  EXPECT_EQ("already_exists", world.sql.status(create("bob@phone")));
  EXPECT_EQ("already_exists", world.sql.status(create("bob@dev")));
  EXPECT_TRUE(world.sql.notifications().empty());
  World elsewhere;
  EXPECT_EQ("bob|bob@dev|plain|redacted|phone|t",
            world.sql.run(
                "SELECT concat_ws('|', u.user_id, c.device_id, convert_from(d.device_certificate,"
                " 'UTF8'), convert_from(d.redacted_device_certificate, 'UTF8'), d.device_label,"
                " d.created_on = to_timestamp(1700000000.000007))"
                " FROM public.device d JOIN public.user_ u ON u._id = d.user_"
                " JOIN public.device c ON c._id = d.device_certifier"
                " WHERE d.organization = " +
                world.key() + " AND d.device_id = 'bob@phone'"));
}

TEST_F(FunctionsDevice, OfTwoCreationsOneSucceeds) {
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create("bob@phone")));
  other.send(create("bob@phone"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("already_exists", other.received_status());
}

TEST_F(FunctionsDevice, LargeAnswersAreReadBack) {
  EXPECT_EQ("ok", world.sql.status(create("bob@small")));
  const std::string answer(300'000, 'x');
  EXPECT_EQ("ok", world.sql.status(create("bob@large", "bob", answer)));
  EXPECT_EQ("plain|", answer_of("bob@small"));
  EXPECT_EQ("plain|" + answer, answer_of("bob@large"));
  EXPECT_EQ("not_found", answer_of("bob@none"));
  EXPECT_EQ("already_exists", world.sql.status(create("bob@large", "bob", "other")));
  EXPECT_EQ("plain|" + answer, answer_of("bob@large"));
}

TEST_F(FunctionsDevice, OldAnswersAreForgotten) {
  world.sql.status(create("bob@old", "bob", "old answer"));
  world.sql.status(create("bob@recent", "bob", "recent answer"));
  world.sql.run(
      "UPDATE parsec_ext.device_answer SET created_on = now() - interval '61 minutes'"
      " WHERE device_id = 'bob@old'");
  world.sql.status(create("bob@new", "bob", "new answer"));
  EXPECT_EQ("plain|", answer_of("bob@old"));
  EXPECT_EQ("plain|recent answer", answer_of("bob@recent"));
  EXPECT_EQ("plain|new answer", answer_of("bob@new"));
}

TEST_F(FunctionsDevice, PingTells) {
  const auto ping_as = [&](std::string_view user) {
    return world.sql.status(
        [&](db::Request& call) { ping(call, world.author(user), as_bytes("pinged")); });
  };
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", ping_as("olga"));
  EXPECT_EQ(std::vector{"pinged"s}, world.sql.notifications());
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("olga"));
  EXPECT_EQ("author_revoked", ping_as("olga"));
  EXPECT_EQ("author_unknown", ping_as("nobody"));
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_F(FunctionsDevice, CreationCostsTheSameAmongMany) {
  int number = 0;
  const auto cost = [&] {
    return rows_read(world.sql,
                     [&](db::Request& call) { create("bob@n" + std::to_string(++number))(call); });
  };
  const auto few = cost();
  EXPECT_LE(few, 100);
  world.sql.run(
      "INSERT INTO public.device (organization, user_, device_id, device_certificate,"
      " created_on, redacted_device_certificate) SELECT " +
      world.key() + ", " + world.user_key("bob") +
      ", 'bob@many' || n, '', now(), '' FROM generate_series(1, 2000) AS n");
  EXPECT_LE(cost(), few + 2);
}

}  // namespace
}  // namespace parsec::testing
