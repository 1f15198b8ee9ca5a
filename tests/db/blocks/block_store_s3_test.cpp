// db/blocks/block_store_s3.h against OpenStack Swift's S3 interface, which checks the signatures,
// and against a server that misbehaves.
#include "db/blocks/block_store_s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/db/function_world.h"
#include "tests/db/remote_block_store.h"
#include "tests/db/swift_service.h"
#include "tests/support/http_server.h"

namespace parsec::db {
namespace {

using testing::escaped;
using ::testing::HasSubstr;
using testing::HttpServer;
using ::testing::Not;
using testing::random_uuid;
using testing::RemoteBlockStore;
using Answer = HttpServer::Answer;

std::string value(const std::string& url, const std::string& region = "test-region",
                  const std::string& bucket = "blocks-0", const std::string& secret = "password") {
  return "s3:" + escaped(url) + ":" + region + ":" + bucket + ":tenant\\:user:" + secret;
}

std::string swift_url() { return "http://127.0.0.1:" + testing::swift_service().port(); }

TEST(S3BlockStore, KeepsBlocks) {
  PARSEC_NEED_SWIFT();
  RemoteBlockStore store{value(swift_url() + "/")};
  const auto id = random_uuid();
  EXPECT_EQ(store.read(id), "not found");
  EXPECT_EQ(store.create(id, "block"), "ok");
  // Swift's S3 interface ignores `If-None-Match`; what that header does is tested below.
  EXPECT_EQ(store.create(id, "block"), "ok");
  EXPECT_EQ(store.read(id), "block");
  EXPECT_EQ(store.read(id, "Other"), "not found");
  EXPECT_EQ(store.create(id, "", "Other"), "ok");
  EXPECT_EQ(store.read(id, "Other"), "");
  // The largest there is.
  std::string large(1 << 20, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 >> 3);
  const auto large_id = random_uuid();
  EXPECT_EQ(store.create(large_id, large), "ok");
  EXPECT_TRUE(store.read(large_id) == large);
}

TEST(S3BlockStore, SignsEveryName) {
  PARSEC_NEED_SWIFT();
  RemoteBlockStore store{value(swift_url())};
  for (const auto* organization : {"Société", "組織", "Ü-ñ_1", "a~b.c", "😀"}) {
    const auto id = random_uuid();
    EXPECT_EQ(store.create(id, organization, organization), "ok") << organization;
    EXPECT_EQ(store.read(id, organization), organization);
  }
}

TEST(S3BlockStore, TheStartTellsWhatIsWrong) {
  PARSEC_NEED_SWIFT();
  const auto error = [](const std::string& text) { return RemoteBlockStore::open_error(text); };
  EXPECT_EQ(error(value(swift_url())), "");
  EXPECT_EQ(error(value(swift_url(), "test-region", "no-bucket")),
            "Block store S3 has no bucket `no-bucket`");
  for (const auto* secret : {"wrong", "hidden-secret"}) {
    EXPECT_EQ(error(value(swift_url(), "test-region", "blocks-0", secret)),
              "Block store S3 denies access to bucket `blocks-0`: are key and secret right?");
  }
  EXPECT_EQ(error(value(swift_url(), "elsewhere")),
            "Block store S3 answered 400 for bucket `blocks-0`: are region and endpoint right?");
  const testing::DeadPort nobody;
  EXPECT_THAT(error(value(nobody.url())),
              HasSubstr("Block store S3 cannot be used (Failed to connect"));
}

TEST(S3BlockStore, Addresses) {
  const auto url = [](std::string endpoint, std::string region, std::string bucket = "b") {
    return S3BlockStore::bucket_url(
        {std::move(endpoint), std::move(region), std::move(bucket), "key", "secret"});
  };
  EXPECT_EQ(url("", "eu-west-3"), "https://s3.eu-west-3.amazonaws.com/b");
  EXPECT_EQ(url("", ""), "https://s3.us-east-1.amazonaws.com/b");
  EXPECT_EQ(url("", "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn/b");
  EXPECT_EQ(url("https://s3.example.com", "r"), "https://s3.example.com/b");
  EXPECT_EQ(url("http://h:1/path/", "r", "a b"), "http://h:1/path/a%20b");
  EXPECT_EQ(percent_encoded("aZ09-._~ /+%é"), "aZ09-._~%20%2F%2B%25%C3%A9");
}

class MisbehavingS3 : public ::testing::Test {
 protected:
  static BlockStoreSettings settings() {
    return {.timeout = std::chrono::seconds{20}, .connect_timeout = std::chrono::seconds{5}};
  }
  std::function<Answer(const HttpServer::Request&)> handler = [](const auto&) { return Answer{}; };
  HttpServer server{[this](const HttpServer::Request& asked) {
    return asked.method == "HEAD" ? Answer{} : handler(asked);
  }};
  const Uuid id = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
};

TEST_F(MisbehavingS3, NamesObjectsByOrganizationAndBlock) {
  RemoteBlockStore store{value(server.url()), settings()};
  EXPECT_EQ(store.create(id, "block", "Café"), "ok");
  EXPECT_EQ(store.read(id, "Café"), "");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].target, "/blocks-0");
  const auto* object = "/blocks-0/Caf%C3%A9/00112233-4455-6677-8899-aabbccddeeff";
  EXPECT_EQ(requests[1].target, object);
  EXPECT_EQ(requests[1].header("If-None-Match"), "*");
  EXPECT_EQ(requests[2].target, object);
}

TEST_F(MisbehavingS3, WhatAnAnswerMeans) {
  RemoteBlockStore store{value(server.url()), settings()};
  struct Row {
    Answer answer;
    std::string created;
    std::string read;
  };
  const Row rows[] = {
      {{.status = 200, .body = "x"}, "ok", "x"},
      {{.status = 412}, "ok", "timeout"},
      {{.status = 404, .body = "<Code>NoSuchKey</Code>"}, "timeout", "not found"},
      {{.status = 404, .body = "<Code>NoSuchBucket</Code>"}, "timeout", "timeout"},
      {{.status = 403}, "timeout", "timeout"},
      {{.status = 409}, "timeout", "timeout"},
      {{.status = 301}, "timeout", "timeout"},
      {{.raw = "nonsense\r\n\r\n", .then = Answer::Then::close}, "timeout", "timeout"},
      {{.body = std::string(largest_object + 1, 'x')}, "timeout", "timeout"},
  };
  for (const auto& row : rows) {
    handler = [&](const auto& asked) {
      const bool reads_nothing = asked.method == "PUT" && row.answer.body.size() > 10'000;
      return reads_nothing ? Answer{.status = 403} : row.answer;
    };
    EXPECT_EQ(store.create(id, "block"), row.created) << row.answer.status;
    EXPECT_EQ(store.read(id), row.read) << row.answer.status;
  }
}

TEST_F(MisbehavingS3, ServicesWithoutConditionsGetNone) {
  handler = [](const HttpServer::Request& asked) {
    return Answer{.status = asked.header("If-None-Match").empty() ? 200 : 501};
  };
  RemoteBlockStore store{value(server.url()), settings()};
  EXPECT_EQ(store.create(id, "block"), "ok");
  EXPECT_EQ(store.create(id, "block"), "ok");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 4U);  // once in vain
  EXPECT_EQ(requests[2].body, "block");
}

TEST_F(MisbehavingS3, OverItsBoundItSaysTimeoutAtOnce) {
  handler = [this](const auto&) {
    server.hold();
    return Answer{};
  };
  auto bounded = settings();
  bounded.bytes_under_way = 3 * (largest_object + 1024);
  bounded.connections = 2;
  RemoteBlockStore store{value(server.url()), bounded};
  for (std::uint64_t tag = 0; tag < 5; ++tag) {
    store.start(BlockJob::Kind::read, random_uuid(), {}, "Org" + std::to_string(tag), tag);
  }
  // The last two are answered while the server answers none.
  std::uint64_t tag = 0;
  for (const std::uint64_t refused : {3U, 4U}) {
    EXPECT_EQ(store.finish(&tag), "timeout");
    EXPECT_EQ(tag, refused);
  }
  server.release();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(store.finish(), "");
  EXPECT_EQ(store.read(id), "");  // there is room again
}

/// Of the room, not of what goes to the service at a time: that is the outbound thread's business.
TEST_F(MisbehavingS3, NobodyTakesAllRoomAlone) {
  handler = [this](const auto&) {
    server.hold();
    return Answer{};
  };
  auto bounded = settings();
  bounded.bytes_under_way = 12 * (largest_object + 1024);
  RemoteBlockStore store{value(server.url()), bounded};
  const auto most_of = [&](const RemoteBlockStore::Client& client) {
    int count = 0;
    while (store.try_start(BlockJob::Kind::read, random_uuid(), {}, client)) ++count;
    return count;
  };
  EXPECT_EQ(most_of({"Org", "alice"}), 4);  // a third of 12: as much as is left to her organization
  EXPECT_EQ(most_of({"Org", "bob"}), 2);    // with which the organization has half
  EXPECT_EQ(most_of({"Other"}), 2);
  // Waiting for room takes time like all else: nobody waits longer than a dead service lets one.
  EXPECT_TRUE(store.try_start(BlockJob::Kind::read, id, {}, {"Org", "alice", bounded.timeout}));
  EXPECT_EQ(store.finish(), "timeout");
  server.release();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(store.finish(), "");
  EXPECT_EQ(most_of({"Org", "alice"}), 4);  // there is room again
  for (int i = 0; i < 4; ++i) EXPECT_EQ(store.finish(), "");
}

// --- At the start

/// Answers the first requests in one way, all further ones in another.
class S3AtTheStart : public ::testing::Test {
 protected:
  static BlockStoreSettings tries(std::uint32_t number) {
    return {.timeout = std::chrono::seconds{20},
            .connect_timeout = std::chrono::seconds{5},
            .first_tries_number = number,
            .first_tries_sleep = std::chrono::milliseconds{1}};
  }
  std::atomic<int> answers = 0;
  int bad_answers = 0;
  Answer bad;
  HttpServer server{[this](const auto&) { return ++answers <= bad_answers ? bad : Answer{}; }};
};

TEST_F(S3AtTheStart, IsAwaitedWhileItSaysNotNow) {
  bad_answers = 4;  // a check asks three times
  for (const Answer& answer : {Answer{.status = 503}, Answer{.status = 500}, Answer{.status = 429},
                               Answer{.raw = "HTTP/1.1 200 ", .then = Answer::Then::reset}}) {
    bad = answer;
    answers = 0;
    EXPECT_EQ(RemoteBlockStore::open_error(value(server.url()), tries(0)), "") << answer.status;
    EXPECT_EQ(answers, 5);
  }
}

TEST_F(S3AtTheStart, IsAwaitedAsOftenAsTold) {
  bad_answers = 100;
  bad = {.status = 503};
  EXPECT_EQ(RemoteBlockStore::open_error(value(server.url()), tries(2)),
            "Block store S3 answered 503 for bucket `blocks-0`");
  EXPECT_EQ(answers, 2 * 3);
  bad_answers = 0;
  auto silent = tries(2);
  silent.timeout = std::chrono::milliseconds{100};
  const HttpServer never{[](const auto&) {
    std::this_thread::sleep_for(std::chrono::seconds{1});
    return Answer{};
  }};
  EXPECT_EQ(RemoteBlockStore::open_error(value(never.url()), silent),
            "Block store S3 did not answer in time");
  EXPECT_EQ(never.requests().size(), 2U);
}

TEST_F(S3AtTheStart, IsNotAwaitedWhenItSaysNo) {
  for (const int status : {301, 400, 401, 403, 404, 405}) {
    bad_answers = 1;
    bad = {.status = status};
    answers = 0;
    EXPECT_NE(RemoteBlockStore::open_error(value(server.url()), tries(0)), "") << status;
    EXPECT_EQ(answers, 1);
  }
  bad = {.raw = "SSH-2.0-x\r\n", .then = Answer::Then::close};
  answers = 0;
  EXPECT_THAT(RemoteBlockStore::open_error(value(server.url()), tries(0)),
              HasSubstr("cannot be used"));
}

/// However long one node is away, what is wrong with another is known at once.
TEST_F(S3AtTheStart, OneThatSaysNoIsNotHiddenByOneThatIsAway) {
  bad_answers = 1;
  bad = {.status = 404};
  const testing::DeadPort nobody;
  const auto away = "raid1:0:" + value(nobody.url());
  const auto wrong = "raid1:1:" + value(server.url());
  const std::string_view values[] = {away, wrong};
  const auto opened = BlockStores::open(*parse_block_store(values), tries(0));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), "Block store S3 (node 1 of RAID1) has no bucket `blocks-0`");
}

TEST_F(MisbehavingS3, ASilentServiceIsATimeout) {
  handler = [this](const auto&) {
    server.hold();
    return Answer{};
  };
  auto impatient = settings();
  impatient.timeout = std::chrono::seconds{1};
  RemoteBlockStore store{value(server.url()), impatient};
  store.start(BlockJob::Kind::create, id, "block");
  store.start(BlockJob::Kind::read, id);
  EXPECT_EQ(store.finish(), "timeout");
  EXPECT_EQ(store.finish(), "timeout");
}

}  // namespace
}  // namespace parsec::db
