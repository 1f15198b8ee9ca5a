// Bad neighbours: clients that cost more than they should must not cost the others. In each test a
// well-behaved client on the same, only, shard goes on all the time.
#include <gmock/gmock.h>

#include "tests/faults/background_client.h"
#include "tests/faults/raw_connections.h"

namespace parsec::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Lt;

/// The longest a request of the well-behaved client may take, in µs: far above what is usual, far
/// below what a stuck shard takes.
constexpr std::int64_t latency_limit = 5'000'000;

class Neighbours : public FaultTest {
 protected:
  void start(std::vector<std::string> arguments = {}) {
    arguments.push_back("--shards=1");
    server_ = start_server(std::move(arguments));
    organization_ = organization(*server_);
    background_ = std::make_unique<BackgroundClient>(organization_);
    ASSERT_TRUE(background_->await_rounds(20));
  }
  const Address& address() const { return server_->address(); }
  std::string upgrade() const { return UpgradeRequest{}.text(address()); }

  /// All connections but the background client's are gone.
  bool await_only_background_client() {
    return eventually([this] { return Counters{*server_}.connections() == 1; });
  }
  void check_background(std::string_view what) {
    EXPECT_TRUE(background_->await_rounds(20));
    background_->stop();
    EXPECT_EQ(background_->failure(), "");
    EXPECT_THAT(background_->slowest(), Lt(latency_limit));
    report(what, ": meanwhile ", background_->rounds(), " rounds, a request took ",
           background_->median(), " µs, at most ", background_->slowest(), " µs");
  }

  std::unique_ptr<ServerProcess> server_;
  std::shared_ptr<Organization> organization_;
  std::unique_ptr<BackgroundClient> background_;
};

// --- Clients that are slow -----------------------------------------------------------------------

TEST_F(Neighbours, WhoSaysNothingIsSentAway) {
  start({"--head-timeout=0.5", "--handshake-timeout=0.5"});
  const auto started = Clock::now();
  RawConnections silent{address()};
  silent.join(200);
  RawConnections unanswering{address()};  // the challenge
  unanswering.join(200);
  unanswering.send(upgrade());
  Connection upgraded{address()};
  EXPECT_EQ(upgraded.challenge()["handshake"], Document("challenge"));
  EXPECT_EQ(upgraded.wait_end(), 1000);
  EXPECT_THAT(milliseconds_since(started), Ge(500));
  EXPECT_TRUE(eventually([&] { return silent.ended() == 200 && unanswering.ended() == 200; }));
  EXPECT_TRUE(await_only_background_client());
  check_background("silent clients");
}

TEST_F(Neighbours, WhoDripsItsHeadIsSentAway) {
  start({"--head-timeout=0.5"});
  RawConnections dripping{address()};
  dripping.join(200);
  const std::string head = upgrade();
  const auto started = Clock::now();
  // A byte for each round of the background client: the deadline is for the whole head.
  std::size_t sent = 0;
  for (; dripping.ended() < dripping.size() && milliseconds_since(started) < 8'000; ++sent) {
    dripping.send(head.substr(sent % head.size(), 1) == "\r" ? "x"
                                                             : head.substr(sent % head.size(), 1));
    background_->await_rounds(1);
  }
  EXPECT_EQ(dripping.ended(), dripping.size());
  EXPECT_THAT(milliseconds_since(started), AllOf(Ge(400), Lt(8'000)));
  EXPECT_TRUE(await_only_background_client());
  check_background("heads of " + std::to_string(sent) + " bytes, one at a time");
}

/// Replies wait for those who ask for them faster than they read: in the kernel's buffers and one
/// more reply, not in the server.
TEST_F(Neighbours, WhoDoesNotReadWaits) {
  start();
  constexpr std::size_t vlob_bytes = 512 * 1024;
  constexpr int reads = 100;
  Session alice = organization_->connect(organization_->alice());
  const Uuid vlob_id = alice.create_vlob(alice.create_realm(), Octets(vlob_bytes, 'x'));
  const std::string request =
      frame(Opcode::binary,
            pack(Map{{"cmd", "vlob_read"}, {"encryption_revision", 1}, {"vlob_id", vlob_id}}));
  std::string requests;
  for (int i = 0; i < reads; ++i) requests += request;

  const std::int64_t before = resident_bytes(*server_);
  std::vector<Session> deaf;
  for (int i = 0; i < 8; ++i) {
    deaf.push_back(organization_->connect(organization_->alice()));
    deaf.back().send_raw(requests);
    ASSERT_TRUE(deaf.back().socket().flush(within(patience)));
  }
  EXPECT_TRUE(background_->await_rounds(200));
  const std::int64_t grown = resident_bytes(*server_) - before;
  EXPECT_THAT(grown, Lt(64 * mebibyte));
  report("8 clients that read none of ", reads * vlob_bytes / mebibyte,
         " MiB each: the server grew by ", grown / mebibyte, " MiB");
  // All the same, nothing was dropped.
  for (int i = 0; i < reads; ++i) {
    const Document reply = deaf.front().reply();
    ASSERT_EQ(reply["status"], Document("ok"));
    ASSERT_EQ(reply["blob"].octets().size(), vlob_bytes);
  }
  for (Session& one : deaf) one.abort();
  check_background("clients that do not read");
}

/// Of the Pongs that wait, the newest is enough (RFC 6455 §5.5.3).
TEST_F(Neighbours, WhoOnlyPingsAndDoesNotReadCostsLittle) {
  start();
  Session deaf = organization_->connect(organization_->alice());
  const std::string ping = frame(Opcode::ping, std::string(125, 'p'));
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += ping;
  const std::int64_t before = resident_bytes(*server_);
  for (int i = 0; i < 20; ++i) {
    deaf.send_raw(pings);
    ASSERT_TRUE(deaf.socket().flush(within(patience)));
  }
  EXPECT_THAT(resident_bytes(*server_) - before, Lt(24 * mebibyte));
  deaf.abort();
  check_background("a flood of pings");
}

// --- Clients that are wrong ----------------------------------------------------------------------

TEST_F(Neighbours, MalformedBytesEndOnlyTheirConnection) {
  start();
  const std::string hello = frame(Opcode::binary, "hello");
  const std::string tables[] = {
      std::string(4, '\0') + "\r\n\r\n",                          // no HTTP
      "GET /ws HTTP/1.1\r\n: nothing\r\n\r\n",                    // no name of a header
      std::string(20'000, 'a'),                                   // an endless line
      upgrade() + frame(Opcode::binary, "x", {.masked = false}),  // RFC 6455 from here
      upgrade() + frame(Opcode::binary, "x", {.reserved_bits = 2}),
      upgrade() + frame(Opcode::continuation, "x"),
      upgrade() + frame(Opcode::ping, std::string(126, 'p')),
      upgrade() + frame(Opcode::ping, "p", {.fin = false}),
      upgrade() + frame(static_cast<Opcode>(3), "x"),
      upgrade() + frame(Opcode::text, "\xff"),
      upgrade() + frame(Opcode::close, "x"),
      upgrade() + "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + "mask",  // of 2^64 - 1 bytes
      upgrade() + frame(Opcode::binary, ""),                            // no msgpack from here
      upgrade() + hello,
      upgrade() + frame(Opcode::binary, "\xdf\xff\xff\xff\xff"),
      upgrade() + frame(Opcode::binary, std::string(4096, '\x91')),
      upgrade() + random_octets(300).bytes,
  };
  constexpr std::size_t each = 100;
  std::size_t sent = 0;
  for (const std::string& bytes : tables) {
    RawConnections connections{address()};
    connections.join(each);
    connections.send(bytes);
    // Random frames may also be the beginning of a long one, which never comes.
    const bool is_random = &bytes == std::end(tables) - 1;
    if (!is_random) {
      EXPECT_TRUE(eventually([&] { return connections.ended() == each; }))
          << "row " << &bytes - tables << ": " << connections.ended() << " ended";
    }
    sent += each;
  }
  EXPECT_TRUE(await_only_background_client());
  check_background(std::to_string(sent) + " malformed beginnings");
}

/// A flood on few connections: each is served in its turn, with the others.
TEST_F(Neighbours, FloodOfUnknownCommands) {
  start();
  const std::string request = frame(Opcode::binary, pack(Map{{"cmd", "nope"}}));
  std::string requests;
  for (int i = 0; i < 20'000; ++i) requests += request;
  std::vector<Session> flooding;
  for (int i = 0; i < 4; ++i) {
    flooding.push_back(organization_->connect(organization_->alice()));
    flooding.back().send_raw(requests);
  }
  for (Session& one : flooding) {
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_EQ(one.reply()["status"], Document("unknown_command"));
    }
  }
  check_background("a flood of 80,000 unknown commands");
}

// --- Clients that come and go --------------------------------------------------------------------

TEST_F(Neighbours, ThousandsComeAndLeave) {
  start();
  const std::string half_a_frame = frame(Opcode::binary, std::string(5000, 'x')).substr(0, 2500);
  const std::string farewells[] = {"", "GET /w", upgrade(), upgrade() + half_a_frame,
                                   upgrade() + frame(Opcode::binary, "\x80")};
  constexpr std::size_t each = 250;
  std::int64_t memory = 0;
  std::int64_t growth = 0;
  for (int round = 0; round < 3; ++round) {
    for (const std::string& farewell : farewells) {
      for (const auto how : {RawConnections::Leave::politely, RawConnections::Leave::by_reset}) {
        RawConnections connections{address()};
        connections.join(each);
        connections.send(farewell);
        connections.leave(how);
      }
    }
    ASSERT_TRUE(await_only_background_client());
    const std::int64_t now = resident_bytes(*server_);
    growth = now - memory;
    memory = now;
  }
  EXPECT_THAT(growth, Lt(8 * mebibyte)) << "in the last round";
  report("the server grew by ", growth / 1024, " KiB in the last round of ",
         2 * each * std::size(farewells), " connections");
  check_background("comers and goers");
}

/// They leave while the database works for them: what it answers is for nobody.
TEST_F(Neighbours, LeavingInTheMiddleOfARequest) {
  start();
  Session alice = organization_->connect(organization_->alice());
  const Uuid realm_id = alice.create_realm();
  for (int i = 0; i < 200; ++i) {
    Connection handshake{address()};
    const Document challenge = handshake.challenge();
    handshake.send(Document(organization_->alice().answer(challenge)));
    if (i % 2 == 0) {
      handshake.abort();
      continue;
    }
    ASSERT_EQ(handshake.reply()["result"], Document("ok"));
    handshake.start("vlob_create", {{"realm_id", realm_id},
                                    {"encryption_revision", 1},
                                    {"vlob_id", new_uuid()},
                                    {"timestamp", now()},
                                    {"blob", "x"_bin}});
    handshake.abort();
  }
  EXPECT_TRUE(eventually([this] { return Counters{*server_}.connections() == 2; }));
  check_background("clients that leave in the middle");
  // Whatever was begun has ended.
  EXPECT_TRUE(eventually([this] {
    const Counters counters{*server_};
    return counters.database("requests") ==
           counters.database("ok") + counters.database("unavailable") +
               counters.database("unknown") + counters.database("failed");
  }));
}

// --- Very many that only sit there ---------------------------------------------------------------

TEST_F(Neighbours, IdleConnections) {
  start({"--head-timeout=300", "--handshake-timeout=300", "--max-strangers=100000"});
  // The first connections and messages fill what is kept for all later ones: 1024 receive buffers,
  // for instance.
  RawConnections first{address()};
  first.join(200);
  constexpr std::size_t authenticated_count = 2'000;
  std::vector<Session> authenticated;
  authenticated.reserve(authenticated_count);
  const auto authenticate = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      authenticated.push_back(organization_->connect(organization_->alice()));
    }
  };
  authenticate(200);
  ASSERT_TRUE(background_->await_rounds(400));

  std::int64_t before = resident_bytes(*server_);
  authenticate(authenticated_count - authenticated.size());
  ASSERT_TRUE(background_->await_rounds(20));
  const std::int64_t each = (resident_bytes(*server_) - before) / 1'800;
  EXPECT_THAT(each, Lt(4096)) << "generous; the target is 1 KiB";
  report("memory of an idle authenticated connection: ", each, " bytes");

  // The server keeps 512 descriptors for itself.
  constexpr std::size_t wanted = 20'000;
  constexpr std::size_t kept_by_server = 512;
  const std::size_t here = authenticated_count + first.size();
  const std::size_t room = std::min(wanted - here, RawConnections::room() - kept_by_server);
  RawConnections silent{address()};
  before = resident_bytes(*server_);
  const auto started = Clock::now();
  silent.join(room);
  ASSERT_TRUE(eventually([&] { return Counters{*server_}.connections() == here + room + 1; }, 20s));
  const std::int64_t took = milliseconds_since(started);
  const std::int64_t silent_each =
      (resident_bytes(*server_) - before) / static_cast<std::int64_t>(room);
  EXPECT_THAT(silent_each, Lt(4096));
  report("memory of a connection that said nothing yet: ", silent_each, " bytes");
  report(here + room + 1, " connections at once",
         here + room < wanted ? ", as many as the limit of open files allows" : "", "; the last ",
         room, " came within ", took, " ms");

  EXPECT_TRUE(background_->await_rounds(200));
  EXPECT_EQ(silent.ended(), 0U);
  authenticated.front().ping();
  authenticated.back().ping();
  silent.leave();
  EXPECT_TRUE(eventually([&] { return Counters{*server_}.connections() == here + 1; }, 20s));
  check_background("with idle connections");
}

/// What an organization with one connection costs on top of the connection.
TEST_F(Neighbours, IdleConnectionsOfManyOrganizations) {
  start();
  constexpr std::size_t warm_up = 100;  // fills what is kept for all later ones
  constexpr std::size_t count = 300;
  std::vector<Session> sessions;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < warm_up + count; ++i) {
    if (i == warm_up) before = resident_bytes(*server_);
    const auto own = organization(*server_);
    sessions.push_back(own->connect(own->alice()));
  }
  ASSERT_TRUE(
      eventually([&] { return Counters{*server_}.connections() == sessions.size() + 1; }, 20s));
  const std::int64_t each = (resident_bytes(*server_) - before) / static_cast<std::int64_t>(count);
  EXPECT_THAT(each, Lt(8192)) << "generous";
  report("memory of an idle authenticated connection, the only one of its organization: ", each,
         " bytes");
  check_background("while organizations come");
}

}  // namespace
}  // namespace parsec::testing
