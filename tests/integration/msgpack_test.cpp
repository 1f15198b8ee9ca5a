// protocol/1-transport.md §1.3: how values are encoded, read and bounded.
#include <bit>
#include <limits>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

constexpr std::size_t mib = 1'048'576;

std::string be32(std::size_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

Ext datetime_ext(double seconds) {
  const auto bits = std::bit_cast<std::uint64_t>(seconds);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(bits >> shift);
  return {1, bytes};
}

/// A ping request with one more field, whose value is given as msgpack bytes.
std::string with_extra(const std::string& value) {
  return "\x83" + pack("cmd") + pack("ping") + pack("ping") + pack("x") + pack("extra") + value;
}

class Msgpack : public IntegrationTest {
 protected:
  const ReplyMatcher pong = Ok({{"pong", "x"}});
};

TEST_F(Msgpack, ReturnsTimestampsBitIdentical) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const std::int64_t second = now().microseconds / 1'000'000 * 1'000'000;
  for (const std::int64_t microsecond :
       {0, 1, 2, 3, 123'456, 333'333, 499'999, 500'000, 500'001, 654'321, 999'998, 999'999}) {
    const DateTime at{second + microsecond};
    const Uuid vlob_id = session.create_vlob(realm_id, "x"_bin, {}, at);
    const std::string sent = pack(at);
    session.start("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
    EXPECT_NE(session.receive().payload.find(sent), std::string::npos) << at.text();
    session.start("vlob_list_versions", {{"vlob_id", vlob_id}});
    EXPECT_NE(session.receive().payload.find(sent), std::string::npos) << at.text();
  }
}

TEST_F(Msgpack, RoundsTimestampsToMicroseconds) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const std::int64_t base = now().microseconds / 1'000'000 * 1'000'000 + 250'000;
  struct Row {
    const char* name;
    double offset_us;
    std::int64_t rounded_us;
  };
  const Row rows[]{{"down", 0.4, 0}, {"up", 0.6, 1}, {"up to the second", -0.4, 0}};
  for_each_row(rows, [&](const Row& row) {
    const Uuid vlob_id = new_uuid();
    const double seconds = static_cast<double>(base) / 1e6 + row.offset_us / 1e6;
    EXPECT_THAT(session.call("vlob_create", {{"realm_id", realm_id},
                                             {"encryption_revision", 1},
                                             {"vlob_id", vlob_id},
                                             {"timestamp", datetime_ext(seconds)},
                                             {"blob", ""_bin}}),
                Ok());
    const Document reply =
        session.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
    EXPECT_EQ(reply["timestamp"], Document(DateTime{base + row.rounded_us}));
  });
}

TEST_F(Msgpack, RefusesImpossibleDatetimes) {
  const auto made = organization();
  using Limits = std::numeric_limits<double>;
  for (const double seconds : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(),
                               253402300800.0, -62135596801.0, 1e300, -1e300}) {
    Session session = made->connect(made->alice());
    const Document reply = session.call("vlob_read", {{"encryption_revision", 1},
                                                      {"vlob_id", new_uuid()},
                                                      {"timestamp", datetime_ext(seconds)}});
    EXPECT_EQ(reply, invalid_format) << seconds;
    session.wait_end();
  }
}

TEST_F(Msgpack, TakesUnknownExtTypesForOpaqueValues) {
  Session session = alice();
  for (const Document& value : {Document(Ext{5, "12345678"}), Document(Ext{-1, "x"}),
                                Document(Ext{127, std::string(16, 'u')})}) {
    EXPECT_THAT(
        session.call("vlob_read",
                     {{"encryption_revision", 1}, {"vlob_id", value}, {"timestamp", value}}),
        Invalid({{"vlob_id", "Not an UUID"}, {"timestamp", "Not a datetime"}}));
    EXPECT_THAT(session.call("ping", {{"ping", "x"}, {"other", value}}), pong);
  }
  EXPECT_THAT(
      session.call("vlob_read",
                   {{"encryption_revision", 1}, {"vlob_id", now()}, {"timestamp", new_uuid()}}),
      Invalid({{"vlob_id", "Not an UUID"}, {"timestamp", "Not a datetime"}}));
}

TEST_F(Msgpack, WritesTheShortestForm) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const Uuid vlob_id = session.create_vlob(realm_id, Octets{300, 'x'});
  const Uuid block_id = session.create_block(realm_id, Octets{70'000, 'y'});
  struct Row {
    const char* name;
    Map fields;
  };
  const std::vector<Row> rows{
      {"vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}}},
      {"block_read", {{"block_id", block_id}}},
      {"realm_stats", {{"realm_id", realm_id}}},
      {"realm_status", {{"realm_id", realm_id}}},
      {"vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 0}}},
      {"vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 200}}},
      {"vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 70'000}}},
      {"vlob_list_versions", {{"vlob_id", vlob_id}}},
      {"human_find", {}},
      {"user_get", {{"user_id", "alice"}}},
      {"no_such_command", {}},
  };
  for_each_row(rows, [&](const Row& row) {
    session.start(row.name, row.fields);
    const std::string reply = session.receive().payload;
    EXPECT_EQ(pack(unpack(reply)), reply);
  });
}

TEST_F(Msgpack, ReadsEveryForm) {
  Session session = alice();
  using namespace std::string_literals;
  struct Row {
    const char* name;
    std::string request;
  };
  const std::string fields = pack("cmd") + pack("ping") + pack("ping") + pack("x");
  const std::vector<Row> rows{
      {"map 16", "\xDE\x00\x02"s + fields},
      {"map 32", "\xDF\x00\x00\x00\x02"s + fields},
      {"str 8",
       "\x82\xD9\x03"
       "cmd\xD9\x04ping\xD9\x04ping\xD9\x01x"s},
      {"str 16",
       "\x82\xDA\x00\x03"
       "cmd\xDA\x00\x04ping\xDA\x00\x04ping\xDA\x00\x01x"s},
      {"str 32",
       "\x82\xDB\x00\x00\x00\x03"
       "cmd\xA4ping\xA4ping\xA1x"s},
      {"integer key beside", "\x83\x01\x02"s + fields},
      {"map key beside", "\x83\x81\x01\x02\xC0"s + fields},
      {"array key beside", "\x83\x91\x01\xC3"s + fields},
      {"repeated key: the last counts", "\x83"s + pack("cmd") + pack("nope") + fields},
      {"deep nesting", with_extra(std::string(100, '\x91') + "\xC0")},
      {"numbers of every width",
       with_extra("\x9A\xCC\xFF\xCD\xFF\xFF\xCE\xFF\xFF\xFF\xFF\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                  "\xFF\xD0\x80\xD1\x80\x00\xD2\x80\x00\x00\x00\xD3\x80\x00\x00\x00\x00\x00\x00"
                  "\x00\xCA\x7F\xC0\x00\x00\xCB\x7F\xF0\x00\x00\x00\x00\x00\x00"s)},
      {"fixext of every width", with_extra("\x95\xD4\x07x\xD5\x07xx\xD6\x07xxxx\xD7\x07xxxxxxxx\xD8"
                                           "\x07xxxxxxxxxxxxxxxx"s)},
      {"ext 8, 16, 32",
       with_extra("\x93\xC7\x03\x07xxx\xC8\x00\x03\x07xxx\xC9\x00\x00\x00\x03\x07xxx"s)},
  };
  for_each_row(rows, [&](const Row& row) { EXPECT_THAT(session.ask_raw(row.request), pong); });
}

TEST_F(Msgpack, BoundsSizes) {
  const auto made = organization();
  const auto array = [](std::size_t count) {
    return "\xDD" + be32(count) + std::string(count, '\0');
  };
  const auto map = [](std::size_t count) {
    std::string bytes = "\xDF" + be32(count);
    for (std::size_t i = 0; i < count; ++i) bytes += pack(i) + '\0';
    return bytes;
  };
  struct Row {
    const char* name;
    std::string value;
    bool accepted;
  };
  const std::vector<Row> rows{
      {"bin at the limit", "\xC6" + be32(mib) + std::string(mib, '\0'), true},
      {"bin beyond", "\xC6" + be32(mib + 1) + std::string(mib + 1, '\0'), false},
      {"str at the limit", "\xDB" + be32(mib) + std::string(mib, 'a'), true},
      {"str beyond", "\xDB" + be32(mib + 1) + std::string(mib + 1, 'a'), false},
      {"ext at the limit", "\xC9" + be32(mib) + "\x07" + std::string(mib, 'a'), true},
      {"ext beyond", "\xC9" + be32(mib + 1) + "\x07" + std::string(mib + 1, 'a'), false},
      {"array at the limit", array(131'072), true},
      {"array beyond", array(131'073), false},
      {"map at the limit", map(32'768), true},
      {"map beyond", map(32'769), false},
      {"a length that is only announced", "\xDD" + std::string{"\x00\x01\xFF\xFF", 4}, false},
      {"a length of 4 GiB", "\xC6\xFF\xFF\xFF\xFF", false},
  };
  for_each_row(rows, [&](const Row& row) {
    Session session = made->connect(made->alice());
    const Document reply = session.ask_raw(with_extra(row.value));
    if (row.accepted) {
      EXPECT_THAT(reply, pong);
    } else {
      EXPECT_EQ(reply, invalid_format);
      session.wait_end();
    }
  });
}

TEST_F(Msgpack, RefusesWhatIsNotOneMap) {
  const auto made = organization();
  using namespace std::string_literals;
  const std::string request = pack(Map{{"cmd", "ping"}, {"ping", "x"}});
  struct Row {
    const char* name;
    std::string message;
  };
  const std::vector<Row> rows{
      {"empty", ""},
      {"the code that is never used", "\xC1"},
      {"cut map", request.substr(0, 6)},
      {"cut str",
       "\x81\xA3"
       "cm"},
      {"missing value",
       "\x81\xA3"
       "cmd"},
      {"trailing octet", request + '\0'},
      {"two documents", request + request},
      {"invalid UTF-8", with_extra("\xA2\xFF\xFE")},
      {"overlong UTF-8", with_extra("\xA2\xC0\xAF")},
      {"surrogate", with_extra("\xA3\xED\xA0\x80")},
      {"beyond U+10FFFF", with_extra("\xA4\xF4\x90\x80\x80")},
      {"invalid UTF-8 in a key", "\x81\xA1\xFF\xC0"},
      {"JSON", R"({"cmd": "ping", "ping": "x"})"},
      {"nil", pack(nullptr)},
      {"boolean", pack(true)},
      {"integer", pack(1)},
      {"float", pack(1.5)},
      {"str", pack("ping")},
      {"bin", pack("ping"_bin)},
      {"array", pack(list(unpack(request)))},
      {"UUID", pack(new_uuid())},
      {"datetime of 4 octets", with_extra(pack(Ext{1, "1234"}))},
      {"datetime of 9 octets", with_extra(pack(Ext{1, "123456789"}))},
      {"UUID of 15 octets", with_extra(pack(Ext{2, std::string(15, 'u')}))},
      {"UUID of 17 octets", with_extra(pack(Ext{2, std::string(17, 'u')}))},
      {"nested too deep", with_extra(std::string(100'000, '\x91') + "\xC0")},
  };
  for_each_row(rows, [&](const Row& row) {
    Session session = made->connect(made->alice());
    EXPECT_EQ(session.ask_raw(row.message), invalid_format);
    session.wait_end();
  });
}

TEST_F(Msgpack, AnswersWhatCameBeforeAMalformedMessage) {
  Session session = alice();
  const std::string request = pack(Map{{"cmd", "ping"}, {"ping", "x"}});
  session.send_raw(frame(Opcode::binary, request) + frame(Opcode::binary, request) +
                   frame(Opcode::binary, "\xC1") + frame(Opcode::binary, request));
  EXPECT_THAT(session.reply(), pong);
  EXPECT_THAT(session.reply(), pong);
  EXPECT_EQ(session.reply(), invalid_format);
  session.wait_end();
  EXPECT_FALSE(session.has_message());
}

TEST_F(Msgpack, CarriesBlobsOfTheLargestSize) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const Octets blob = random_octets(mib);
  const Uuid vlob_id = session.create_vlob(realm_id, blob);
  const Document reply =
      session.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
  EXPECT_TRUE(reply["blob"] == Document(blob));
}

}  // namespace
}  // namespace parsec::testing
