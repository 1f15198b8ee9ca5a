// db/schema/sql/functions/organization.sql and its typed calls: protocol/7-apiv1.md §7.1, §7.2.
#include "db/functions/organization.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/functions/block.h"
#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

class FunctionsOrganization : public ::testing::Test {
 protected:
  Sql::Fill create(std::string token, std::optional<DateTime> date = {}) {
    return [this, token = std::move(token), date](db::Request& call) {
      organization_create(call, id, token, date);
    };
  }
  Sql::Fill bootstrap(std::string token, Person person = Person("alice", "ADMIN", "a@b")) {
    return [this, token = std::move(token), person = std::move(person)](db::Request& call) {
      organization_bootstrap(call, id, token, as_bytes("root key"), person.row(),
                             as_bytes("created"));
    };
  }
  Sql::Fill update(std::optional<DateTime> date) {
    return [this, date](db::Request& call) {
      organization_update(call, id, date, as_bytes("expired"));
    };
  }
  std::int64_t count(const std::string& table) {
    return sql.number("SELECT count(*) FROM public." + table + " WHERE organization = " + key());
  }
  std::string key() {
    return "(SELECT _id FROM public.organization WHERE organization_id = '" + id + "')";
  }

  std::string id = "Org" + random_uuid().hex().substr(0, 20);
  Sql sql;
};

constexpr DateTime long_ago{1'000'000'000'000'000};
constexpr DateTime far_away{4'000'000'000'000'000};

TEST_F(FunctionsOrganization, IsCreatedAnewUntilItIsBootstrapped) {
  EXPECT_EQ("not_found", sql.status([&](db::Request& call) { organization_status(call, id); }));
  EXPECT_EQ("ok", sql.status(create("first", far_away)));
  EXPECT_EQ("ok", sql.status(create("second")));
  {
    const auto reply = sql.call([&](db::Request& call) { organization_status(call, id); });
    EXPECT_EQ("ok", reply->rows().status());
    EXPECT_FALSE(reply->rows().boolean(0, OrganizationStatusColumns::is_bootstrapped));
    EXPECT_TRUE(reply->rows().is_null(0, OrganizationStatusColumns::expiration_date));
  }
  EXPECT_EQ("not_found", sql.status(bootstrap("first")));
  EXPECT_EQ("ok", sql.status(create("third", far_away)));
  EXPECT_EQ("ok", sql.status(bootstrap("third")));
  EXPECT_EQ("already_exists", sql.status(create("fourth")));
  const auto reply = sql.call([&](db::Request& call) { organization_status(call, id); });
  EXPECT_TRUE(reply->rows().boolean(0, OrganizationStatusColumns::is_bootstrapped));
  EXPECT_EQ(far_away, reply->rows().datetime(0, OrganizationStatusColumns::expiration_date));
}

TEST_F(FunctionsOrganization, IsExpiredOrIsNot) {
  const auto expired = [&] {
    const auto reply = sql.call([&](db::Request& call) { organization_is_expired(call, id); });
    return reply->rows().boolean(0, OrganizationIsExpired::expired);
  };
  EXPECT_FALSE(expired()) << "it does not exist";
  sql.status(create("token"));
  EXPECT_FALSE(expired());
  for (const char* date : {"-1 second", "3 seconds"}) {
    sql.run(std::string{"UPDATE organization SET expiration_date = now() + interval '"} + date +
            "'");
    EXPECT_TRUE(expired()) << date;
  }
  sql.status(create("token", far_away));
  EXPECT_FALSE(expired());
}

TEST_F(FunctionsOrganization, BootstrapNeedsTheToken) {
  EXPECT_EQ("not_found", sql.status(bootstrap("")));
  sql.status(create("token"));
  for (const auto& wrong : {""s, "toke"s, "token0"s, "TOKEN"s, "token\0"s, "\0"s, "\xff"s}) {
    EXPECT_EQ("not_found", sql.status(bootstrap(wrong))) << wrong;
  }
  EXPECT_EQ(0, count("user_"));
  EXPECT_EQ(0, count("human"));
  EXPECT_EQ("ok", sql.status(bootstrap("token")));
  EXPECT_EQ("already_bootstrapped", sql.status(bootstrap("token")));
  EXPECT_EQ("already_bootstrapped", sql.status(bootstrap("wrong")));
}

TEST_F(FunctionsOrganization, BootstrapStoresItsFirstUser) {
  sql.run("LISTEN app_notification");
  sql.status(create(""));  // as spontaneous bootstrap does
  EXPECT_EQ("ok", sql.status(bootstrap("")));
  EXPECT_EQ(std::vector{"created"s}, sql.notifications());
  EXPECT_EQ(
      "root key|alice|ADMIN|user alice|redacted user alice|a@b|Label|alice@dev|label|"
      "device alice@dev|redacted device alice@dev|t|t|t|t",
      sql.run("SELECT concat_ws('|', convert_from(o.root_verify_key, 'UTF8'), u.user_id, u.profile,"
              " convert_from(u.user_certificate, 'UTF8'),"
              " convert_from(u.redacted_user_certificate, 'UTF8'), h.email, h.label, d.device_id,"
              " d.device_label, convert_from(d.device_certificate, 'UTF8'),"
              " convert_from(d.redacted_device_certificate, 'UTF8'), u.user_certifier IS NULL,"
              " d.device_certifier IS NULL, u.created_on = d.created_on,"
              " u.created_on = to_timestamp(1700000000.000001))"
              " FROM public.organization o JOIN public.user_ u ON u.organization = o._id"
              " JOIN public.device d ON d.user_ = u._id JOIN public.human h ON h._id = u.human"
              " WHERE o._id = " +
              key()));
}

TEST_F(FunctionsOrganization, BootstrapOfAnExpiredOneIsRefused) {
  sql.status(create("t", long_ago));
  EXPECT_EQ("organization_expired", sql.status(bootstrap("t")));
  sql.status(update(std::nullopt));
  EXPECT_EQ("ok", sql.status(bootstrap("t", Person("nohuman", "ADMIN"))));
  EXPECT_EQ(0, count("human"));
}

TEST_F(FunctionsOrganization, UpdateTellsOfPastDatesOnly) {
  EXPECT_EQ("not_found", sql.status(update(long_ago)));
  sql.status(create("t"));
  sql.run("LISTEN app_notification");
  for (const auto date : {std::optional{far_away}, std::optional<DateTime>{}}) {
    EXPECT_EQ("ok", sql.status(update(date)));
    EXPECT_TRUE(sql.notifications().empty());
  }
  EXPECT_EQ("ok", sql.status(update(long_ago)));
  EXPECT_EQ(std::vector{"expired"s}, sql.notifications());
}

TEST_F(FunctionsOrganization, StatsAddUpWhatIsThere) {
  const auto stats = [&](const std::string& organization) {
    const auto reply = sql.call([&](db::Request& call) { organization_stats(call, organization); });
    const auto rows = reply->rows();
    EXPECT_EQ("ok", rows.status());
    using Columns = OrganizationStatsColumns;
    return std::vector{rows.integer(0, Columns::data_size), rows.integer(0, Columns::metadata_size),
                       rows.integer(0, Columns::users)};
  };
  EXPECT_EQ("not_found", sql.status([&](db::Request& call) { organization_stats(call, id); }));
  sql.status(create("t"));
  EXPECT_EQ((std::vector<std::int64_t>{0, 0, 0}), stats(id));
  World world, stranger;
  for (int realm = 0; realm < 2; ++realm) {
    const auto realm_id = world.create_realm();
    const auto vlob_id = world.create_vlob(realm_id, "1234567890");
    world.update_vlob(realm_id, vlob_id, 2, "12345");
    EXPECT_EQ("ok", world.sql.status([&](db::Request& call) {
      block_create(call, world.author("alice"), realm_id, random_uuid(), 3000);
    }));
  }
  EXPECT_EQ((std::vector<std::int64_t>{6000, 30, 4}), stats(world.organization_id));
  EXPECT_EQ((std::vector<std::int64_t>{0, 0, 4}), stats(stranger.organization_id));
}

// --- At once

TEST_F(FunctionsOrganization, IsNotCreatedAnewOverItsBootstrap) {
  sql.status(create("t"));
  Sql other;
  sql.run("BEGIN");
  EXPECT_EQ("ok", sql.status(bootstrap("t")));
  other.send(create("new"));
  EXPECT_TRUE(other.is_blocked());
  sql.run("COMMIT");
  EXPECT_EQ("already_exists", other.received_status());
}

TEST_F(FunctionsOrganization, BootstrapSeesTheNewToken) {
  sql.status(create("old"));
  Sql other;
  sql.run("BEGIN");
  EXPECT_EQ("ok", sql.status(create("new")));
  other.send(bootstrap("old"));
  EXPECT_TRUE(other.is_blocked());
  sql.run("COMMIT");
  EXPECT_EQ("not_found", other.received_status());
}

TEST_F(FunctionsOrganization, OfTwoBootstrapsOneSucceeds) {
  sql.status(create("t"));
  Sql other;
  sql.run("BEGIN");
  EXPECT_EQ("ok", sql.status(bootstrap("t", Person("alice", "ADMIN"))));
  other.send(bootstrap("t", Person("mallory", "ADMIN")));
  EXPECT_TRUE(other.is_blocked());
  sql.run("COMMIT");
  EXPECT_EQ("already_bootstrapped", other.received_status());
  EXPECT_EQ(1, count("user_"));
}

TEST_F(FunctionsOrganization, BothOfTwoFirstCreationsSucceed) {
  Sql other;
  sql.run("BEGIN");
  EXPECT_EQ("ok", sql.status(create("first")));
  other.send(create("second"));
  EXPECT_TRUE(other.is_blocked());
  sql.run("COMMIT");
  EXPECT_EQ("ok", other.received_status());
  EXPECT_EQ("not_found", sql.status(bootstrap("first")));
  EXPECT_EQ("ok", sql.status(bootstrap("second")));
}

// Another server, which does not lock, stores the same first user in the same instant.
TEST_F(FunctionsOrganization, BootstrapAgainstAServerThatDoesNotLock) {
  sql.status(create("t"));
  Sql other;
  other.run(
      "BEGIN; INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
      " redacted_user_certificate) VALUES (" +
      key() + ", 'alice', '', now(), '')");
  sql.send(bootstrap("t"));
  EXPECT_TRUE(sql.is_blocked());
  other.run("COMMIT");
  EXPECT_EQ("already_bootstrapped", sql.received_status());
  EXPECT_EQ(0, count("human"));
  EXPECT_EQ(
      "t", sql.run("SELECT root_verify_key IS NULL FROM public.organization WHERE _id = " + key()));
}

}  // namespace
}  // namespace parsec::testing
