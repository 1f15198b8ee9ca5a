#include "protocol/msgpack/msgpack_reader.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "protocol/bytes/big_endian.h"
#include "tests/protocol/hex.h"
#include "tests/protocol/msgpack_text.h"

namespace parsec::msgpack {
namespace {

struct Row {
  std::string name;
  std::string hex;
  std::string text;  // of malformed ones: empty
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name << " " << row.hex; }

std::string test_name(const ::testing::TestParamInfo<Row>& row) {
  return std::to_string(row.index);
}

// --- In the order of the specification, "Formats" ------------------------------------------------

class MsgpackFormat : public ::testing::TestWithParam<Row> {};

TEST_P(MsgpackFormat, IsRead) {
  const auto document = from_hex(GetParam().hex);
  const auto value = parse(as_bytes(document));
  ASSERT_TRUE(value);
  EXPECT_EQ(to_text(*value), GetParam().text);
  EXPECT_EQ(as_text(value->encoded()), document);
}

TEST_P(MsgpackFormat, IsRefusedWhenCutShortOrTooLong) {
  const auto document = from_hex(GetParam().hex);
  for (std::size_t size = 0; size < document.size(); ++size) {
    EXPECT_FALSE(parse(as_bytes(document.substr(0, size)))) << size;
  }
  EXPECT_FALSE(parse(as_bytes(document + '\0')));
  EXPECT_FALSE(parse(as_bytes(document + document)));
}

TEST_P(MsgpackFormat, IsWalkedOverInsideAnArray) {
  const auto document = from_hex("93 01" + GetParam().hex + "02");
  const auto value = parse(as_bytes(document));
  ASSERT_TRUE(value);
  EXPECT_EQ(to_text(*value), "[1, " + GetParam().text + ", 2]");
}

const std::string uuid_hex = "00112233445566778899aabbccddeeff";

INSTANTIATE_TEST_SUITE_P(
    InSpecificationOrder, MsgpackFormat,
    ::testing::Values(
        Row{"nil", "c0", "nil"}, Row{"false", "c2", "false"}, Row{"true", "c3", "true"},
        Row{"positive fixint", "00", "0"}, Row{"positive fixint, largest", "7f", "127"},
        Row{"negative fixint", "ff", "-1"}, Row{"negative fixint, smallest", "e0", "-32"},
        Row{"uint 8", "ccff", "255"}, Row{"uint 8, not the shortest form", "cc01", "1"},
        Row{"uint 16", "cdffff", "65535"}, Row{"uint 32", "ceffffffff", "4294967295"},
        Row{"uint 64", "cf7fffffffffffffff", "9223372036854775807"},
        Row{"uint 64 beyond int64", "cfffffffffffffffff", "9223372036854775807"},
        Row{"int 8", "d080", "-128"}, Row{"int 8, positive", "d07f", "127"},
        Row{"int 16", "d18000", "-32768"}, Row{"int 32", "d280000000", "-2147483648"},
        Row{"int 64", "d38000000000000000", "-9223372036854775808"},
        Row{"float 32", "ca3fc00000", "0x1.8p+0"},
        Row{"float 64", "cb3ff8000000000000", "0x1.8p+0"},
        Row{"float 64, infinity", "cb7ff0000000000000", "inf"}, Row{"fixstr, empty", "a0", "\"\""},
        Row{"fixstr", "a3 636d64", "\"cmd\""}, Row{"fixstr, UTF-8", "a2 c3a9", "\"é\""},
        Row{"str 8", "d902 6162", "\"ab\""}, Row{"str 16", "da0002 6162", "\"ab\""},
        Row{"str 32", "db00000002 6162", "\"ab\""}, Row{"str 8, empty", "d900", "\"\""},
        Row{"bin 8", "c402 00ff", "bin:00ff"}, Row{"bin 16", "c50002 00ff", "bin:00ff"},
        Row{"bin 32", "c600000002 00ff", "bin:00ff"}, Row{"bin 8, empty", "c400", "bin:"},
        Row{"fixarray, empty", "90", "[]"}, Row{"fixarray", "92 01 c0", "[1, nil]"},
        Row{"array 16", "dc0002 01 c0", "[1, nil]"}, Row{"array 32", "dd00000002 01c0", "[1, nil]"},
        Row{"fixmap, empty", "80", "{}"}, Row{"fixmap", "81 a161 01", "{\"a\": 1}"},
        Row{"map 16", "de0001 a161 01", "{\"a\": 1}"},
        Row{"map 32", "df00000001 a161 01", "{\"a\": 1}"},
        Row{"map, keys of any kind", "83 01 02 c0 c2 90 80", "{1: 2, nil: false, []: {}}"},
        Row{"containers in containers", "92 81 01 92 02 03 90", "[{1: [2, 3]}, []]"},
        Row{"fixext 1", "d4 07 aa", "ext(7):aa"}, Row{"fixext 2", "d5 ff aabb", "ext(-1):aabb"},
        Row{"fixext 4", "d6 05 aabbccdd", "ext(5):aabbccdd"},
        Row{"fixext 8", "d7 05 0011223344556677", "ext(5):0011223344556677"},
        Row{"fixext 16", "d8 05" + uuid_hex, "ext(5):" + uuid_hex},
        Row{"ext 8", "c7 03 07 aabbcc", "ext(7):aabbcc"},
        Row{"ext 8, empty", "c7 00 07", "ext(7):"}, Row{"ext 16", "c8 0001 07 aa", "ext(7):aa"},
        Row{"ext 32", "c9 00000001 07 aa", "ext(7):aa"},
        Row{"datetime", "d7 01 3ff8000000000000", "datetime:1500000"},
        Row{"datetime, ext 8", "c7 08 01 3ff8000000000000", "datetime:1500000"},
        Row{"datetime, ext 16", "c8 0008 01 3ff8000000000000", "datetime:1500000"},
        Row{"UUID", "d8 02" + uuid_hex, "uuid:" + uuid_hex},
        Row{"UUID, ext 32", "c9 00000010 02" + uuid_hex, "uuid:" + uuid_hex}),
    test_name);

class MsgpackMalformed : public ::testing::TestWithParam<Row> {};

TEST_P(MsgpackMalformed, IsRefused) {
  const auto hex = GetParam().hex;
  EXPECT_FALSE(parse(as_bytes(from_hex(hex))));
  EXPECT_FALSE(parse(as_bytes(from_hex("91" + hex)))) << "in an array";
  EXPECT_FALSE(parse(as_bytes(from_hex("81 01" + hex)))) << "as a map's value";
  EXPECT_FALSE(parse(as_bytes(from_hex("81" + hex + "01")))) << "as a map's key";
}

INSTANTIATE_TEST_SUITE_P(
    InSpecificationOrder, MsgpackMalformed,
    ::testing::Values(
        Row{"nothing", "", ""}, Row{"never used", "c1", ""},
        Row{"length beyond the end", "a5 6162", ""}, Row{"str 32 without end", "dbffffffff 61", ""},
        Row{"array 32 without end", "ddffffffff", ""}, Row{"map 32 without end", "dfffffffff", ""},
        Row{"map without its last value", "82 01 02 03", ""},
        Row{"lone continuation octet", "a1 80", ""}, Row{"overlong UTF-8", "a2 c0af", ""},
        Row{"surrogate", "a3 eda080", ""}, Row{"beyond U+10FFFF", "a4 f4908080", ""},
        Row{"UTF-8 cut at the end of its str", "a1 c3", ""},
        Row{"datetime of 4 octets", "d6 01 00000000", ""},
        Row{"datetime of 16 octets", "d8 01" + uuid_hex, ""},
        Row{"datetime of none", "c7 00 01", ""},
        Row{"datetime, not a number", "d7 01 7ff8000000000000", ""},
        Row{"datetime, infinity", "d7 01 7ff0000000000000", ""},
        Row{"datetime, minus infinity", "d7 01 fff0000000000000", ""},
        Row{"datetime, year 10000", "d7 01 424d7fffe2040000", ""},
        Row{"UUID of 15 octets", "c7 0f 02" + uuid_hex.substr(2), ""},
        Row{"UUID of 17 octets", "c7 11 02" + uuid_hex + "00", ""},
        Row{"UUID of none", "c7 00 02", ""}),
    test_name);

// --- Limits --------------------------------------------------------------------------------------

std::string sized(char tag, std::uint32_t size, std::string_view more = {}) {
  std::string text(5, tag);
  store_big_endian(reinterpret_cast<std::byte*>(text.data() + 1), size);
  return text.append(more);
}

TEST(MsgpackLimits, OfEachKind) {
  const auto accepts = [](const std::string& document) {
    return parse(as_bytes(document)).has_value();
  };
  constexpr std::uint32_t mib = 1'048'576;
  for (const std::uint32_t more : {0u, 1u}) {
    const bool expected = more == 0;
    EXPECT_EQ(accepts(sized('\xDB', mib + more) + std::string(mib + more, 'a')), expected);
    EXPECT_EQ(accepts(sized('\xC6', mib + more) + std::string(mib + more, 'a')), expected);
    EXPECT_EQ(accepts(sized('\xC9', mib + more, "\x07") + std::string(mib + more, 'a')), expected);
    EXPECT_EQ(accepts(sized('\xDD', 131'072 + more) + std::string(131'072 + more, '\x01')),
              expected);
    EXPECT_EQ(accepts(sized('\xDF', 32'768 + more) + std::string((32'768 + more) * 2, '\x01')),
              expected);
  }
}

TEST(MsgpackLimits, OfDepth) {
  const auto nested = [](std::size_t depth, char tag) {
    return tag == '\x91' ? std::string(depth, tag) + '\xC0' : [depth] {
      std::string text;
      for (std::size_t i = 0; i < depth; ++i) text += "\x81\x01";
      return text + '\xC0';
    }();
  };
  for (const char tag : {'\x91', '\x81'}) {
    EXPECT_TRUE(parse(as_bytes(nested(128, tag))));
    EXPECT_FALSE(parse(as_bytes(nested(129, tag))));
    EXPECT_FALSE(parse(as_bytes(nested(1'000'000, tag))));
  }
  Limits limits;
  limits.depth = 1;
  EXPECT_TRUE(parse(as_bytes(from_hex("91 01")), limits));
  EXPECT_FALSE(parse(as_bytes(from_hex("91 90")), limits));
}

// --- Looking up ----------------------------------------------------------------------------------

TEST(MsgpackFind, TheLastOfARepeatedKey) {
  const auto document = from_hex("83 a161 01 a162 91 c0 a161 02");
  const auto map = parse(as_bytes(document));
  ASSERT_TRUE(map);
  ASSERT_TRUE(map->find("a"));
  EXPECT_EQ(map->find("a")->integer(), 2);
  EXPECT_EQ(to_text(*map->find("b")), "[nil]");
  EXPECT_FALSE(map->find("c"));
  EXPECT_FALSE(map->find(""));
}

TEST(MsgpackFind, StringKeysOnly) {
  const auto document = from_hex("82 c40161 01 61 02");  // bin "a", and the number 0x61
  const auto map = parse(as_bytes(document));
  ASSERT_TRUE(map);
  EXPECT_FALSE(map->find("a"));
}

TEST(MsgpackValue, IsNilByDefault) { EXPECT_TRUE(Value{}.is_nil()); }

}  // namespace
}  // namespace parsec::msgpack
