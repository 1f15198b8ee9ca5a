// Arrays of a set as PostgreSQL reads them, and its rows as results of their calls.
#include "db/driver/call_set.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "db/driver/pipeline.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {
namespace {

constexpr std::array types{SqlType::text,    SqlType::bytea, SqlType::uuid,       SqlType::int8,
                           SqlType::boolean, SqlType::int4,  SqlType::timestamptz};
const SetStatement shown{
    .function = {"shown",
                 "SELECT concat_ws('|', t, encode(b, 'hex'), u, i, o, s, extract(epoch FROM z)), i"
                 " FROM unnest($1::text[], $2::bytea[], $3::uuid[], $4::bigint[], $5::boolean[],"
                 " $6::int[], $7::timestamptz[]) WITH ORDINALITY AS c (t, b, u, i, o, s, z, n)"
                 " ORDER BY n",
                 types.size(), Access::read},
    .types = types};

class CallSet : public ::testing::Test {
 protected:
  ResultPtr execute() {
    std::vector<const Request*> calls;
    for (const auto& call : owned) calls.push_back(call.get());
    EXPECT_TRUE(pipeline.execute(shown, calls));
    EXPECT_TRUE(pipeline.sync());
    for (;;) {
      EXPECT_NE(pipeline.flush(), Pipeline::Flush::lost);
      auto event = pipeline.next_event();
      if (event.kind == Pipeline::Event::Kind::rows) return std::move(event.result);
      EXPECT_NE(event.kind, Pipeline::Event::Kind::error)
          << PQresultErrorMessage(event.result.get());
      pollfd ready{pipeline.fd(), POLLIN, 0};
      if (::poll(&ready, 1, 5000) != 1 || !pipeline.receive()) return nullptr;
    }
  }
  Request& add() { return *owned.emplace_back(std::make_unique<Request>()); }

  std::vector<std::unique_ptr<Request>> owned;
  Pipeline pipeline{testing::open_connection(testing::private_cluster().conninfo("postgres"))};
};

TEST_F(CallSet, EveryTypeAndNullsArrive) {
  const Uuid id = *Uuid::parse("000102030405060708090a0b0c0d0e0f");
  add()
      .text("zoé")
      .bytes(as_bytes("\x01\xff"))
      .uuid(id)
      .int8(1LL << 40)
      .boolean(true)
      .int4(-7)
      .datetime({1'609'459'200'000'000});
  add().null().null().null().null().null().null().null();
  add().text("").bytes({}).uuid(id).int8(-1).boolean(false).int4(0).datetime({0});
  const ResultPtr result = execute();
  ASSERT_EQ(PQntuples(result.get()), 3);
  const Rows rows{result.get()};
  EXPECT_EQ(rows.text(0, 0),
            "zoé|01ff|00010203-0405-0607-0809-0a0b0c0d0e0f|1099511627776|t|-7|1609459200.000000");
  EXPECT_EQ(rows.text(1, 0), "");
  EXPECT_EQ(rows.text(2, 0), "||00010203-0405-0607-0809-0a0b0c0d0e0f|-1|f|0|0.000000");
}

TEST_F(CallSet, ARowIsTheResultOfItsCall) {
  for (const std::int64_t number : {10, 20}) {
    add().text("").null().null().int8(number).null().null().null();
  }
  add().text("last").null().null().null().null().null().null();
  ResultPtr result = execute();
  ASSERT_EQ(PQntuples(result.get()), 3);
  const ResultPtr second = row_as_result(result, 1);
  const ResultPtr third = row_as_result(result, 2);
  result.reset();
  EXPECT_EQ(Rows{second.get()}.count(), 1);
  EXPECT_EQ(Rows{second.get()}.integer(0, 1), 20);
  EXPECT_EQ(Rows{third.get()}.text(0, 0), "last");
  EXPECT_TRUE(Rows{third.get()}.is_null(0, 1));
}

}  // namespace
}  // namespace parsec::db
