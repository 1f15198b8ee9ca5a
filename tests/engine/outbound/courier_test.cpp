#include "engine/outbound/courier.h"

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
class Diary {
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

class Errand final : public Transfer {
 public:
  Errand(Diary& diary, std::string name, std::string url,
         std::vector<std::chrono::milliseconds> pauses = {})
      : diary_(diary), name_(std::move(name)), url_(std::move(url)), pauses_(std::move(pauses)) {}

  bool prepare(CURL* handle) override {
    diary_.write(name_ + " begins");
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
    diary_.write(name_ + (result == CURLE_OK ? " succeeds" : " fails"));
    if (tries_ == pauses_.size()) return std::nullopt;
    return pauses_[tries_++];
  }
  void dropped(std::string_view why) override {
    diary_.write(name_ + " dropped: " + std::string{why});
  }

 private:
  Diary& diary_;
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

class CourierTest : public ::testing::Test {
 protected:
  Diary diary;  // outlives the couriers, as what they drop at their end is written down
};

TEST_F(CourierTest, TakesEverything) {
  Courier courier{{.name = "test", .parallel = 2}};
  for (int i = 0; i < 100; ++i) courier.post(std::make_unique<Errand>(diary, "x", something));
  diary.await(200);
  courier.stop(30s);
  EXPECT_EQ(courier.completed(), 100u);
  EXPECT_EQ(courier.dropped(), 0u);
  EXPECT_EQ(courier.pending(), 0u);
}

TEST_F(CourierTest, WhatHasNothingToTransferIsDone) {
  Courier courier{{.name = "test"}};
  courier.post(std::make_unique<Errand>(diary, "x", ""));
  courier.stop(30s);
  EXPECT_EQ(diary.await(1), std::vector<std::string>{"x begins"});
  EXPECT_EQ(courier.completed(), 1u);
}

TEST_F(CourierTest, TriesAgainAsOftenAsTheTransferWants) {
  Courier courier{{.name = "test"}};
  courier.post(std::make_unique<Errand>(diary, "x", nobody, std::vector{1ms, 2ms}));
  const std::vector<std::string> expected{"x begins", "x fails",  "x begins",
                                          "x fails",  "x begins", "x fails"};
  EXPECT_EQ(diary.await(6), expected);
  courier.stop(30s);
  EXPECT_EQ(courier.completed(), 1u);
}

TEST_F(CourierTest, WhatWaitsForAnotherTryHoldsUpNothing) {
  Courier courier{{.name = "test", .parallel = 1}};
  courier.post(
      std::make_unique<Errand>(diary, "x", nobody, std::vector<std::chrono::milliseconds>{1h}));
  diary.await(2);
  courier.post(std::make_unique<Errand>(diary, "y", something));
  EXPECT_EQ(diary.await(4).back(), "y succeeds");
  courier.stop(30s);
  EXPECT_EQ(diary.await(5).back(), "x dropped: the server stops");
}

TEST_F(CourierTest, WhatFindsNoRoomIsDropped) {
  const SilentServer silent;
  Courier courier{{.name = "test", .parallel = 1, .room = 2}};
  courier.post(std::make_unique<Errand>(diary, "x", silent.url()));
  diary.await(1);
  courier.post(std::make_unique<Errand>(diary, "y", silent.url()));
  courier.post(std::make_unique<Errand>(diary, "z", silent.url()));
  EXPECT_EQ(diary.await(2).back(), "z dropped: too many are waiting");
  EXPECT_EQ(courier.dropped(), 1u);
  EXPECT_EQ(courier.pending(), 2u);
}

TEST_F(CourierTest, DoesNoMoreAtOnceThanItMay) {
  const SilentServer silent;
  Courier courier{{.name = "test", .parallel = 2}};
  for (const char* name : {"x", "y", "z"}) {
    courier.post(std::make_unique<Errand>(diary, name, silent.url()));
  }
  const std::vector<std::string> expected{"x begins", "y begins"};
  EXPECT_EQ(diary.await(2), expected);
  courier.stop(0ms);
  const auto all = diary.await(5);
  EXPECT_EQ(std::ranges::count(all, "z begins"), 0);
}

TEST_F(CourierTest, StopFinishesWhatIsThereAndTakesNoMore) {
  Courier courier{{.name = "test", .parallel = 1}};
  for (int i = 0; i < 10; ++i) courier.post(std::make_unique<Errand>(diary, "x", something));
  courier.stop(30s);
  EXPECT_EQ(courier.completed(), 10u);
  courier.post(std::make_unique<Errand>(diary, "late", something));
  EXPECT_EQ(diary.await(21).back(), "late dropped: the server stops");
}

TEST_F(CourierTest, StopDoesNotWaitForASilentServer) {
  const SilentServer silent;
  Courier courier{{.name = "test", .parallel = 2}};
  courier.post(std::make_unique<Errand>(diary, "x", silent.url()));
  diary.await(1);
  courier.stop(20ms);
  EXPECT_EQ(diary.await(2).back(), "x dropped: the server stops");
}

TEST_F(CourierTest, IsPostedToFromManyThreads) {
  Courier courier{{.name = "test", .parallel = 4, .room = 100'000}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) courier.post(std::make_unique<Errand>(diary, "x", something));
    });
  }
  for (auto& thread : threads) thread.join();
  courier.stop(30s);
  EXPECT_EQ(courier.completed(), 200u);
}

}  // namespace
}  // namespace parsec::engine
