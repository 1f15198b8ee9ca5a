#include "app/delivery/webhook_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/delivery/outbox.h"
#include "tests/support/log_capture.h"
#include "tests/support/peer.h"

namespace parsec::testing {
namespace {

using namespace std::chrono_literals;
using app::DeliveringOutbox;
using ::testing::HasSubstr;
using ::testing::Not;

const protocol::BootstrapNotice notice{"CoolOrg", "alice@dev1", "PC",
                                       protocol::HumanHandle{"alice@example.com", "Alice"}};

app::OutboxOptions options(const Peer& peer, std::chrono::milliseconds timeout = 30s) {
  const std::string url = "http://127.0.0.1:" + std::to_string(peer.port()) + "/hook?key=s3cr3t";
  return {.origin = {{"", "no-reply@example.com"}, {"h", 443, true}},
          .smtp = {},
          .webhook = app::Webhook{.url = url, .timeout = timeout}};
}

TEST(WebhookDelivery, PostsTheNotice) {
  LogCapture log;
  const Peer peer{"http_server"};
  DeliveringOutbox outbox{options(peer)};
  outbox.announce_bootstrap(notice);
  auto request = peer.told(1);
  EXPECT_EQ(request["line"], "POST /hook?key=s3cr3t HTTP/1.1");
  EXPECT_EQ(request["content-type"], "application/json; charset=utf-8");
  EXPECT_EQ(request["body"],
            R"({"organization_id": "CoolOrg", "device_id": "alice@dev1", "device_label": "PC", )"
            R"("human_email": "alice@example.com", "human_label": "Alice"})");
  EXPECT_FALSE(request.contains("expect"));
  EXPECT_TRUE(log.await("the bootstrap webhook was told of CoolOrg"));
  EXPECT_THAT(log.text(), Not(HasSubstr("s3cr3t")));
}

struct Failure {
  std::string name;
  std::vector<std::string> peer;
  std::string logged;
};

class WebhookFailure : public ::testing::TestWithParam<Failure> {};

TEST_P(WebhookFailure, IsLogged) {
  LogCapture log;
  const Peer peer{"http_server", GetParam().peer};
  DeliveringOutbox outbox{options(peer, 1s)};
  outbox.announce_bootstrap(notice);
  EXPECT_TRUE(log.await("the bootstrap webhook was not told of CoolOrg: " + GetParam().logged))
      << log.text();
  EXPECT_THAT(log.text(), Not(HasSubstr("s3cr3t")));
  outbox.stop(30s);
  peer.told(1);
  EXPECT_EQ(peer.count(), 1u) << "sent once";
}

INSTANTIATE_TEST_SUITE_P(
    Server5, WebhookFailure,
    ::testing::Values(
        Failure{"InternalError",
                {R"(--answer=HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n)"},
                "status 500"},
        Failure{"AnotherSuccess", {R"(--answer=HTTP/1.1 204 No Content\r\n\r\n)"}, "status 204"},
        Failure{"Redirection",
                {R"(--answer=HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n)"},
                "status 302"},
        Failure{"RedirectionThatKeepsTheMethod",
                {R"(--answer=HTTP/1.1 307 Temporary\r\nlocation: /\r\ncontent-length: 0\r\n\r\n)"},
                "status 307"},
        Failure{"NotHttp", {R"(--answer=hello\r\n\r\n)"}, ""},
        Failure{"NoAnswer", {"--answer="}, "Empty reply"},
        Failure{"Silence", {"--silent"}, "Operation timed out"}),
    [](const auto& row) { return row.param.name; });

TEST(WebhookDelivery, AnAnswerWithoutEndIsCutOff) {
  LogCapture log;
  const Peer peer{"http_server",
                  {R"(--answer=HTTP/1.1 200 OK\r\n\r\n)" + std::string(100'000, 'x')}};
  DeliveringOutbox outbox{options(peer)};
  outbox.announce_bootstrap(notice);
  EXPECT_TRUE(log.await("the bootstrap webhook was told of CoolOrg"));
}

// Each has its own connection: one that never answers delays none.
TEST(WebhookDelivery, SlowAnswersDoNotQueueUp) {
  LogCapture log;
  const Peer peer{"http_server", {"--silent"}};
  DeliveringOutbox outbox{options(peer)};
  for (int i = 0; i < 10; ++i) outbox.announce_bootstrap(notice);
  EXPECT_EQ(peer.told(10)["line"], "POST /hook?key=s3cr3t HTTP/1.1");
  EXPECT_THAT(outbox.dump(), HasSubstr("webhooks: completed=0 dropped=0 pending=10\n"));
}

TEST(WebhookDelivery, WithoutUrlNothingHappens) {
  LogCapture log;
  DeliveringOutbox outbox{
      {.origin = {{"", "no-reply@example.com"}, {"h", 443, true}}, .smtp = {}, .webhook = {}}};
  outbox.announce_bootstrap(notice);
  EXPECT_EQ(outbox.dump(), "mails: completed=0 dropped=0 pending=0\n");
}

}  // namespace
}  // namespace parsec::testing
