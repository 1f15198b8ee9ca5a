// `/health` and `/ready` as HTTP: paths, methods, statuses, headers.
#include "protocol/pages/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Sick final : public Health {
 public:
  HealthAnswer live() const override { return {true, "{\"status\": \"ok\"}\n"}; }
  HealthAnswer ready() const override { return {false, "{\"status\": \"not_ready\"}\n"}; }
};

std::string answer(std::string_view method, HealthPage page) {
  const std::string head = std::string{method} + " / HTTP/1.1\r\nHost: x\r\n\r\n";
  const auto request = http::parse_request(head);
  engine::OutputBuffer out;
  answer_health(Sick{}, page, out, *request, "parsec", {});
  return std::string{as_text(out.bytes())};
}

TEST(Health, HasTwoPagesWithTwoNamesEach) {
  EXPECT_EQ(health_page("/health"), HealthPage::live);
  EXPECT_EQ(health_page("/health/live"), HealthPage::live);
  EXPECT_EQ(health_page("/ready"), HealthPage::ready);
  EXPECT_EQ(health_page("/health/ready"), HealthPage::ready);
  for (const auto* other : {"/", "/health/", "/healthy", "/ready/", "/Health", "health"}) {
    EXPECT_EQ(health_page(other), std::nullopt) << other;
  }
}

TEST(Health, IsJsonThatNobodyKeeps) {
  const std::string good = answer("GET", HealthPage::live);
  EXPECT_THAT(good, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(good, HasSubstr("\r\ncontent-type: application/json\r\n"));
  EXPECT_THAT(good, HasSubstr("\r\ncache-control: no-store\r\n"));
  EXPECT_THAT(good, HasSubstr("\r\n\r\n{\"status\": \"ok\"}\n"));
  EXPECT_THAT(answer("GET", HealthPage::ready), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
}

TEST(Health, TakesGetAndHead) {
  const std::string head = answer("HEAD", HealthPage::ready);
  EXPECT_THAT(head, StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  const std::string post = answer("POST", HealthPage::ready);
  EXPECT_THAT(post, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(post, HasSubstr("\r\nallow: GET, HEAD\r\n"));
}

}  // namespace
}  // namespace parsec::protocol
