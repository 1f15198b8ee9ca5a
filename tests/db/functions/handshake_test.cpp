// db/schema/sql/functions/handshake.sql and its typed calls: protocol/2-handshake.md §2.2,
// protocol/6-events.md §6.1.
#include "db/functions/handshake.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/db/function_support.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

class FunctionsHandshake : public ::testing::Test {
 protected:
  Sql::Fill authenticated(std::string device_id) {
    return [this, device_id = std::move(device_id)](db::Request& call) {
      handshake_authenticated(call, world.organization_id, device_id);
    };
  }
  void expire(const std::string& when) {
    world.sql.run("UPDATE public.organization SET expiration_date = " + when +
                  " WHERE _id = " + world.key());
  }

  World world;
};

TEST_F(FunctionsHandshake, AuthenticatedDevice) {
  {
    const auto reply = world.sql.call(authenticated("olga@dev"));
    const HandshakeAuthenticated found{reply->rows()};
    ASSERT_TRUE(found.known());
    EXPECT_EQ("c", as_text(found.device_certificate()));
    EXPECT_EQ("k", as_text(found.root_verify_key()));
    EXPECT_FALSE(found.expired());
    EXPECT_FALSE(found.revoked());
    EXPECT_EQ("OUTSIDER", found.profile());
  }
  expire("now() + interval '1 hour'");
  world.sql.run(
      "UPDATE public.user_ SET revoked_on = now() + interval '1 hour', profile = NULL"
      " WHERE _id = " +
      world.user_key("olga"));
  {
    const auto reply = world.sql.call(authenticated("olga@dev"));
    const HandshakeAuthenticated found{reply->rows()};
    EXPECT_FALSE(found.expired());
    EXPECT_TRUE(found.revoked());  // whatever the date
    EXPECT_EQ("STANDARD", found.profile());
  }
  expire("now()");
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("olga"));
  const auto reply = world.sql.call(authenticated("olga@dev"));
  const HandshakeAuthenticated found{reply->rows()};
  ASSERT_TRUE(found.known());
  EXPECT_TRUE(found.expired());
  EXPECT_TRUE(found.revoked());
}

TEST_F(FunctionsHandshake, UnknownDevicesAndOrganizationsLookAlike) {
  World elsewhere;
  EXPECT_EQ("not_found", world.sql.status(authenticated("nobody@dev")));
  EXPECT_EQ("not_found", world.sql.status([&](db::Request& call) {
    handshake_authenticated(call, "NoSuchOrganization", "alice@dev");
  }));
  world.sql.run("UPDATE public.organization SET root_verify_key = NULL WHERE _id = " + world.key());
  EXPECT_EQ("not_found", world.sql.status(authenticated("alice@dev")));
}

TEST_F(FunctionsHandshake, Anonymous) {
  const auto anonymous = [&](const std::string& id, bool create) {
    return world.sql.call([&](db::Request& call) { handshake_anonymous(call, id, create); });
  };
  {
    const auto reply = anonymous(world.organization_id, false);
    const HandshakeAnonymous found{reply->rows()};
    ASSERT_TRUE(found.known());
    EXPECT_EQ("k", as_text(*found.root_verify_key()));
    EXPECT_FALSE(found.expired());
  }
  expire("now()");
  EXPECT_TRUE(HandshakeAnonymous{anonymous(world.organization_id, true)->rows()}.expired());

  const auto unknown = "Org" + random_uuid().hex().substr(0, 20);
  EXPECT_FALSE(HandshakeAnonymous{anonymous(unknown, false)->rows()}.known());
  for (int i = 0; i < 2; ++i) {
    const auto reply = anonymous(unknown, true);
    const HandshakeAnonymous found{reply->rows()};
    EXPECT_EQ(1, reply->rows().count());
    EXPECT_TRUE(found.known());
    EXPECT_FALSE(found.root_verify_key().has_value());
    EXPECT_FALSE(found.expired());
  }
  EXPECT_EQ("t", world.sql.run("SELECT bootstrap_token = '' AND expiration_date IS NULL FROM"
                               " public.organization WHERE organization_id = '" +
                               unknown + "'"));
}

TEST_F(FunctionsHandshake, SpontaneousCreationsAtOnce) {
  const auto unknown = "Org" + random_uuid().hex().substr(0, 20);
  const Sql::Fill create = [&](db::Request& call) { handshake_anonymous(call, unknown, true); };
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create));
  other.send(create);
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", other.received_status());
}

TEST_F(FunctionsHandshake, Invited) {
  const auto token = random_uuid();
  const auto invited = [&](const std::string& organization, const Uuid& asked) {
    return world.sql.call([&](db::Request& call) { handshake_invited(call, organization, asked); });
  };
  world.sql.run(
      "INSERT INTO public.invitation (organization, token, type, greeter, created_on)"
      " VALUES (" +
      world.key() + ", '" + token.text() + "', 'DEVICE', " + world.user_key("bob") + ", now())");
  {
    const auto reply = invited(world.organization_id, token);
    const HandshakeInvited found{reply->rows()};
    ASSERT_TRUE(found.known());
    EXPECT_TRUE(found.organization_known());
    EXPECT_FALSE(found.expired());
    EXPECT_FALSE(found.deleted());
    EXPECT_EQ("DEVICE", found.type());
    EXPECT_EQ("bob", found.greeter());
  }
  world.sql.run("UPDATE public.invitation SET deleted_on = now() WHERE token = '" + token.text() +
                "'");
  EXPECT_TRUE(HandshakeInvited{invited(world.organization_id, token)->rows()}.deleted());
  expire("now()");
  World elsewhere;
  {
    const auto reply = invited(world.organization_id, random_uuid());
    const HandshakeInvited found{reply->rows()};
    EXPECT_TRUE(found.organization_known());
    EXPECT_TRUE(found.expired());
    EXPECT_FALSE(found.known());
  }
  const auto reply = invited(elsewhere.organization_id, token);
  EXPECT_FALSE(HandshakeInvited{reply->rows()}.known());
  EXPECT_FALSE(HandshakeInvited{invited("NoSuch", token)->rows()}.organization_known());
}

TEST_F(FunctionsHandshake, ExpirationIsAnnouncedButNotAtEveryAttempt) {
  const auto set_date = [&](const std::string& date) {
    world.sql.run("UPDATE public.organization SET expiration_date = " + date +
                  " WHERE _id = " + world.key());
  };
  const auto attempt = [&](db::Request& call) {
    announce_expired(call, world.organization_id, as_bytes("expired"));
  };
  const std::vector told{"expired"s};
  const std::vector<std::string> nothing;
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("ok", world.sql.status(attempt));
  EXPECT_EQ(nothing, world.sql.notifications());  // it is not expired

  set_date("now() - interval '1 hour'");
  EXPECT_EQ("ok", world.sql.status(attempt));
  EXPECT_EQ(told, world.sql.notifications());
  // Strangers may try: that writes nothing, and tells nobody.
  for (int i = 0; i < 3; ++i) {
    world.sql.run("BEGIN");
    EXPECT_EQ("ok", world.sql.status(attempt));
    EXPECT_EQ("", world.sql.run("SELECT pg_current_xact_id_if_assigned()"));
    world.sql.run("COMMIT");
  }
  EXPECT_EQ(nothing, world.sql.notifications());

  set_date("now() - interval '1 second'");  // another one
  EXPECT_EQ("ok", world.sql.status(attempt));
  EXPECT_EQ(told, world.sql.notifications());

  world.sql.run(
      "UPDATE parsec_ext.announced_expiration SET announced_on = announced_on - interval '1 hour'");
  EXPECT_EQ("ok", world.sql.status(attempt));
  EXPECT_EQ(told, world.sql.notifications());
}

TEST_F(FunctionsHandshake, ExpirationThatManyNoticeAtOnceIsAnnouncedOnce) {
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  world.sql.run("LISTEN app_notification");
  const auto attempt = [&](db::Request& call) {
    announce_expired(call, world.organization_id, as_bytes("expired"));
  };
  Sql other;
  other.run("BEGIN");
  EXPECT_EQ("ok", other.status(attempt));
  world.sql.send(attempt);
  EXPECT_TRUE(world.sql.is_blocked());
  other.run("COMMIT");
  EXPECT_EQ("ok", world.sql.received_status());
  EXPECT_EQ(std::vector{"expired"s}, world.sql.notifications());
}

TEST_F(FunctionsHandshake, RealmsOfAUserAreThoseWithARoleNow) {
  const auto realms = [&](std::string_view user) {
    const auto reply =
        world.sql.call([&](db::Request& call) { user_realms(call, world.organization_id, user); });
    EXPECT_EQ("ok", reply->rows().status());
    std::map<std::string, std::string> found;
    for (int row = 1; row < reply->rows().count(); ++row) {
      found[reply->rows().uuid(row, UserRealmsColumns::realm_id).text()] =
          reply->rows().text(row, UserRealmsColumns::role);
    }
    return found;
  };
  const auto kept = world.create_realm(), lost = world.create_realm(), equal = world.create_realm();
  EXPECT_TRUE(realms("bob").empty());
  world.grant(kept, "bob", "READER");
  world.grant(kept, "bob", "MANAGER");
  world.grant(lost, "bob", "READER");
  world.grant(lost, "bob", std::nullopt);
  // Of equal timestamps the last one stored counts; an older one stored later does not.
  const auto store = [&](const Uuid& realm, const std::string& role, const std::string& when) {
    world.sql.run(
        "INSERT INTO public.realm_user_role (realm, user_, role, certificate,"
        " certified_by, certified_on) VALUES (" +
        world.realm_key(realm) + ", " + world.user_key("bob") + ", " + role + ", '', " +
        world.device_key("alice") + ", '" + when + "')");
  };
  store(equal, "'OWNER'", "2030-01-01");
  store(equal, "NULL", "2030-01-01");
  store(equal, "'CONTRIBUTOR'", "2030-01-01");
  store(equal, "NULL", "2029-01-01");
  EXPECT_EQ(
      (std::map<std::string, std::string>{{kept.text(), "MANAGER"}, {equal.text(), "CONTRIBUTOR"}}),
      realms("bob"));
  EXPECT_EQ(3U, realms("alice").size());

  const auto status = [&](std::string_view user) {
    return world.sql.status(
        [&](db::Request& call) { user_realms(call, world.organization_id, user); });
  };
  EXPECT_EQ("author_unknown", status("nobody"));
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " + world.user_key("bob"));
  EXPECT_EQ("author_revoked", status("bob"));
  expire("now()");
  EXPECT_EQ("organization_expired", status("alice"));
}

TEST_F(FunctionsHandshake, CostsTheSameAmongMany) {
  const auto realm = world.create_realm();
  const Sql::Fill subscribe = [&](db::Request& call) {
    user_realms(call, world.organization_id, "alice");
  };
  const auto handshake_of_few = rows_read(world.sql, authenticated("bob@dev"));
  const auto realms_of_few = rows_read(world.sql, subscribe);
  world.sql.run(
      "WITH u AS (INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
      " redacted_user_certificate) SELECT " +
      world.key() +
      ", 'many' || n, '', now(), '' FROM generate_series(1, 2000) AS n RETURNING _id, user_id),"
      " d AS (INSERT INTO public.device (organization, user_, device_id, device_certificate,"
      " created_on, redacted_device_certificate) SELECT " +
      world.key() +
      ", _id, user_id || '@dev', '', now(), '' FROM u)"
      " INSERT INTO public.realm_user_role (realm, user_, role, certificate, certified_by,"
      " certified_on) SELECT " +
      world.realm_key(realm) + ", _id, 'READER', '', " + world.device_key("alice") +
      ", now() FROM u");
  world.sql.run("INSERT INTO public.realm (organization, realm_id, encryption_revision) SELECT " +
                world.key() + ", gen_random_uuid(), 1 FROM generate_series(1, 2000)");
  EXPECT_LE(handshake_of_few, 30);
  EXPECT_LE(realms_of_few, 30);
  EXPECT_LE(rows_read(world.sql, authenticated("bob@dev")), handshake_of_few + 2);
  EXPECT_LE(rows_read(world.sql, subscribe), realms_of_few + 2);
}

// A worker prepares each function once, perhaps on tables that are tiny and analysed as such.
TEST_F(FunctionsHandshake, PreparedPlansStayRightWhileTablesGrow) {
  auto connection = open_connection(fresh_database());
  const auto run = [&](const std::string& sql) { return run_sql(connection, sql); };
  const auto insert = [&](const std::string& from, const std::string& to) {
    run("WITH o AS (INSERT INTO organization (organization_id, bootstrap_token, root_verify_key)"
        " SELECT 'o' || n, '', 'k' FROM generate_series(" +
        from + ", " + to +
        ") AS n RETURNING _id), u AS (INSERT INTO user_ (organization, user_id, user_certificate,"
        " created_on, redacted_user_certificate) SELECT _id, 'u', '', now(), '' FROM o"
        " RETURNING _id, organization), i AS (INSERT INTO invitation (organization, token, type,"
        " greeter, created_on) SELECT organization, gen_random_uuid(), 'DEVICE', _id, now() FROM u)"
        " INSERT INTO device (organization, user_, device_id, device_certificate, created_on,"
        " redacted_device_certificate) SELECT organization, _id, 'u@d', '', now(), '' FROM u");
  };
  insert("1", "3");
  run("ANALYZE");
  run("PREPARE a (text, text) AS SELECT * FROM parsec_functions.handshake_authenticated($1, $2);"
      "PREPARE i (text, uuid) AS SELECT * FROM parsec_functions.handshake_invited($1, $2);"
      "PREPARE d (text, text) AS SELECT * FROM parsec_functions.device_created($1, $2);"
      "PREPARE r (text, text) AS SELECT * FROM parsec_functions.user_realms($1, $2);"
      "PREPARE p (text, text) AS SELECT * FROM parsec_functions.ping($1, $2, 'x')");
  const auto rows_read = [&](const std::string& execute) {
    const std::string count =
        "SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))"
        " FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace";
    run(execute);
    run("BEGIN");
    const auto before = std::stoll(run(count));
    EXPECT_EQ("ok", run(execute));
    const auto after = std::stoll(run(count));
    run("ROLLBACK");
    return after - before;
  };
  // Of the newest organization: a scan of the table would come to it last.
  const auto costs = [&](const std::string& id) {
    const auto token = run("SELECT token FROM invitation ORDER BY _id DESC LIMIT 1");
    std::vector<long long> rows;
    for (const auto& execution :
         {"EXECUTE a ('" + id + "', 'u@d')", "EXECUTE i ('" + id + "', '" + token + "')",
          "EXECUTE d ('" + id + "', 'u@d')", "EXECUTE r ('" + id + "', 'u')",
          "EXECUTE p ('" + id + "', 'u@d')"}) {
      rows.push_back(rows_read(execution));
    }
    return rows;
  };
  const auto few = costs("o3");
  insert("4", "3000");
  const auto many = costs("o3000");
  for (std::size_t i = 0; i < many.size(); ++i) EXPECT_LE(many[i], few[i] + 2) << "statement " << i;
}

}  // namespace
}  // namespace parsec::testing
