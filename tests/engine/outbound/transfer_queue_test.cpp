#include "engine/outbound/transfer_queue.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;

/// What transfers told, for the test to wait for.
class TransferLog {
 public:
  void write(std::string line) {
    const std::lock_guard lock{mutex_};
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  /// The lines, once there are that many.
  std::vector<std::string> await(std::size_t count) {
    std::unique_lock lock{mutex_};
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return lines_.size() >= count; }));
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

class TestTransfer final : public Transfer {
 public:
  TestTransfer(TransferLog& log, std::string name, std::string url,
               std::vector<std::chrono::milliseconds> pauses = {})
      : log_(log), name_(std::move(name)), url_(std::move(url)), pauses_(std::move(pauses)) {}

  bool prepare(CURL* handle) override {
    log_.write(name_ + " begins");
    if (url_.empty()) return false;
    curl_easy_setopt(handle, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 60'000L);
    return true;
  }
  std::optional<std::chrono::milliseconds> ended(CURL*, CURLcode result,
                                                 std::string_view error) override {
    EXPECT_TRUE(result == CURLE_OK || !error.empty());
    log_.write(name_ + (result == CURLE_OK ? " succeeds" : " fails"));
    if (tries_ == pauses_.size()) return std::nullopt;
    return pauses_[tries_++];
  }
  void dropped(std::string_view why) override {
    log_.write(name_ + " dropped: " + std::string{why});
  }

 private:
  TransferLog& log_;
  std::string name_, url_;
  std::vector<std::chrono::milliseconds> pauses_;
  std::size_t tries_ = 0;
};

/// Takes connections and never says a word.
class SilentServer {
 public:
  SilentServer() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(::listen(descriptor_, 64), 0);
    EXPECT_EQ(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&name), &size), 0);
    port_ = ntohs(name.sin_port);
  }
  ~SilentServer() { ::close(descriptor_); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  int descriptor_;
  std::uint16_t port_ = 0;
};

const std::string something = "file:///dev/null";
const std::string nobody = "http://127.0.0.1:1/";  // port 1: nobody listens

class TransferQueueTest : public ::testing::Test {
 protected:
  TransferLog log;  // outlives the queues, as what they drop at their end is written down
};

TEST_F(TransferQueueTest, TakesEverything) {
  TransferQueue queue{{.name = "test", .parallel = 2}};
  for (int i = 0; i < 100; ++i) queue.post(std::make_unique<TestTransfer>(log, "x", something));
  log.await(200);
  queue.stop(30s);
  EXPECT_EQ(queue.completed(), 100u);
  EXPECT_EQ(queue.dropped(), 0u);
  EXPECT_EQ(queue.pending(), 0u);
}

TEST_F(TransferQueueTest, WhatHasNothingToTransferIsDone) {
  TransferQueue queue{{.name = "test"}};
  queue.post(std::make_unique<TestTransfer>(log, "x", ""));
  queue.stop(30s);
  EXPECT_EQ(log.await(1), std::vector<std::string>{"x begins"});
  EXPECT_EQ(queue.completed(), 1u);
}

TEST_F(TransferQueueTest, TriesAgainAsOftenAsTheTransferWants) {
  TransferQueue queue{{.name = "test"}};
  queue.post(std::make_unique<TestTransfer>(log, "x", nobody, std::vector{1ms, 2ms}));
  const std::vector<std::string> expected{"x begins", "x fails",  "x begins",
                                          "x fails",  "x begins", "x fails"};
  EXPECT_EQ(log.await(6), expected);
  queue.stop(30s);
  EXPECT_EQ(queue.completed(), 1u);
}

TEST_F(TransferQueueTest, WhatWaitsForAnotherTryHoldsUpNothing) {
  TransferQueue queue{{.name = "test", .parallel = 1}};
  queue.post(
      std::make_unique<TestTransfer>(log, "x", nobody, std::vector<std::chrono::milliseconds>{1h}));
  log.await(2);
  queue.post(std::make_unique<TestTransfer>(log, "y", something));
  EXPECT_EQ(log.await(4).back(), "y succeeds");
  queue.stop(30s);
  EXPECT_EQ(log.await(5).back(), "x dropped: the server stops");
}

TEST_F(TransferQueueTest, WhatFindsNoRoomIsDropped) {
  const SilentServer silent;
  TransferQueue queue{{.name = "test", .parallel = 1, .room = 2}};
  queue.post(std::make_unique<TestTransfer>(log, "x", silent.url()));
  log.await(1);
  queue.post(std::make_unique<TestTransfer>(log, "y", silent.url()));
  queue.post(std::make_unique<TestTransfer>(log, "z", silent.url()));
  EXPECT_EQ(log.await(2).back(), "z dropped: too many are waiting");
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_EQ(queue.pending(), 2u);
}

TEST_F(TransferQueueTest, DoesNoMoreAtOnceThanItMay) {
  const SilentServer silent;
  TransferQueue queue{{.name = "test", .parallel = 2}};
  for (const char* name : {"x", "y", "z"}) {
    queue.post(std::make_unique<TestTransfer>(log, name, silent.url()));
  }
  const std::vector<std::string> expected{"x begins", "y begins"};
  EXPECT_EQ(log.await(2), expected);
  queue.stop(0ms);
  const auto all = log.await(5);
  EXPECT_EQ(std::ranges::count(all, "z begins"), 0);
}

TEST_F(TransferQueueTest, StopFinishesWhatIsThereAndTakesNoMore) {
  TransferQueue queue{{.name = "test", .parallel = 1}};
  for (int i = 0; i < 10; ++i) queue.post(std::make_unique<TestTransfer>(log, "x", something));
  queue.stop(30s);
  EXPECT_EQ(queue.completed(), 10u);
  queue.post(std::make_unique<TestTransfer>(log, "late", something));
  EXPECT_EQ(log.await(21).back(), "late dropped: the server stops");
}

TEST_F(TransferQueueTest, StopDoesNotWaitForASilentServer) {
  const SilentServer silent;
  TransferQueue queue{{.name = "test", .parallel = 2}};
  queue.post(std::make_unique<TestTransfer>(log, "x", silent.url()));
  log.await(1);
  queue.stop(20ms);
  EXPECT_EQ(log.await(2).back(), "x dropped: the server stops");
}

TEST_F(TransferQueueTest, IsPostedToFromManyThreads) {
  TransferQueue queue{{.name = "test", .parallel = 4, .room = 100'000}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) queue.post(std::make_unique<TestTransfer>(log, "x", something));
    });
  }
  for (auto& thread : threads) thread.join();
  queue.stop(30s);
  EXPECT_EQ(queue.completed(), 200u);
}

}  // namespace
}  // namespace parsec::engine
