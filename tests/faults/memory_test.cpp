// Clients that make the server hold as much as they can: it keeps its budget, and others are
// served.
#include <gmock/gmock.h>

#include "tests/faults/background_client.h"
#include "tests/support/database_probe.h"

namespace parsec::testing {
namespace {

constexpr std::int64_t budget = 64 * mebibyte;
/// What is no client's: the program itself, receive buffers, what the allocator has not given back.
constexpr std::int64_t overhead = 96 * mebibyte;

class MemoryUnderLoad : public FaultTest {
 protected:
  void SetUp() override {
    server_ = start_server({"--shards=1", "--memory-limit=64MiB"});
    organization_ = organization(*server_);
    background_ = std::make_unique<BackgroundClient>(organization_);
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

TEST_F(MemoryUnderLoad, MessagesWithoutTheirLastByte) {
  const std::string whole = frame(Opcode::binary, std::string(std::size_t{8 * mebibyte}, 'm'));
  const std::string_view all_but_one{whole.data(), whole.size() - 1};
  std::vector<Session> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(organization_->connect(organization_->alice()));
    clients.back().send_raw(all_but_one);
    clients.back().socket().flush(within(Duration{50}));  // later ones are read no further
  }
  EXPECT_TRUE(background_->await_rounds(50));
  EXPECT_LT(resident_bytes(*server_), budget + overhead);
  check_background();
}

TEST_F(MemoryUnderLoad, DeafClientsWithLargeReplies) {
  Session alice = organization_->connect(organization_->alice());
  const Uuid vlob_id =
      alice.create_vlob(alice.create_realm(), Octets(std::size_t{mebibyte - 1000}, 'x'));
  // More than what the kernel takes: the last one stays with the server.
  std::string requests;
  const std::string request =
      frame(Opcode::binary,
            pack(Map{{"cmd", "vlob_read"}, {"encryption_revision", 1}, {"vlob_id", vlob_id}}));
  for (int i = 0; i < 12; ++i) requests += request;
  std::vector<Session> deaf;
  for (int i = 0; i < 90; ++i) {
    deaf.push_back(organization_->connect(organization_->alice()));
    deaf.back().send_raw(requests);
    EXPECT_TRUE(deaf.back().socket().flush(within(patience)));
  }
  EXPECT_TRUE(background_->await_rounds(50));
  EXPECT_LT(resident_bytes(*server_), budget + overhead);
  // Whom it cost: they hear it, the others are there.
  EXPECT_TRUE(
      eventually([this] { return server_->process().output().contains("--memory-limit"); }));
  check_background();
}

/// Many large results at once are the database workers' before they are any connection's.
TEST_F(MemoryUnderLoad, LargeResultsOfTheDatabaseAllAtOnce) {
  constexpr int clients = 120;
  constexpr int messages = 6;  // of 1 MiB: the bytes of each result
  /// Each of six database connections may be amid a result, with a row in libpq's buffer.
  constexpr std::int64_t under_way = 6 * (messages + 2) * mebibyte;
  DatabaseProbe{database_url()}.execute(
      "INSERT INTO message (organization, recipient, timestamp, index, sender, body)"
      " SELECT u.organization, u._id, now(), n, d._id, convert_to(repeat('b', 1 << 20), 'UTF8')"
      " FROM user_ AS u JOIN device AS d ON d.organization = u.organization"
      " JOIN organization AS o ON o._id = u.organization, generate_series(1, 6) AS n"
      " WHERE organization_id = $1 AND user_id = 'alice' AND device_id = 'alice@dev1'",
      {organization_->id()});
  std::vector<Session> connections;
  for (int i = 0; i < clients; ++i) {
    connections.push_back(organization_->connect(organization_->alice()));
  }
  const std::string request =
      frame(Opcode::binary, pack(Map{{"cmd", "message_get"}, {"offset", 0}}));
  for (Session& one : connections) {
    one.send_raw(request);
    EXPECT_TRUE(one.socket().flush(within(patience)));
  }
  EXPECT_TRUE(background_->await_rounds(50));
  const std::int64_t peak = peak_resident_bytes(*server_);
  report(clients, " results of ", messages, " MiB at once, a budget of ", budget / mebibyte,
         " MiB: at most ", peak / mebibyte, " MiB were resident");
  EXPECT_LT(peak, budget + overhead + under_way);
  check_background();
}

}  // namespace
}  // namespace parsec::testing
