// Exact bytes of parameters and results. That PostgreSQL agrees: worker_test.cpp sends every kind
// there and back.
#include "db/driver/request.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <string>
#include <vector>

namespace parsec::db {
namespace {

using namespace std::string_literals;

std::string parameter(const Request& request, std::size_t index = 0) {
  const auto& p = request.parameters()[index];
  return {request.parameter_data(p), static_cast<std::size_t>(p.length)};
}

TEST(Request, ScalarParameters) {
  Request request;
  request.text("zoé").bytes(as_bytes("\x00\xff"s)).boolean(true).boolean(false);
  request.int4(-2).int8(0x0102030405060708).uuid(*Uuid::parse("000102030405060708090a0b0c0d0e0f"));
  request.text("").null();
  EXPECT_EQ(parameter(request, 0), "zo\xc3\xa9");
  EXPECT_EQ(parameter(request, 1), "\x00\xff"s);
  EXPECT_EQ(parameter(request, 2), "\x01"s);
  EXPECT_EQ(parameter(request, 3), "\x00"s);
  EXPECT_EQ(parameter(request, 4), "\xff\xff\xff\xfe"s);
  EXPECT_EQ(parameter(request, 5), "\x01\x02\x03\x04\x05\x06\x07\x08"s);
  EXPECT_EQ(parameter(request, 6),
            "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"s);
  EXPECT_EQ(parameter(request, 7), "");
  EXPECT_EQ(request.parameters()[7].length, 0);
  EXPECT_EQ(request.parameters()[8].length, -1);
}

TEST(Request, TimestampsCountFrom2000) {
  Request request;
  request.datetime({946684800'000000}).datetime({946684799'999999}).datetime({946684800'000258});
  EXPECT_EQ(parameter(request, 0), "\0\0\0\0\0\0\0\0"s);
  EXPECT_EQ(parameter(request, 1), "\xff\xff\xff\xff\xff\xff\xff\xff"s);
  EXPECT_EQ(parameter(request, 2), "\0\0\0\0\0\0\x01\x02"s);
}

TEST(Request, Arrays) {
  Request request;
  const std::string_view texts[] = {"a", "", "bcd"};
  request.text_array(texts);
  EXPECT_EQ(parameter(request, 0),
            "\0\0\0\x01"  // dimensions
            "\0\0\0\0"    // no nulls
            "\0\0\0\x19"  // text
            "\0\0\0\x03"  // elements
            "\0\0\0\x01"  // the first index
            "\0\0\0\x01"
            "a"
            "\0\0\0\0"
            "\0\0\0\x03"
            "bcd"s);
  const Bytes blobs[] = {as_bytes(std::string_view{"\0", 1})};
  request.bytes_array(blobs);
  EXPECT_EQ(parameter(request, 1), "\0\0\0\x01\0\0\0\0\0\0\0\x11\0\0\0\x01\0\0\0\x01\0\0\0\x01\0"s);
  const std::int64_t numbers[] = {-1};
  request.int8_array(numbers);
  EXPECT_EQ(parameter(request, 2),
            "\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0\x01\0\0\0\x01\0\0\0\x08"
            "\xff\xff\xff\xff\xff\xff\xff\xff"s);
  const Uuid uuids[] = {Uuid{}};
  request.uuid_array(uuids);
  EXPECT_EQ(parameter(request, 3), "\0\0\0\x01\0\0\0\0\0\0\x0b\x86\0\0\0\x01\0\0\0\x01\0\0\0\x10"s +
                                       std::string(16, '\0'));
}

TEST(Request, AnEmptyArrayHasNoDimension) {
  Request request;
  request.text_array({}).bytes_array({}).uuid_array({}).int8_array({});
  EXPECT_EQ(parameter(request, 0), "\0\0\0\0\0\0\0\0\0\0\0\x19"s);
  EXPECT_EQ(parameter(request, 1), "\0\0\0\0\0\0\0\0\0\0\0\x11"s);
  EXPECT_EQ(parameter(request, 2), "\0\0\0\0\0\0\0\0\0\0\x0b\x86"s);
  EXPECT_EQ(parameter(request, 3), "\0\0\0\0\0\0\0\0\0\0\0\x14"s);
}

TEST(Request, OptionalParameters) {
  Request request;
  request.optional_text(std::nullopt).optional_text("x").optional_int8(std::nullopt);
  request.optional_bytes(as_bytes("y")).optional_datetime(std::nullopt);
  std::vector<std::int32_t> lengths;
  for (const auto& p : request.parameters()) lengths.push_back(p.length);
  EXPECT_EQ(lengths, (std::vector<std::int32_t>{-1, 1, -1, 1, -1}));
}

TEST(Request, ResetForgetsAllAndGivesABigArenaBack) {
  Request request;
  request.route = 1;
  request.tag = 2;
  request.outcome = Outcome::failed;
  request.text(std::string(1 << 20, 'x'));
  EXPECT_EQ(request.size_bytes(), std::size_t{1} << 20);
  request.result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  request.reset();
  EXPECT_EQ(request.size_bytes(), 0U);
  EXPECT_TRUE(request.parameters().empty());
  EXPECT_EQ(request.result, nullptr);
  EXPECT_EQ(request.outcome, Outcome::unavailable);
  EXPECT_EQ(request.route + request.tag, 0U);
}

/// A result as libpq keeps it, with one row of one column.
class OneValue {
 public:
  explicit OneValue(std::string value) : result_(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK)) {
    static char name[] = "value";
    PGresAttDesc column{name, 0, 0, 1, 0, 0, 0};
    PQsetResultAttrs(result_, 1, &column);
    PQsetvalue(result_, 0, 0, value.data(), static_cast<int>(value.size()));
  }
  OneValue(const OneValue&) = delete;
  OneValue& operator=(const OneValue&) = delete;
  ~OneValue() { PQclear(result_); }
  Rows rows() const { return Rows{result_}; }

 private:
  PGresult* result_;
};

TEST(Rows, Integers) {
  EXPECT_EQ(OneValue("\xff\xfe"s).rows().integer(0, 0), -2);
  EXPECT_EQ(OneValue("\x7f\xff\xff\xff"s).rows().integer(0, 0), 2147483647);
  EXPECT_EQ(OneValue("\x80\0\0\0"s).rows().integer(0, 0), -2147483648LL);
  EXPECT_EQ(OneValue("\0\0\0\x01\0\0\0\0"s).rows().integer(0, 0), 4294967296LL);
}

TEST(Rows, OtherTypes) {
  EXPECT_TRUE(OneValue("\x01"s).rows().boolean(0, 0));
  EXPECT_FALSE(OneValue("\0"s).rows().boolean(0, 0));
  EXPECT_EQ(OneValue("ok").rows().status(), "ok");
  EXPECT_EQ(OneValue("a\0b"s).rows().bytes(0, 0).size(), 3U);
  EXPECT_EQ(OneValue(std::string(15, '\0') + "\x07").rows().uuid(0, 0).bytes[15], std::byte{7});
  EXPECT_EQ(OneValue("x").rows().count(), 1);
}

TEST(Rows, Timestamps) {
  const struct {
    std::string raw;
    std::int64_t microseconds;
  } rows[] = {
      {"\0\0\0\0\0\0\0\0"s, 946684800'000000},
      {"\xff\xff\xff\xff\xff\xff\xff\xff"s, 946684799'999999},
      {"\x7f\xff\xff\xff\xff\xff\xff\xff"s, DateTime::max_microseconds},  // infinity
      {"\x80\0\0\0\0\0\0\0"s, DateTime::min_microseconds},                // -infinity
      {"\x7f\0\0\0\0\0\0\0"s, DateTime::max_microseconds},                // the year 294000
  };
  for (const auto& row : rows) {
    EXPECT_EQ(OneValue(row.raw).rows().datetime(0, 0).microseconds, row.microseconds);
  }
}

}  // namespace
}  // namespace parsec::db
