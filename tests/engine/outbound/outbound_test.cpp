// engine/outbound/outbound.h over libcurl and real sockets; tests/support/http_server.h is the
// outside.
#include "engine/outbound/outbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "tests/engine/outbound_shard.h"
#include "tests/support/http_server.h"

namespace parsec::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::DeadPort;
using ::testing::HasSubstr;
using testing::HttpServer;
using ::testing::Not;
using testing::outbound_request;
using testing::OutboundShard;
using testing::text_of;
using Answer = HttpServer::Answer;
using Method = OutboundRequest::Method;
using Result = OutboundRequest::Result;

/// One destination and one shard; the server answers by `handler`.
class OutboundTest : public ::testing::Test {
 protected:
  ~OutboundTest() override { outbound.stop(); }

  OutboundShard& start(OutboundDestinationSettings settings = {}) {
    settings.retry_delay = milliseconds{1};
    auto& destination = outbound.add(settings);
    shard.emplace(outbound, 0U, destination);
    outbound.start();
    return *shard;
  }

  std::function<Answer(const HttpServer::Request&)> handler = [](const auto&) { return Answer{}; };
  HttpServer server{[this](const auto& asked) { return handler(asked); }};
  std::optional<OutboundShard> shard;
  Outbound outbound{{}};
};

TEST_F(OutboundTest, CarriesRequestsAndAnswers) {
  handler = [](const HttpServer::Request& asked) {
    return Answer{.status = 203, .headers = {"X-Name:  value "}, .body = "<" + asked.body + ">"};
  };
  auto& from = start();
  auto put = outbound_request(server.url() + "/a%20b", 42);
  put->method = Method::put;
  put->headers = {"X-Mine: 1"};
  put->body.assign(100'000, std::byte{'x'});
  const auto answered = from.call(std::move(put));
  EXPECT_EQ(answered->tag, 42U);
  EXPECT_EQ(answered->result, Result::answered) << answered->failure;
  EXPECT_EQ(answered->status, 203);
  EXPECT_EQ(answered->answer_header("x-name"), "value");
  EXPECT_EQ(answered->answer_header("x-other"), "");
  EXPECT_EQ(text_of(answered->answer), "<" + std::string(100'000, 'x') + ">");
  EXPECT_EQ(answered->body.size(), 100'000U);  // still there, for another try

  auto head = outbound_request(server.url());
  head->method = Method::head;
  EXPECT_EQ(from.call(std::move(head))->status, 203);
  EXPECT_EQ(text_of(from.call(outbound_request(server.url()))->answer), "<>");

  const auto requests = server.requests();
  EXPECT_EQ(requests[0].method, "PUT");
  EXPECT_EQ(requests[0].target, "/a%20b");
  EXPECT_EQ(requests[0].header("X-Mine"), "1");
  EXPECT_EQ(requests[1].method, "HEAD");
  EXPECT_EQ(requests[2].method, "GET");
  for (const auto& asked : requests) EXPECT_EQ(asked.connection, 1);  // it was used again
}

TEST_F(OutboundTest, TriesAgainWhatMaySucceedLater) {
  const Answer good{.body = "good"};
  const std::vector<Answer> bad = {
      {.status = 500},
      {.status = 503},
      {.status = 429},
      {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .then = Answer::Then::close},
      {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", .then = Answer::Then::reset},
      {.body = "short", .content_length = "9", .then = Answer::Then::close},
      {.raw = "HTTP/1.1 200 ", .then = Answer::Then::reset},
  };
  std::atomic<std::size_t> row = 0;
  std::atomic<int> count = 0;
  handler = [&](const auto&) { return ++count % 3 == 0 ? good : bad[row]; };
  auto& from = start({.tries = 3});
  for (; row < bad.size(); ++row) {
    SCOPED_TRACE(row.load());
    const auto answered = from.call(outbound_request(server.url()));
    EXPECT_EQ(answered->result, Result::answered) << answered->failure;
    EXPECT_EQ(text_of(answered->answer), "good");
  }
  EXPECT_EQ(server.requests().size(), 3 * bad.size());
}

TEST_F(OutboundTest, GivesUpAfterSomeTries) {
  handler = [](const auto&) { return Answer{.status = 503}; };
  auto& from = start({.tries = 2});
  const auto refused = from.call(outbound_request(server.url()));
  EXPECT_EQ(refused->result, Result::answered);
  EXPECT_EQ(refused->status, 503);
  EXPECT_TRUE(refused->may_pass);
  EXPECT_EQ(server.requests().size(), 2U);
  const DeadPort nobody;
  const auto unreachable = from.call(outbound_request(nobody.url()));
  EXPECT_EQ(unreachable->result, Result::failed);
  EXPECT_THAT(unreachable->failure, HasSubstr("connect"));
  EXPECT_TRUE(unreachable->may_pass);
}

TEST_F(OutboundTest, OtherAnswersAreTheCallersBusiness) {
  std::atomic<int> status = 0;
  handler = [&](const auto&) { return Answer{.status = status}; };
  auto& from = start();
  std::size_t asked = 0;
  for (const int each : {204, 301, 400, 401, 403, 404, 409, 412, 501}) {
    status = each;
    const auto answered = from.call(outbound_request(server.url()));
    EXPECT_EQ(answered->status, each);
    EXPECT_FALSE(answered->may_pass);
    EXPECT_EQ(server.requests().size(), ++asked);
  }
}

TEST_F(OutboundTest, NonsenseIsAFailure) {
  Answer answer;
  handler = [&](const auto&) { return answer; };
  auto& from = start({.tries = 1});
  const std::string_view heads[] = {"no HTTP at all\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\nContent-Length: x", "SSH-2.0-x\r\n"};
  for (const auto head : heads) {
    answer = {.raw = std::string{head}, .then = Answer::Then::close};
    const auto failed = from.call(outbound_request(server.url()));
    EXPECT_EQ(failed->result, Result::failed) << head;
    EXPECT_NE(failed->failure, "");
  }
  const auto impossible = from.call(outbound_request("ftp://127.0.0.1/"));
  EXPECT_EQ(impossible->result, Result::failed);
  EXPECT_FALSE(impossible->may_pass);
}

TEST_F(OutboundTest, AnswersAreBounded) {
  Answer answer{.body = std::string(1001, 'x')};
  handler = [&](const auto&) { return answer; };
  auto& from = start();
  for (const bool fits : {false, true}) {
    if (fits) answer.body.pop_back();
    auto get = outbound_request(server.url());
    get->largest_answer = 1000;
    const auto answered = from.call(std::move(get));
    EXPECT_EQ(answered->result, fits ? Result::answered : Result::failed);
    EXPECT_EQ(answered->failure, fits ? "" : "the answer is too large");
  }
  answer.headers = {"X-Long: " + std::string(100'000, 'x')};
  EXPECT_EQ(from.call(outbound_request(server.url()))->result, Result::failed);
}

TEST_F(OutboundTest, AtMostSoManyConnections) {
  handler = [this](const auto&) {
    server.hold();
    return Answer{};
  };
  auto& from = start({.connections = 2, .outstanding = 4});
  for (std::uint64_t tag = 0; tag < 4; ++tag) from.submit(outbound_request(server.url(), tag));
  EXPECT_FALSE(from.try_submit(outbound_request(server.url())));  // no room for a fifth
  server.await_requests(2);
  EXPECT_EQ(server.requests().size(), 2U);
  EXPECT_FALSE(from.has_replies());
  server.release();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(from.reply()->result, Result::answered);
  EXPECT_THAT(from.counts().text(),
              HasSubstr("requests=4 retries=0 answered=4 failed=0 timed_out=0 "));
  for (const auto& asked : server.requests()) EXPECT_LE(asked.connection, 2);
  EXPECT_EQ(from.call(outbound_request(server.url()))->result, Result::answered);
}

TEST_F(OutboundTest, TimeRunsWhileWaitingAndWhileUnderWay) {
  handler = [this](const auto&) {
    server.hold();
    return Answer{};
  };
  auto& from = start({.connections = 1});
  from.submit(outbound_request(server.url(), 1, milliseconds{50}));
  from.submit(outbound_request(server.url(), 2, milliseconds{1}));
  for (int i = 0; i < 2; ++i) {
    const auto late = from.reply();
    EXPECT_EQ(late->result, Result::timed_out);
    EXPECT_TRUE(late->may_pass);
    EXPECT_NE(late->failure, "");
  }
}

/// Order instead of time: the one answers while the other does not answer at all.
TEST(Outbound, ASilentDestinationDoesNotHoldUpAnother) {
  HttpServer* held = nullptr;
  HttpServer silent{[&](const auto&) {
    held->hold();
    return Answer{};
  }};
  held = &silent;
  HttpServer lively{[](const auto&) { return Answer{}; }};
  Outbound outbound{{.threads = 1, .channels = 2}};
  auto& first = outbound.add({.connections = 2});
  auto& second = outbound.add({.connections = 2});
  Waker waker;
  outbound.set_waker(0, &waker);
  outbound.start();
  OutboundShard to_silent{outbound, 1, first};
  OutboundShard to_lively{outbound, 0, second};
  for (int i = 0; i < 100; ++i) to_silent.submit(outbound_request(silent.url()));
  silent.await_requests(2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(to_lively.call(outbound_request(lively.url()))->result, Result::answered);
  }
  EXPECT_FALSE(to_silent.has_replies());
  outbound.stop();  // with all of them under way
}

TEST(Outbound, ShardsShareADestination) {
  HttpServer server{[](const HttpServer::Request& asked) { return Answer{.body = asked.target}; }};
  constexpr std::uint32_t shards = 3;
  Outbound outbound{{.threads = 2, .channels = shards}};
  auto& destination = outbound.add({.connections = 4, .outstanding = 64});
  outbound.start();
  std::vector<std::unique_ptr<OutboundShard>> ends;  // their Wakers live until stop()
  for (std::uint32_t index = 0; index < shards; ++index) {
    ends.push_back(std::make_unique<OutboundShard>(outbound, index, destination));
  }
  std::vector<std::thread> threads;
  for (std::uint32_t index = 0; index < shards; ++index) {
    threads.emplace_back([&, index] {
      OutboundShard& shard = *ends[index];
      std::uint64_t sent = 0;
      for (std::uint64_t received = 0; received < 100; ++received) {
        while (sent < 100 && sent < received + 20) {
          const auto name = "/" + std::to_string(index) + "/" + std::to_string(sent);
          shard.submit(outbound_request(server.url() + name, sent++));
        }
        const auto answered = shard.reply();
        EXPECT_EQ(text_of(answered->answer),
                  "/" + std::to_string(index) + "/" + std::to_string(answered->tag));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  outbound.stop();
}

TEST_F(OutboundTest, SignsForAws) {
  auto& from = start();
  auto put = outbound_request(server.url() + "/bucket/name");
  put->method = Method::put;
  put->body = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  put->signing = {.region = "eu-1", .service = "s3", .key = "my:key", .secret = "my:secret"};
  EXPECT_EQ(from.call(std::move(put))->status, 200);
  EXPECT_EQ(from.call(outbound_request(server.url()))->status, 200);  // nothing of it is left
  const auto signed_one = server.requests()[0];
  EXPECT_THAT(signed_one.head, HasSubstr("AWS4-HMAC-SHA256 Credential=my:key/"));
  EXPECT_THAT(signed_one.head, HasSubstr("/eu-1/s3/aws4_request"));
  // FIPS 180-2, appendix B.1: SHA-256 of "abc".
  EXPECT_EQ(signed_one.header("x-amz-content-sha256"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(signed_one.head, Not(HasSubstr("my:secret")));
  EXPECT_THAT(server.requests()[1].head, Not(HasSubstr("uthorization")));
}

}  // namespace
}  // namespace parsec::engine
