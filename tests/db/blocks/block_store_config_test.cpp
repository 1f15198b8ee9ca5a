// db/blocks/block_store_config.h: what --blockstore accepts and how it refuses (db/storage.md §4).
#include "db/blocks/block_store_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::db {
namespace {

using Config = BlockStoreConfig;

Config parsed(std::vector<std::string_view> values) {
  auto config = parse_block_store(values);
  EXPECT_TRUE(config) << config.error();
  return config.value_or(Config{.raid = {}, .nodes = {Config::Mocked{}}});
}

TEST(BlockStoreConfig, TypeNamesAreCaseInsensitive) {
  for (const auto* value : {"MOCKED", "mocked", "MocKed"}) {
    EXPECT_EQ("MOCKED", parsed({value}).type());
  }
  EXPECT_EQ("POSTGRESQL", parsed({"PostgreSQL"}).type());
  EXPECT_EQ("S3", parsed({"s3:a:b:c:d:e"}).type());
  EXPECT_EQ("SWIFT", parsed({"SWIFT:a:b:c:d:e"}).type());
  EXPECT_EQ("RAID1", parsed({"Raid1:0:mocked", "rAID1:1:POSTGRESQL"}).type());
}

TEST(BlockStoreConfig, ReadsTheFieldsOfS3) {
  const auto config = parsed({R"(s3:http\://s3.example.com\:9000:eu-1:my\\bucket:k\ey:sec\:ret)"});
  const auto& s3 = std::get<Config::S3>(config.nodes.front());
  EXPECT_EQ("http://s3.example.com:9000", s3.endpoint_url);
  EXPECT_EQ("eu-1", s3.region);
  EXPECT_EQ(R"(my\bucket)", s3.bucket);
  EXPECT_EQ(R"(k\ey)", s3.key);
  EXPECT_EQ("sec:ret", s3.secret);
}

TEST(BlockStoreConfig, AnEndpointWithoutASchemeGetsHttps) {
  const auto endpoint = [](std::string_view value) {
    return std::get<Config::S3>(parsed({value}).nodes.front()).endpoint_url;
  };
  EXPECT_EQ("https://s3.example.com", endpoint("s3:s3.example.com:r:b:k:s"));
  EXPECT_EQ("https://a", endpoint(R"(s3:https\://a:r:b:k:s)"));
  EXPECT_EQ("", endpoint("s3::r:b:k:s"));
  const auto config = parsed({"swift:swift.example.com:t:c:u:p"});
  const auto& swift = std::get<Config::Swift>(config.nodes.front());
  EXPECT_EQ("https://swift.example.com", swift.auth_url);
  EXPECT_EQ("t", swift.tenant);
  EXPECT_EQ("c", swift.container);
  EXPECT_EQ("u", swift.user);
  EXPECT_EQ("p", swift.password);
}

TEST(BlockStoreConfig, NodesOfARaidComeInAnyOrder) {
  const auto config = parsed({"raid5:2:s3::r:two:k:s", "raid5:0:MOCKED", "raid5:1:POSTGRESQL"});
  EXPECT_EQ(Config::Raid::raid5, config.raid);
  ASSERT_EQ(3U, config.nodes.size());
  EXPECT_TRUE(std::holds_alternative<Config::Mocked>(config.nodes[0]));
  EXPECT_TRUE(std::holds_alternative<Config::Postgresql>(config.nodes[1]));
  EXPECT_EQ("two", std::get<Config::S3>(config.nodes[2]).bucket);
}

struct Refused {
  std::vector<std::string_view> values;
  std::string_view error;
};

class BlockStoreConfigRefused : public ::testing::TestWithParam<Refused> {};

TEST_P(BlockStoreConfigRefused, InTheWordsOfTheContract) {
  const auto config = parse_block_store(GetParam().values);
  ASSERT_FALSE(config);
  EXPECT_EQ(GetParam().error, config.error());
}

constexpr std::string_view s3_error =
    "Invalid S3 config, must be `s3:[<endpoint_url>]:<region>:<bucket>:<key>:<secret>`";
constexpr std::string_view swift_error =
    "Invalid SWIFT config, must be `swift:<auth_url>:<tenant>:<container>:<user>:<password>`";

INSTANTIATE_TEST_SUITE_P(
    Table, BlockStoreConfigRefused,
    ::testing::Values(
        Refused{{""}, "Invalid blockstore type ``"},
        Refused{{"dummy"}, "Invalid blockstore type `dummy`"},
        Refused{{"MOCKED:x"}, "Invalid blockstore type `MOCKED`"}, Refused{{"s3"}, s3_error},
        Refused{{"s3:r:b:k:s"}, s3_error}, Refused{{"s3::r:b:k:s:more"}, s3_error},
        Refused{{R"(s3::r:b:k\:s)"}, s3_error}, Refused{{"Swift:a:b:c:d"}, swift_error},
        Refused{{"raid1:x:MOCKED"}, "Invalid node index `x` (must be integer)"},
        Refused{{"raid1:1x:MOCKED"}, "Invalid node index `1x` (must be integer)"},
        Refused{{"raid1::MOCKED"}, "Invalid node index `` (must be integer)"},
        Refused{{"raid1:0:raid1:0:MOCKED"}, "Invalid blockstore type `raid1`"},
        Refused{{"raid1:0"}, "Invalid RAID config, must be `raid<0|1|5>:<n>:<config>`"},
        Refused{{"raid0:1:MOCKED"}, "Missing node index `0` in RAID config"},
        Refused{{"raid0:-1:MOCKED", "raid0:0:MOCKED"}, "Missing node index `1` in RAID config"},
        Refused{{"raid0:0:MOCKED", "raid0:2:MOCKED", "raid0:3:MOCKED"},
                "Missing node index `1` in RAID config"},
        Refused{{"raid0:0:MOCKED", "raid0:0:MOCKED"},
                "Multiple configuration for node index `0` in RAID config"},
        Refused{{"raid0:0:MOCKED", "raid1:1:MOCKED"},
                "Multiple blockstore config with different types: RAID0/RAID1"},
        Refused{{"POSTGRESQL", "raid1:1:MOCKED"},
                "Multiple blockstore config with different types: POSTGRESQL/RAID1"},
        Refused{{"MOCKED", "POSTGRESQL"},
                "Multiple blockstore configs only available for RAID mode"},
        Refused{{"raid5:0:MOCKED", "raid5:1:MOCKED"}, "RAID5 block store needs at least 3 nodes"},
        Refused{{"raid5:0:s3::r:b:k:s", "raid5:1:MOCKED", "raid5:2:s3::r:b:k:s"},
                "RAID5 block store needs different nodes"}));

struct Secretive {
  std::vector<std::string_view> values;
  std::string_view hint;
};

class BlockStoreConfigSecrets : public ::testing::TestWithParam<Secretive> {};

/// The kind of mistake by which a part of a secret would become something that messages name.
TEST_P(BlockStoreConfigSecrets, AreNotShownWhereTheyAreMisplaced) {
  const auto config = parse_block_store(GetParam().values);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error(), ::testing::HasSubstr(GetParam().hint));
  auto error = config.error();
  if (const auto at = error.find("<secret>"); at != error.npos) error.erase(at);  // of the contract
  EXPECT_THAT(error, ::testing::Not(::testing::HasSubstr("cret")));
  EXPECT_THAT(error, ::testing::Not(::testing::HasSubstr("Secr")));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BlockStoreConfigSecrets,
    ::testing::Values(
        // User and password in the URL, and a colon that is not escaped.
        Secretive{{R"(s3:https\://key\:secret@h:r:b:k:s)"}, "must hold no user and password"},
        Secretive{{R"(s3:https\://key\:se@cret@h:r:b:k:s)"}, "percent-encoded"},
        Secretive{{R"(s3:https\://key\:se/cret@h:r:b:k:s)"}, "percent-encoded"},
        Secretive{{R"(swift:https\://u\:secret@h/v1:t:c:u:p)"}, "must hold no user and password"},
        Secretive{{R"(swift:user\:secret:t:c:u:p)"}, "percent-encoded"},
        Secretive{{R"(swift:https\://h?token=secret:t:c:u:p)"}, "must hold no `?`"},
        Secretive{{"s3:https://key:secret@h:r:b"}, R"(must be written `\:`)"},
        Secretive{{"s3:http://secret:b:k:s"}, R"(must be written `\:`)"},
        Secretive{{"swift:https://u:secret@h/v1:t:c"}, R"(must be written `\:`)"},
        Secretive{{"raid1:0:s3:https://key:secret@h:r:b"}, R"(must be written `\:`)"},
        // Fields in another order, or too many.
        Secretive{{"s3::r:se/cret:k:b"}, "Are the fields in order"},
        Secretive{{"s3::r:se+cret:k:b"}, "Are the fields in order"},
        Secretive{{"s3::r:secret=:k:b"}, "Are the fields in order"},
        Secretive{{"s3::se/cret:b:k:r"}, "Are the fields in order"},
        Secretive{{"swift:h:t:se@cret:u:c"}, "Are the fields in order"},
        Secretive{{"s3::r:b:k:Secr:et"}, "Invalid S3 config, must be"},
        // A space in the variable, a newline of a file.
        Secretive{{"s3::r:b:k:se", "cret"}, "only in --blockstore"},
        Secretive{{"raid1:0:s3::r:b:k:se", "cret", "raid1:1:MOCKED"}, "only in --blockstore"},
        Secretive{{"s3::r:b:k:secret\n"}, "perhaps a newline"},
        Secretive{{"swift:h:t:c:u:secret\r"}, "perhaps a newline"},
        // Another separator than the colon.
        Secretive{{"s3;;r;b;k;secret"}, "Invalid blockstore type `(not shown)`"},
        Secretive{{"raid1:s3;;r;b;k;secret:MOCKED"}, "Invalid node index `(not shown)`"}));

}  // namespace
}  // namespace parsec::db
