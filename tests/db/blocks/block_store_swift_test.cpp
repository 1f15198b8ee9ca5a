// db/blocks/block_store_swift.h against OpenStack Swift, and against a server that misbehaves.
#include "db/blocks/block_store_swift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/db/function_world.h"
#include "tests/db/remote_block_store.h"
#include "tests/db/swift_service.h"
#include "tests/support/http_server.h"

namespace parsec::db {
namespace {

using testing::escaped;
using ::testing::HasSubstr;
using testing::HttpServer;
using testing::random_uuid;
using testing::RemoteBlockStore;
using Answer = HttpServer::Answer;

/// Swift's `tempauth` names users `<account>:<user>`, the contract `<user>:<tenant>`.
std::string value(const std::string& url, const std::string& container = "blocks-0",
                  const std::string& password = "password") {
  return "swift:" + escaped(url) + ":user:" + container + ":tenant:" + password;
}

std::string swift_url(std::string_view path = "/auth/v1.0") {
  return "http://127.0.0.1:" + testing::swift_service().port() + std::string{path};
}

/// Makes every token of the service invalid.
void forget_tokens() {
  const auto command = "/usr/bin/python3 -c \"import urllib.request as r; r.urlopen('" +
                       swift_url("/forget-tokens") + "')\"";
  ASSERT_EQ(::system(command.c_str()), 0);
}

TEST(SwiftBlockStore, KeepsBlocks) {
  PARSEC_NEED_SWIFT();
  RemoteBlockStore store{value(swift_url())};
  const auto id = random_uuid();
  EXPECT_EQ(store.read(id), "not found");
  EXPECT_EQ(store.create(id, "block"), "ok");
  EXPECT_EQ(store.create(id, "another"), "ok");
  EXPECT_EQ(store.read(id), "block");
  EXPECT_EQ(store.read(id, "Other"), "not found");
  EXPECT_EQ(store.create(id, "", "Other"), "ok");
  EXPECT_EQ(store.read(id, "Other"), "");
  std::string large(1 << 20, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 >> 3);
  const auto large_id = random_uuid();
  EXPECT_EQ(store.create(large_id, large), "ok");
  EXPECT_TRUE(store.read(large_id) == large);
  for (const auto* organization : {"Société", "組織", "😀"}) {
    EXPECT_EQ(store.create(id, organization, organization), "ok") << organization;
    EXPECT_EQ(store.read(id, organization), organization);
  }
}

TEST(SwiftBlockStore, RenewsItsToken) {
  PARSEC_NEED_SWIFT();
  RemoteBlockStore store{value(swift_url())};
  const auto id = random_uuid();
  EXPECT_EQ(store.create(id, "block"), "ok");
  forget_tokens();
  EXPECT_EQ(store.read(id), "block");
  forget_tokens();
  for (int i = 0; i < 10; ++i) store.start(BlockJob::Kind::create, random_uuid(), "block");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(store.finish(), "ok");
}

TEST(SwiftBlockStore, TheStartTellsWhatIsWrong) {
  PARSEC_NEED_SWIFT();
  const auto error = [](const std::string& text) { return RemoteBlockStore::open_error(text); };
  EXPECT_EQ(error(value(swift_url())), "");
  EXPECT_EQ(error(value(swift_url(), "nowhere")), "Block store SWIFT has no container `nowhere`");
  EXPECT_EQ(error(value(swift_url(), "blocks-0", "wrong")),
            "Block store SWIFT refuses the user: are user, tenant and password right?");
  const testing::DeadPort nobody;
  EXPECT_THAT(error(value(nobody.url())),
              HasSubstr("Block store SWIFT cannot be used (Failed to connect"));
  const HttpServer other{[](const auto&) { return Answer{}; }};
  EXPECT_EQ(error(value(other.url())),
            "Block store SWIFT is no Swift service with authentication v1");
}

class MisbehavingSwift : public ::testing::Test {
 protected:
  std::function<Answer(const HttpServer::Request&)> handler = [](const auto&) { return Answer{}; };
  std::function<Answer()> log_in = [this] { return token("first"); };
  HttpServer server{[this](const HttpServer::Request& asked) {
    if (asked.target == "/auth") return log_in();
    return asked.method == "HEAD" ? Answer{.status = 204} : handler(asked);
  }};
  Answer token(const std::string& text) {
    return {
        .headers = {"X-Auth-Token: " + text, "X-Storage-Url: " + server.url() + "/v1/account/"}};
  }
  std::size_t log_ins() const {
    std::size_t count = 0;
    for (const auto& asked : server.requests()) count += asked.target == "/auth" ? 1U : 0U;
    return count;
  }
  const Uuid id = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
};

TEST_F(MisbehavingSwift, LogsInOnceAndNamesObjects) {
  RemoteBlockStore store{value(server.url() + "/auth")};
  for (int i = 0; i < 10; ++i) store.start(BlockJob::Kind::create, id, "block", "Café");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(store.finish(), "ok");
  EXPECT_EQ(log_ins(), 2U);  // the check at the start, and the shard
  const auto requests = server.requests();
  EXPECT_EQ(requests[0].header("X-Auth-User"), "tenant:user");
  EXPECT_EQ(requests[0].header("X-Auth-Key"), "password");
  EXPECT_EQ(requests[1].target, "/v1/account/blocks-0");
  EXPECT_EQ(requests.back().target,
            "/v1/account/blocks-0/Caf%C3%A9/00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(requests.back().header("X-Auth-Token"), "first");
  EXPECT_EQ(requests.back().header("If-None-Match"), "*");
}

TEST_F(MisbehavingSwift, ATokenIsRenewedForAll) {
  RemoteBlockStore store{value(server.url() + "/auth")};
  EXPECT_EQ(store.read(id), "");
  log_in = [this] { return token("second"); };
  handler = [](const HttpServer::Request& asked) {
    return Answer{.status = asked.header("X-Auth-Token") == "second" ? 200 : 401, .body = "x"};
  };
  for (int i = 0; i < 20; ++i) store.start(BlockJob::Kind::read, id);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(store.finish(), "x");
  EXPECT_EQ(log_ins(), 3U);
}

TEST_F(MisbehavingSwift, ATokenThatIsRefusedForEverIsATimeout) {
  RemoteBlockStore store{value(server.url() + "/auth")};
  handler = [](const auto&) { return Answer{.status = 401}; };
  EXPECT_EQ(store.create(id, "block"), "timeout");
  EXPECT_EQ(log_ins(), 4U);
  log_in = [] { return Answer{.status = 401}; };
  EXPECT_EQ(store.read(id), "timeout");
  log_in = [this] { return token("good"); };
  handler = [](const auto&) { return Answer{.body = "x"}; };
  EXPECT_EQ(store.read(id), "x");
}

TEST_F(MisbehavingSwift, WhatAnAnswerMeans) {
  RemoteBlockStore store{value(server.url() + "/auth")};
  struct Row {
    Answer answer;
    std::string created;
    std::string read;
  };
  const Row rows[] = {
      {{.status = 201}, "ok", "timeout"},
      {{.status = 412}, "ok", "timeout"},
      {{.status = 404}, "timeout", "not found"},
      {{.status = 403}, "timeout", "timeout"},
      {{.status = 507}, "timeout", "timeout"},
      {{.raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", .then = Answer::Then::reset},
       "timeout",
       "timeout"},
  };
  for (const auto& row : rows) {
    handler = [&](const auto&) { return row.answer; };
    EXPECT_EQ(store.create(id, "block"), row.created) << row.answer.status;
    EXPECT_EQ(store.read(id), row.read) << row.answer.status;
  }
}

TEST(SwiftAtTheStart, IsAwaitedUnlessItSaysNo) {
  struct Row {
    std::string where;  // the path of the log-in, or of the container
    int status;
    bool awaited;
  };
  const Row rows[] = {{"/auth", 503, true},  {"/auth", 401, false}, {"/auth", 403, false},
                      {"/auth", 404, false}, {"/v1/c", 503, true},  {"/v1/c", 404, false},
                      {"/v1/c", 403, false}};
  for (const auto& row : rows) {
    std::atomic<int> bad = 0;
    HttpServer* self = nullptr;
    HttpServer server{[&](const HttpServer::Request& asked) {
      if (asked.target == row.where && ++bad <= (row.awaited ? 4 : 1)) {
        return Answer{.status = row.status};
      }
      return Answer{.headers = {"X-Storage-Url: " + self->url() + "/v1", "X-Auth-Token: token"}};
    }};
    self = &server;
    const auto error = RemoteBlockStore::open_error(
        value(server.url() + "/auth", "c"),
        {.first_tries_number = 0, .first_tries_sleep = std::chrono::milliseconds{1}});
    EXPECT_EQ(error.empty(), row.awaited) << row.where << " " << row.status << " " << error;
  }
}

}  // namespace
}  // namespace parsec::db
