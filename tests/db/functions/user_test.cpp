// db/schema/sql/functions/user.sql and its typed calls: protocol/4-commands.md §4.4,
// protocol/7-apiv1.md §7.3.
#include "db/functions/user.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "db/functions/message.h"
#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

class FunctionsUser : public ::testing::Test {
 protected:
  Sql::Fill create(Person person, std::string author = "alice@dev") {
    return create_user(world, std::move(author), std::move(person));
  }
  void add(Person person, std::string author = "alice@dev") {
    ASSERT_EQ("ok", world.sql.status(create(std::move(person), std::move(author))));
  }
  Sql::Fill revoke(std::string user_id, std::string author = "alice@dev",
                   DateTime when = {1'000'000'000'000'000}) {
    return
        [this, user_id = std::move(user_id), author = std::move(author), when](db::Request& call) {
          user_revoke(call, {world.organization_id, author}, user_id, when,
                      as_bytes("revoked " + user_id), as_bytes("revoked"));
        };
  }
  std::int64_t count(const std::string& table) {
    return world.sql.number("SELECT count(*) FROM public." + table +
                            " WHERE organization = " + world.key());
  }

  World world;
};

// --- user_create

TEST_F(FunctionsUser, IsCreatedWithItsDeviceAndHuman) {
  world.sql.run("LISTEN app_notification");
  add(Person("zoe", "OUTSIDER", "z@b"));
  EXPECT_EQ(std::vector{"created"s}, world.sql.notifications());
  EXPECT_EQ(
      "zoe|OUTSIDER|user zoe|redacted user zoe|z@b|Label|zoe@dev|label|device zoe@dev|"
      "redacted device zoe@dev|alice@dev|alice@dev|t",
      world.sql.run("SELECT concat_ws('|', u.user_id, u.profile,"
                    " convert_from(u.user_certificate, 'UTF8'),"
                    " convert_from(u.redacted_user_certificate, 'UTF8'), h.email, h.label,"
                    " d.device_id, d.device_label, convert_from(d.device_certificate, 'UTF8'),"
                    " convert_from(d.redacted_device_certificate, 'UTF8'), cu.device_id,"
                    " cd.device_id, u.created_on = to_timestamp(1700000000.000001)"
                    "  AND d.created_on = u.created_on AND u.revoked_on IS NULL)"
                    " FROM public.user_ u JOIN public.device d ON d.user_ = u._id"
                    " JOIN public.human h ON h._id = u.human"
                    " JOIN public.device cu ON cu._id = u.user_certifier"
                    " JOIN public.device cd ON cd._id = d.device_certifier"
                    " WHERE u.organization = " +
                    world.key() + " AND u.user_id = 'zoe'"));
}

TEST_F(FunctionsUser, RefusedCreationsStoreNothing) {
  add(Person("zoe", "STANDARD", "z@b"));
  world.sql.run("LISTEN app_notification");
  const auto users = count("user_"), devices = count("device"), humans = count("human");
  EXPECT_EQ("user_already_exists", world.sql.status(create(Person("zoe", "STANDARD", "new@b"))));
  EXPECT_EQ("human_already_exists", world.sql.status(create(Person("zac", "STANDARD", "z@b"))));
  EXPECT_EQ("not_allowed", world.sql.status(create(Person("zac"), "bob@dev")));
  EXPECT_EQ("not_allowed", world.sql.status(create(Person("zac"), "olga@dev")));
  EXPECT_EQ("author_unknown", world.sql.status(create(Person("zac"), "nobody@dev")));
  EXPECT_EQ(users, count("user_"));
  EXPECT_EQ(devices, count("device"));
  EXPECT_EQ(humans, count("human"));
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_F(FunctionsUser, AHumanHasOneLivingUser) {
  Person bob("bob1", "STANDARD", "b@b"), bobby("bob2", "STANDARD", "b@b");
  bob.label = "Bob";
  bobby.label = "Bobby";
  add(bob);
  EXPECT_EQ("human_already_exists", world.sql.status(create(bobby)));
  // A revocation counts at once, also one dated ahead.
  EXPECT_EQ("ok", world.sql.status(revoke("bob1", "alice@dev", {4'000'000'000'000'000})));
  add(bobby);
  EXPECT_EQ("1 Bob", world.sql.run("SELECT count(*) || ' ' || min(label) FROM public.human"
                                   " WHERE organization = " +
                                   world.key() + " AND email = 'b@b'"));
  World elsewhere;
  EXPECT_EQ("ok", elsewhere.sql.status(create_user(elsewhere, "alice@dev", bobby)));
}

TEST_F(FunctionsUser, CreationsOfOneOrganizationAreSerial) {
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create(Person("first", "STANDARD", "h@b"))));
  other.send(create(Person("second", "STANDARD", "h@b")));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("human_already_exists", other.received_status());
}

TEST_F(FunctionsUser, CreationSeesTheRevocationBeforeIt) {
  add(Person("first", "STANDARD", "h@b"));
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(revoke("first")));
  other.send(create(Person("second", "STANDARD", "h@b")));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", other.received_status());
}

TEST_F(FunctionsUser, AnAdminRevokedMeanwhileCreatesNobody) {
  add(Person("root", "ADMIN"));
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(revoke("alice", "root@dev")));
  other.send(create(Person("zoe")));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("author_revoked", other.received_status());
}

TEST_F(FunctionsUser, CreationHoldsUpNobodyElse) {
  Sql other;
  World elsewhere;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(create(Person("zoe"))));
  // Foreign keys to the locked organization, and another organization's users.
  EXPECT_EQ("ok", other.status([&](db::Request& call) {
    device_create(call, world.author("bob"), at(1), {"bob@dev2", {}, {}, {}}, as_bytes("x"), {});
  }));
  EXPECT_EQ("ok", other.status(create_user(elsewhere, "alice@dev", Person("zoe"))));
  world.sql.run("ROLLBACK");
}

TEST_F(FunctionsUser, CreationAgainstAServerThatDoesNotLock) {
  Sql other;
  other.run(
      "BEGIN; INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
      " redacted_user_certificate) VALUES (" +
      world.key() + ", 'zoe', '', now(), '')");
  const auto devices = count("device");
  world.sql.send(create(Person("zoe", "STANDARD", "z@b")));
  EXPECT_TRUE(world.sql.is_blocked());
  other.run("COMMIT");
  EXPECT_EQ("user_already_exists", world.sql.received_status());
  EXPECT_EQ(0, count("human"));
  EXPECT_EQ(devices, count("device"));
}

// --- user_revoke

TEST_F(FunctionsUser, IsRevokedOnce) {
  world.sql.run("LISTEN app_notification");
  EXPECT_EQ("not_allowed", world.sql.status(revoke("carol", "bob@dev")));
  EXPECT_EQ("not_found", world.sql.status(revoke("nobody")));
  EXPECT_TRUE(world.sql.notifications().empty());
  EXPECT_EQ("ok", world.sql.status(revoke("bob", "alice@dev", {4'000'000'000'000'000})));
  EXPECT_EQ(std::vector{"revoked"s}, world.sql.notifications());
  EXPECT_EQ("already_revoked", world.sql.status(revoke("bob")));
  EXPECT_TRUE(world.sql.notifications().empty());
  EXPECT_EQ("revoked bob|alice@dev|t",
            world.sql.run("SELECT concat_ws('|', convert_from(u.revoked_user_certificate, 'UTF8'),"
                          " d.device_id, u.revoked_on = to_timestamp(4000000000))"
                          " FROM public.user_ u"
                          " JOIN public.device d ON d._id = u.revoked_user_certifier"
                          " WHERE u._id = " +
                          world.user_key("bob")));
}

TEST_F(FunctionsUser, OfTwoRevocationsOneSucceeds) {
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(revoke("bob")));
  other.send(revoke("bob"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("already_revoked", other.received_status());

  other.run("BEGIN; UPDATE public.user_ SET revoked_on = now() WHERE _id = " +
            world.user_key("carol"));  // a server that does not lock
  world.sql.send(revoke("carol"));
  EXPECT_TRUE(world.sql.is_blocked());
  other.run("COMMIT");
  EXPECT_EQ("already_revoked", world.sql.received_status());
}

// --- user_get

class FunctionsUserGet : public FunctionsUser {
 protected:
  /// "own: device x", "users: user x", …, each once; row 0's two are user: and revocation:.
  std::set<std::string> get(std::string_view user_id, std::string device = "alice@dev") {
    const auto reply = world.sql.call([&](db::Request& call) {
      user_get(call, {world.organization_id, device}, user_id);
    });
    const auto rows = reply->rows();
    if (rows.status() != "ok") return {std::string{rows.status()}};
    std::set<std::string> found;
    using Columns = UserGetColumns;
    found.insert("user: "s += as_text(rows.bytes(0, Columns::user_certificate)));
    if (!rows.is_null(0, Columns::revoked_user_certificate)) {
      found.insert("revocation: "s += as_text(rows.bytes(0, Columns::revoked_user_certificate)));
    }
    for (int row = 1; row < rows.count(); ++row) {
      auto text = std::string{rows.text(row, Columns::list)} + ": ";
      text += as_text(rows.bytes(row, Columns::certificate));
      EXPECT_TRUE(found.insert(text).second) << text << " twice";
    }
    return found;
  }
  using Names = std::set<std::string>;
};

TEST_F(FunctionsUserGet, ChainEndsAtTheRoot) {
  EXPECT_EQ((Names{"not_found"}), get("nobody"));
  EXPECT_EQ((Names{"user: c", "own: c"}), get("alice"));
  World elsewhere;
  EXPECT_EQ("ok", elsewhere.sql.status(create_user(elsewhere, "alice@dev", Person("zoe"))));
  EXPECT_EQ((Names{"not_found"}), get("zoe"));
}

TEST_F(FunctionsUserGet, ChainIsTheClosureOfWhoCertified) {
  add(Person("ann", "ADMIN"));
  add(Person("ben", "ADMIN"), "ann@dev");
  add(Person("cat", "ADMIN"));
  add(Person("dan"), "ben@dev");
  add(Person("unrelated"), "cat@dev");
  const Names chain_of_dan{
      "user: user dan",  "own: device dan@dev",     "users: user ben", "devices: device ben@dev",
      "users: user ann", "devices: device ann@dev", "users: c",        "devices: c"};
  EXPECT_EQ(chain_of_dan, get("dan"));
  // The revocation of a reached owner, and who certified it, are followed as well.
  EXPECT_EQ("ok", world.sql.status(revoke("ben", "cat@dev")));
  auto with_revocation = chain_of_dan;
  with_revocation.insert(
      {"revoked_users: revoked ben", "users: user cat", "devices: device cat@dev"});
  EXPECT_EQ(with_revocation, get("dan"));
  EXPECT_EQ((Names{"user: user ben", "revocation: revoked ben", "own: device ben@dev",
                   "users: user ann", "devices: device ann@dev", "users: user cat",
                   "devices: device cat@dev", "users: c", "devices: c"}),
            get("ben"));
  // The user itself is in the chain if its own device certified another.
  EXPECT_EQ("ok", world.sql.status([&](db::Request& call) {
    device_create(call, {world.organization_id, "cat@dev"}, at(1),
                  {"cat@two", {}, as_bytes("device cat@two"), as_bytes("r")}, as_bytes("x"), {});
  }));
  EXPECT_EQ((Names{"user: user cat", "own: device cat@dev", "own: device cat@two",
                   "users: user cat", "devices: device cat@dev", "users: c", "devices: c"}),
            get("cat"));
}

TEST_F(FunctionsUserGet, AnOutsiderGetsRedactedCertificates) {
  add(Person("ann", "ADMIN"));
  add(Person("ben"), "ann@dev");
  world.sql.run("UPDATE public.user_ SET redacted_user_certificate = 'r' WHERE _id = " +
                world.user_key("alice"));
  EXPECT_EQ(
      (Names{"user: redacted user ben", "own: redacted device ben@dev", "users: redacted user ann",
             "devices: redacted device ann@dev", "users: r", "devices: c"}),
      get("ben", "olga@dev"));
}

TEST_F(FunctionsUserGet, CostsTheSameAmongMany) {
  add(Person("ann", "ADMIN"));
  add(Person("ben"), "ann@dev");
  int number = 0;
  const Sql::Fill get_ben = [&](db::Request& call) {
    user_get(call, world.author("alice"), "ben");
  };
  const auto creation = [&] {
    return rows_read(world.sql, [&](db::Request& call) {
      const auto name = "n" + std::to_string(++number);
      create(Person(name, "STANDARD", name + "@b"))(call);
    });
  };
  const auto get_of_few = rows_read(world.sql, get_ben);
  const auto creation_of_few = creation();
  world.sql.run(
      "WITH h AS (INSERT INTO public.human (organization, email, label) SELECT " + world.key() +
      ", 'many' || n, 'x' FROM generate_series(1, 2000) AS n RETURNING _id, email),"
      " u AS (INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
      " redacted_user_certificate, user_certifier, human) SELECT " +
      world.key() + ", email, '', now(), '', " + world.device_key("alice") +
      ", _id FROM h RETURNING _id, user_id)"
      " INSERT INTO public.device (organization, user_, device_id, device_certificate,"
      " created_on, redacted_device_certificate) SELECT " +
      world.key() + ", _id, user_id || '@dev', '', now(), '' FROM u");
  EXPECT_LE(get_of_few, 100);
  EXPECT_LE(creation_of_few, 100);
  EXPECT_LE(rows_read(world.sql, get_ben), get_of_few + 4);
  EXPECT_LE(creation(), creation_of_few + 4);
}

// --- human_find, user_find

class FunctionsUserFind : public FunctionsUser {
 protected:
  struct Question {
    std::optional<std::string> query = std::nullopt;
    bool omit_revoked = false;
    bool omit_non_human = false;
    Page page = {0, 100};
  };
  Sql::Fill humans(Question question, std::string_view user = "bob") {
    return [this, question, user](db::Request& call) {
      human_find(call, world.author(user), question.query, question.omit_revoked,
                 question.omit_non_human, question.page);
    };
  }
  Sql::Fill users(Question question, std::string_view user = "bob") {
    return [this, question, user](db::Request& call) {
      user_find(call, world.author(user), question.query, question.omit_revoked, question.page);
    };
  }
  /// "<total>: <user> <user> …"
  std::string found(const Sql::Fill& fill) {
    const auto reply = world.sql.call(fill);
    const auto rows = reply->rows();
    if (rows.status() != "ok") return std::string{rows.status()};
    auto text = std::to_string(rows.integer(0, 1)) + ":";
    for (int row = 1; row < rows.count(); ++row) text += " " + std::string{rows.text(row, 2)};
    return text;
  }
  void SetUp() override {
    const std::vector<std::vector<std::string>> members{{"Zed", "zed@example.com", "adam"},
                                                        {"amy", "amy@other.org", "ADAM"},
                                                        {"carl", "carl@example.com", "Carl (x)"},
                                                        {"b_l", "b@example.com", "Bill"}};
    for (const auto& row : members) {
      Person person(row[0], "STANDARD", row[1]);
      person.label = row[2];
      add(std::move(person));
    }
    EXPECT_EQ("ok", world.sql.status(revoke("carl")));
    EXPECT_EQ("ok", world.sql.status(revoke("carol", "alice@dev", {4'000'000'000'000'000})));
  }
};

TEST_F(FunctionsUserFind, HumansInTheirOrder) {
  EXPECT_EQ("8: amy Zed b_l carl alice bob carol olga", found(humans({})));
  EXPECT_EQ("8: amy Zed b_l carl alice bob carol olga", found(humans({.query = ""})));
  EXPECT_EQ("6: amy Zed b_l alice bob olga", found(humans({.omit_revoked = true})));
  EXPECT_EQ("4: amy Zed b_l carl", found(humans({.omit_non_human = true})));
  EXPECT_EQ("3: amy Zed b_l", found(humans({.omit_revoked = true, .omit_non_human = true})));
  EXPECT_EQ("8: b_l carl alice", found(humans({.page = {2, 3}})));
  EXPECT_EQ("8:", found(humans({.page = {8, 3}})));
  EXPECT_EQ("8:", found(humans({.page = {INT64_MAX, 100}})));
  EXPECT_EQ("2: amy Zed", found(humans({.query = "Adam"})));
  EXPECT_EQ("1: Zed", found(humans({.query = "adamzed@"})));
  EXPECT_EQ("1: Zed", found(humans({.query = "example.comzed"})));
  EXPECT_EQ("8: amy Zed b_l carl alice bob carol olga", found(humans({.query = " \n\u3000"})));
  EXPECT_EQ("1: Zed", found(humans({.query = " ADAM\tzed@  com "})));
  EXPECT_EQ("0:", found(humans({.query = "zed@ adam"})));  // in this order
  EXPECT_EQ("0:", found(humans({.query = "adam adam"})));  // without overlap
  EXPECT_EQ("0:", found(humans({.query = "no such thing"})));
  EXPECT_EQ("not_allowed", found(humans({}, "olga")));
}

TEST_F(FunctionsUserFind, AHumanAndItsUser) {
  const auto reply = world.sql.call(humans({.query = "car"}));
  const auto rows = reply->rows();
  ASSERT_EQ(3, rows.count());
  EXPECT_EQ("carl@example.com", rows.text(1, HumanFindColumns::email));
  EXPECT_EQ("Carl (x)", rows.text(1, HumanFindColumns::label));
  EXPECT_TRUE(rows.boolean(1, HumanFindColumns::revoked));
  EXPECT_EQ("carol", rows.text(2, HumanFindColumns::user_id));
  EXPECT_TRUE(rows.is_null(2, HumanFindColumns::email));
  EXPECT_TRUE(rows.boolean(2, HumanFindColumns::revoked));
}

TEST_F(FunctionsUserFind, NoQueryIsAPattern) {
  for (const auto* query :
       {"(", "[a", "*a", "a\\", "a{300}", "^ad.m|^B.b$", ".*", "ad%m", "ad_m", "\\x", "adam\\"}) {
    const auto expected = std::string_view{query} == "(" ? "1: carl" : "0:";
    EXPECT_EQ(expected, found(humans({.query = query}))) << query;
  }
  EXPECT_EQ("1: carl", found(humans({.query = "CARL (X)"})));
  EXPECT_EQ("1: b_l", found(humans({.query = "b_"})));
  Person odd("odd", "STANDARD", "odd@example.com");
  odd.label = R"(100% \o/ a%)";
  add(odd);
  EXPECT_EQ("1: odd", found(humans({.query = R"(0% \)"})));
  EXPECT_EQ("1: odd", found(humans({.query = R"(% o/ a% odd)"})));
  EXPECT_EQ("0:", found(humans({.query = R"(\\)"})));
  EXPECT_EQ("0:", found(humans({.query = std::string(1 << 20, 'a') + " b"})));
}

TEST_F(FunctionsUserFind, UserIdsBytewise) {
  EXPECT_EQ("8: Zed alice amy b_l bob carl carol olga", found(users({})));
  EXPECT_EQ("8: Zed alice amy b_l bob carl carol olga", found(users({.query = ""})));
  EXPECT_EQ("6: Zed alice amy b_l bob olga", found(users({.omit_revoked = true})));
  EXPECT_EQ("1: b_l", found(users({.query = "B_L"})));
  EXPECT_EQ("0:", found(users({.query = "b.l"})));
  EXPECT_EQ("8: carol olga", found(users({.page = {6, 3}})));
  EXPECT_EQ("not_allowed", found(users({}, "olga")));
}

// --- Every function looks its author up

TEST_F(FunctionsUser, NobodyActsAfterARevocationOrExpiration) {
  const std::vector<Sql::Fill> calls{
      [&](db::Request& call) { user_get(call, world.author("alice"), "bob"); },
      [&](db::Request& call) {
        human_find(call, world.author("alice"), std::nullopt, false, false, {0, 100});
      },
      [&](db::Request& call) {
        user_find(call, world.author("alice"), std::nullopt, false, {0, 100});
      },
      create(Person("zoe")),
      revoke("bob"),
      [&](db::Request& call) {
        device_create(call, world.author("alice"), at(1), {"alice@two", {}, {}, {}}, as_bytes("x"),
                      {});
      },
      [&](db::Request& call) { ping(call, world.author("alice"), as_bytes("x")); },
      [&](db::Request& call) { message_get(call, world.author("alice"), 0, 1 << 20); },
  };
  const auto statuses = [&] {
    std::set<std::string> found;
    for (const auto& call : calls) found.insert(world.sql.status(call));
    return found;
  };
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " +
                world.user_key("alice"));
  EXPECT_EQ(std::set{"author_revoked"s}, statuses());
  world.sql.run("UPDATE public.user_ SET revoked_on = NULL WHERE _id = " + world.user_key("alice"));
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  EXPECT_EQ(std::set{"organization_expired"s}, statuses());
  world.sql.run(
      "UPDATE public.organization SET organization_id = organization_id || 'x'"
      " WHERE _id = " +
      world.key());
  EXPECT_EQ(std::set{"author_unknown"s}, statuses());
}

}  // namespace
}  // namespace parsec::testing
