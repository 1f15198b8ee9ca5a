#include "protocol/msgpack/msgpack_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "tests/protocol/hex.h"

namespace parsec::msgpack {
namespace {

std::string written(const std::function<void(Writer&)>& write) {
  engine::OutputBuffer buffer;
  Writer writer{buffer};
  write(writer);
  return to_hex(buffer.bytes());
}

struct IntegerRow {
  std::int64_t value;
  std::string hex;
};

TEST(MsgpackInteger, ShortestForm) {
  const IntegerRow rows[] = {
      {0, "00"},
      {127, "7f"},
      {128, "cc80"},
      {255, "ccff"},
      {256, "cd0100"},
      {65535, "cdffff"},
      {65536, "ce00010000"},
      {4294967295, "ceffffffff"},
      {4294967296, "cf0000000100000000"},
      {std::numeric_limits<std::int64_t>::max(), "cf7fffffffffffffff"},
      {-1, "ff"},
      {-32, "e0"},
      {-33, "d0df"},
      {-128, "d080"},
      {-129, "d1ff7f"},
      {-32768, "d18000"},
      {-32769, "d2ffff7fff"},
      {-2147483648, "d280000000"},
      {-2147483649, "d3ffffffff7fffffff"},
      {std::numeric_limits<std::int64_t>::min(), "d38000000000000000"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(written([&](Writer& w) { w.integer(row.value); }), row.hex) << row.value;
  }
}

TEST(MsgpackScalar, InSpecificationOrder) {
  EXPECT_EQ(written([](Writer& w) { w.nil(); }), "c0");
  EXPECT_EQ(written([](Writer& w) { w.boolean(false); }), "c2");
  EXPECT_EQ(written([](Writer& w) { w.boolean(true); }), "c3");
  EXPECT_EQ(written([](Writer& w) { w.real(1.5); }), "cb3ff8000000000000");
  EXPECT_EQ(written([](Writer& w) { w.optional_str(std::nullopt); }), "c0");
  EXPECT_EQ(written([](Writer& w) { w.optional_str("a"); }), "a161");
}

struct SizeRow {
  std::size_t size;
  std::string head;
};

TEST(MsgpackSized, ShortestHead) {
  const SizeRow strings[] = {
      {0, "a0"},       {31, "bf"},        {32, "d920"},         {255, "d9ff"},
      {256, "da0100"}, {65535, "daffff"}, {65536, "db00010000"}};
  for (const auto& row : strings) {
    const std::string text(row.size, 'x');
    EXPECT_EQ(written([&](Writer& w) { w.str(text); }), row.head + to_hex(as_bytes(text)));
  }
  const SizeRow binaries[] = {
      {0, "c400"}, {255, "c4ff"}, {256, "c50100"}, {65535, "c5ffff"}, {65536, "c600010000"}};
  for (const auto& row : binaries) {
    const std::string text(row.size, 'x');
    EXPECT_EQ(written([&](Writer& w) { w.bin(as_bytes(text)); }),
              row.head + to_hex(as_bytes(text)));
  }
  const SizeRow exts[] = {{0, "c700"},
                          {1, "d4"},
                          {2, "d5"},
                          {3, "c703"},
                          {4, "d6"},
                          {8, "d7"},
                          {16, "d8"},
                          {17, "c711"},
                          {255, "c7ff"},
                          {256, "c80100"},
                          {65536, "c900010000"}};
  for (const auto& row : exts) {
    const std::string text(row.size, 'x');
    EXPECT_EQ(written([&](Writer& w) { w.ext(-2, as_bytes(text)); }),
              row.head + "fe" + to_hex(as_bytes(text)));
  }
}

TEST(MsgpackContainer, ShortestHead) {
  const SizeRow arrays[] = {
      {0, "90"}, {15, "9f"}, {16, "dc0010"}, {65535, "dcffff"}, {65536, "dd00010000"}};
  for (const auto& row : arrays) {
    EXPECT_EQ(written([&](Writer& w) { w.array(static_cast<std::uint32_t>(row.size)); }), row.head);
  }
  const SizeRow maps[] = {
      {0, "80"}, {15, "8f"}, {16, "de0010"}, {65535, "deffff"}, {65536, "df00010000"}};
  for (const auto& row : maps) {
    EXPECT_EQ(written([&](Writer& w) { w.map(static_cast<std::uint32_t>(row.size)); }), row.head);
  }
}

TEST(MsgpackExt, OfTheProtocol) {
  Uuid uuid;
  for (std::size_t i = 0; i < 16; ++i) uuid.bytes[i] = std::byte(i);
  EXPECT_EQ(written([&](Writer& w) { w.uuid(uuid); }), "d802000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(written([](Writer& w) { w.datetime({1'500'000}); }), "d7013ff8000000000000");
}

// --- Datetimes (protocol/1-transport.md §1.3)
// -------------------------------------------------------------

struct DateTimeRow {
  double seconds;
  std::int64_t microseconds;
};

TEST(MsgpackDateTime, RoundsTheFractionHalfToEven) {
  const DateTimeRow rows[] = {
      {0.0, 0},
      {-0.0, 0},
      {1.5, 1'500'000},
      {-1.5, -1'500'000},
      {0.5e-6, 0},
      {1.5e-6, 2},
      {2.5e-6, 2},
      {-0.5e-6, 0},
      {-1.5e-6, -2},
      {0.4e-6, 0},
      {0.6e-6, 1},
      {0.9999996, 1'000'000},
      {1577836800.123456, 1577836800'123456},
      {-62135596800.0, parsec::DateTime::min_microseconds},
      {253402300799.0, 253402300799'000000},
  };
  for (const auto& row : rows) {
    const auto decoded = decode_datetime(row.seconds);
    ASSERT_TRUE(decoded) << row.seconds;
    EXPECT_EQ(decoded->microseconds, row.microseconds) << row.seconds;
  }
}

TEST(MsgpackDateTime, OutsideTheYears1To9999) {
  for (const double seconds : {std::nan(""), std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(), 253402300800.0,
                               -62135596801.0, -62135596800.00001, 1e300, -1e300}) {
    EXPECT_FALSE(decode_datetime(seconds)) << seconds;
  }
}

TEST(MsgpackDateTime, ComesBackBitIdentical) {
  std::mt19937_64 random{1};
  std::uniform_int_distribution<std::int64_t> second{-2'000'000'000, 4'000'000'000};
  for (int round = 0; round < 200'000; ++round) {
    const std::int64_t microseconds =
        second(random) * 1'000'000 + static_cast<std::int64_t>(random() % 1'000'000);
    const double seconds = static_cast<double>(microseconds) / 1e6;
    const auto decoded = decode_datetime(seconds);
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->microseconds, microseconds);
    ASSERT_EQ(std::bit_cast<std::uint64_t>(encode_datetime(*decoded)),
              std::bit_cast<std::uint64_t>(seconds));
  }
}

/// As what PostgreSQL's `infinity` is told.
TEST(MsgpackDateTime, EndsCanBeRead) {
  EXPECT_EQ(decode_datetime(encode_datetime({DateTime::min_microseconds}))->microseconds,
            DateTime::min_microseconds);
  const auto last = decode_datetime(encode_datetime({DateTime::max_microseconds}));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->text().substr(0, 20), "9999-12-31T23:59:59.");
}

}  // namespace
}  // namespace parsec::msgpack
