// Whose request goes to a destination next, and how many of one organization are under way, as the
// destination sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "engine/outbound/outbound.h"
#include "tests/engine/outbound_shard.h"
#include "tests/support/http_server.h"

namespace parsec::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::HttpServer;
using ::testing::Lt;
using testing::outbound_request;
using testing::OutboundShard;
using Answer = HttpServer::Answer;
using Method = OutboundRequest::Method;

/// A destination of two shards. It holds what it is asked until release(), then answers with as
/// many bytes as its target says: `/<organization>/<bytes>`.
class OutboundFairness : public ::testing::Test {
 protected:
  ~OutboundFairness() override { outbound.stop(); }

  void start(const OutboundDestinationSettings& settings) {
    auto& destination = outbound.add(settings);
    for (std::uint32_t index = 0; index < 2; ++index) {
      shards.push_back(std::make_unique<OutboundShard>(outbound, index, destination));
    }
    outbound.start();
  }

  /// From one of the shards.
  void get(std::uint32_t shard, FlowKey flow, int count = 1, std::size_t answer_bytes = 0) {
    for (int i = 0; i < count; ++i) {
      submit(shard, outbound_request(url(flow, answer_bytes)), flow);
    }
  }
  void put(std::uint32_t shard, FlowKey flow, int count, std::size_t bytes) {
    for (int i = 0; i < count; ++i) {
      auto made = outbound_request(url(flow, 0));
      made->method = Method::put;
      made->body.assign(bytes, std::byte{'b'});
      submit(shard, std::move(made), flow);
    }
  }
  void finish() {
    server.release();
    for (std::uint32_t index = 0; index < 2; ++index) {
      for (int i = 0; i < submitted[index]; ++i) {
        EXPECT_EQ(shards[index]->reply()->result, OutboundRequest::Result::answered);
      }
    }
  }
  /// In the order in which they came to the destination.
  std::vector<std::uint64_t> organizations() const {
    std::vector<std::uint64_t> order;
    for (const auto& asked : server.requests()) order.push_back(std::stoul(asked.target.substr(1)));
    return order;
  }
  std::size_t waiting() const {
    return shards[0]->counts().waiting.load(std::memory_order_relaxed);
  }

  HttpServer server{[this](const HttpServer::Request& asked) {
    const int now = ++under_way;
    for (int most = most_under_way; now > most;) most_under_way.compare_exchange_weak(most, now);
    server.hold();
    --under_way;
    return Answer{
        .body = std::string(std::stoul(asked.target.substr(asked.target.rfind('/') + 1)), 'a')};
  }};
  std::atomic<int> under_way = 0;
  std::atomic<int> most_under_way = 0;
  std::vector<std::unique_ptr<OutboundShard>> shards;
  int submitted[2] = {};
  Outbound outbound{{.threads = 1, .channels = 2}};

 private:
  std::string url(FlowKey flow, std::size_t answer_bytes) const {
    return server.url() + "/" + std::to_string(flow.organization) + "/" +
           std::to_string(flow.user) + "/" + std::to_string(answer_bytes);
  }
  void submit(std::uint32_t shard, std::unique_ptr<OutboundRequest> made, FlowKey flow) {
    made->flow = flow;
    shards[shard]->submit(std::move(made));
    ++submitted[shard];
  }
};

/// Whatever one has under way, another finds a connection at once: nothing was answered yet.
TEST_F(OutboundFairness, WhoFloodsLeavesConnectionsToOthers) {
  start({.connections = 8});
  get(0, {.organization = 1}, 100);
  server.await_requests(6);
  get(1, {.organization = 2});
  server.await_requests(7);
  EXPECT_EQ(organizations().back(), 2U);
  get(0, {.organization = 3});
  server.await_requests(8);
  EXPECT_EQ(organizations().back(), 3U);
  finish();
}

TEST_F(OutboundFairness, OrganizationsTakeTurnsWhicheverShardTheyComeFrom) {
  start({.connections = 1});
  get(0, {.organization = 1}, 5);
  server.await_requests(1);
  get(0, {.organization = 2}, 2);
  get(1, {.organization = 3}, 2);
  get(1, {.organization = 1});
  ASSERT_TRUE(testing::eventually([this] { return waiting() == 9; }));
  finish();
  auto order = organizations();
  // In each round each of them once, as long as it has something.
  std::sort(order.begin() + 1, order.begin() + 4);
  std::sort(order.begin() + 4, order.begin() + 7);
  EXPECT_THAT(order, ElementsAre(1, 1, 2, 3, 1, 2, 3, 1, 1, 1));
}

TEST_F(OutboundFairness, UsersOfAnOrganizationTakeTurns) {
  start({.connections = 1});
  get(0, {.organization = 1, .user = 1}, 20);
  server.await_requests(1);
  get(1, {.organization = 1, .user = 2}, 2);
  ASSERT_TRUE(testing::eventually([this] { return waiting() == 21; }));
  finish();
  std::vector<std::string> first_targets;
  for (const auto& asked : server.requests()) first_targets.push_back(asked.target);
  first_targets.resize(6);
  EXPECT_EQ(std::ranges::count(first_targets, "/1/2/0"), 2);
}

/// 112 KiB against 16 KiB, each with what a request costs anyway: 4 to 1.
TEST_F(OutboundFairness, BodiesWeigh) {
  start({.connections = 1});
  get(0, {.organization = 3});
  server.await_requests(1);
  put(0, {.organization = 1}, 20, std::size_t{112} << 10);
  put(1, {.organization = 2}, 20, std::size_t{16} << 10);
  ASSERT_TRUE(testing::eventually([this] { return waiting() == 40; }));
  finish();
  auto order = organizations();
  order.resize(1 + 20);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(order, 2U)), 16, 1);
}

/// What is read is known when it came, and weighs from then on.
TEST_F(OutboundFairness, AnswersWeigh) {
  start({.connections = 1});
  get(0, {.organization = 3});
  server.await_requests(1);
  get(0, {.organization = 1}, 20, std::size_t{112} << 10);
  get(1, {.organization = 2}, 20, std::size_t{16} << 10);
  ASSERT_TRUE(testing::eventually([this] { return waiting() == 40; }));
  finish();
  auto order = organizations();
  order.resize(1 + 20);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(order, 2U)), 16, 1);
}

TEST_F(OutboundFairness, BytesUnderWayAreBounded) {
  constexpr std::size_t bytes = 50'000;
  start({.connections = 8, .bytes_under_way = 3 * (bytes + 16 * 1024)});
  server.release();
  put(0, {.organization = 1}, 10, bytes);
  put(0, {.organization = 2}, 10, bytes);
  put(1, {.organization = 3}, 10, bytes);
  put(1, {.organization = 4}, 1, 10 * bytes);  // passes, alone
  finish();
  EXPECT_THAT(most_under_way, Lt(4));
  EXPECT_EQ(organizations().size(), 31U);
}

/// What could go only later lets others go; and its time runs out like any other's.
TEST_F(OutboundFairness, WhatWaitsForItsShareTimesOut) {
  start({.connections = 4});
  get(0, {.organization = 1}, 3);
  server.await_requests(3);
  auto late = outbound_request(server.url() + "/1/0/0", 7, std::chrono::milliseconds{20});
  late->flow.organization = 1;
  shards[0]->submit(std::move(late));
  const auto answered = shards[0]->reply();
  EXPECT_EQ(answered->tag, 7U);
  EXPECT_EQ(answered->result, OutboundRequest::Result::timed_out);
  EXPECT_EQ(organizations().size(), 3U);
  finish();
}

}  // namespace
}  // namespace parsec::engine
