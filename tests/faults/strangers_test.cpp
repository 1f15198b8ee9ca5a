// Strangers who want to take the server from its members: memory and connections.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/faults/background_client.h"
#include "tests/support/tls_certificate.h"

namespace parsec::testing {
namespace {

class StrangersAtWork : public FaultTest {
 protected:
  void start(std::vector<std::string> arguments) {
    arguments.push_back("--shards=1");
    server_ = start_server(std::move(arguments));
    organization_ = organization(*server_);
    background_ = std::make_unique<BackgroundClient>(organization_, BackgroundClient::Work::all);
    ASSERT_TRUE(background_->await_rounds(20));
  }
  void check_background() {
    EXPECT_TRUE(background_->await_rounds(20));
    background_->stop();
    EXPECT_EQ(background_->failure(), "");
  }

  std::unique_ptr<ServerProcess> server_;
  std::shared_ptr<Organization> organization_;
  std::unique_ptr<BackgroundClient> background_;
};

class DeafStrangers : public StrangersAtWork, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Transport, DeafStrangers, ::testing::Bool(),
                         [](const auto& tls) { return tls.param ? "Tls" : "Plain"; });

TEST_P(DeafStrangers, PingsWhoseAnswersNobodyReads) {
  const TlsCertificate certificate;
  Address address;
  if (GetParam()) {
    server_ = start_server({"--shards=1", "--ssl-certfile=" + certificate.certificate(),
                            "--ssl-keyfile=" + certificate.key()});
    address = server_->address();
    address.tls.emplace();
  } else {
    start({});
    address = server_->address();
  }
  std::string pings;
  while (std::ssize(pings) < mebibyte) pings += frame(Opcode::ping, std::string(125, 'p'));
  const std::int64_t before = resident_bytes(*server_);
  std::vector<std::unique_ptr<Socket>> strangers;
  for (int i = 0; i < 150; ++i) {
    const int small_buffer = 4096;  // what the kernel keeps for who does not read
    strangers.push_back(std::make_unique<Socket>(address, small_buffer));
    strangers.back()->send(UpgradeRequest{}.text(server_->address()) + pings);
  }
  // The server goes on taking them, and remembers the newest.
  for (const auto& stranger : strangers) {
    ASSERT_TRUE(stranger->receive(within(patience)));  // with TLS nothing is sent before
    EXPECT_TRUE(stranger->flush(within(patience)));
  }
  // 16 MiB of it are the receive buffers of the shard, which are used for the first time; a TLS
  // connection has some 50 KiB of its own.
  EXPECT_LT(resident_bytes(*server_) - before, 40 * mebibyte);
  if (background_) check_background();
}

TEST_F(StrangersAtWork, ConnectionsThatSayNothing) {
  start({"--max-connections=100", "--max-strangers=20"});
  std::vector<std::unique_ptr<Socket>> strangers;
  for (int i = 0; i < 300; ++i) {
    strangers.push_back(std::make_unique<Socket>(server_->address()));
    if (i % 2 == 0) strangers.back()->send(UpgradeRequest{}.text(server_->address()));
    if (i % 50 == 49)
      organization_->connect(organization_->alice()).require("ping", {{"ping", "x"}});
  }
  const auto is_there = [](const auto& stranger) {
    try {
      while (stranger->receive(within(Duration{0}))) {
      }
      return false;
    } catch (const TimedOut&) {
      return true;
    }
  };
  EXPECT_TRUE(eventually([&] { return std::ranges::count_if(strangers, is_there) <= 20; }));
  check_background();
}

}  // namespace
}  // namespace parsec::testing
