// TLS as clients of the running program meet it: sessions, renewed certificates, resumption, and
// whoever speaks something else on the port. What a record does is tested in tests/engine.
#include <csignal>
#include <utility>

#include "tests/integration/integration_test.h"
#include "tests/support/tls_certificate.h"
#include "tests/support/tls_peer.h"

namespace parsec::testing {
namespace {

/// One server with a certificate, for all tests that do not change it.
class Tls : public IntegrationTest {
 protected:
  struct Server {
    TlsCertificate certificate;
    std::unique_ptr<ServerProcess> process;

    explicit Server(std::vector<std::string> arguments = {}) {
      arguments.push_back("--ssl-certfile=" + certificate.certificate());
      arguments.push_back("--ssl-keyfile=" + certificate.key());
      process = Deployment::get().start_server({.arguments = std::move(arguments)});
    }
    const Address& plain() const { return process->address(); }
    Address address(TlsPeerOptions options = {}) const {
      Address address = plain();
      address.tls = std::move(options);
      return address;
    }
  };

  static void SetUpTestSuite() { server_ = std::make_unique<Server>(); }
  static void TearDownTestSuite() {
    EXPECT_EQ(server_->process->stop(), 0) << server_->process->process().output();
    server_.reset();
  }
  static Server& server() { return *server_; }

  static Document ping(Connection& connection, std::string_view text = "x") {
    return connection.call("ping", {{"ping", text}});
  }
  static ReplyMatcher pong(std::string_view text = "x") { return Ok({{"pong", text}}); }
  static Connection administration_over(const Address& address) {
    return connect(address, administration_answer(token));
  }

  /// The server ends the connection; whatever it said before.
  static std::string all_until_end(Socket& socket) {
    const Deadline deadline = within(patience);
    while (!socket.ended()) socket.receive(deadline);
    return socket.input;
  }

 private:
  static inline std::unique_ptr<Server> server_;
};

// --- Sessions ------------------------------------------------------------------------------------

TEST_F(Tls, SessionsWithEveryKindOfClient) {
  struct Row {
    const char* name;
    TlsPeerOptions options;
    const char* version;
  };
  const std::vector<Row> rows{
      {"TLS 1.3", {}, "TLSv1.3"},
      {"TLS 1.2", {.highest_version = TLS1_2_VERSION}, "TLSv1.2"},
      {"no name", {.server_name = ""}, "TLSv1.3"},
      {"the server's name", {.server_name = "localhost"}, "TLSv1.3"},
      {"another name", {.server_name = "parsec.example.com"}, "TLSv1.3"},
      {"ALPN http/1.1", {.protocols = "\x08http/1.1"}, "TLSv1.3"},
      {"a client that trusts it", {.trusted = server().certificate.certificate()}, "TLSv1.3"},
  };
  for_each_row(rows, [](const Row& row) {
    const Address address = server().address(row.options);
    const auto organization = Organization::create(address, token);
    Session alice = organization->connect(organization->alice());
    EXPECT_EQ(alice.socket().tls()->version(), row.version);

    const Uuid realm_id = alice.create_realm();
    Session phone = organization->connect(alice.add_device("phone"));
    phone.subscribe();
    const Uuid vlob_id = alice.create_vlob(realm_id, Octets(100'000, 'v'));
    EXPECT_EQ(phone.next_event(), vlobs_updated(realm_id, 1, vlob_id, 1));
    const Document read =
        phone.call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
    EXPECT_THAT(read, Status("ok"));
    EXPECT_EQ(read["blob"], Document(Octets(100'000, 'v')));
  });
}

TEST_F(Tls, EventsReachClientsWithAndWithoutIt) {
  const auto organization = Organization::create(server().address(), token);
  Session alice = organization->connect(organization->alice());
  Session plain = organization->connect(alice.device(), here());
  plain.subscribe();
  Session other = organization->connect(alice.add_device("phone"));
  EXPECT_THAT(other.call("ping", {{"ping", "hello"}}), Status("ok"));
  EXPECT_EQ(plain.next_event(), pinged("hello"));
}

TEST_F(Tls, WhoReadsSlowlyDelaysNobody) {
  const Address address = server().address();
  const auto organization = Organization::create(address, token);
  Session alice = organization->connect(organization->alice());
  const Uuid realm_id = alice.create_realm();
  const Octets block(900'000, 'b');
  const Uuid block_id = alice.create_block(realm_id, block);

  // Replies of 36 MB wait for who takes none of them, in a window of the smallest size.
  Session slow{Connection{address, {.receive_buffer_size = 4096}}, organization, alice.device()};
  slow.answer(alice.device().answer(slow.challenge()));
  constexpr int reads = 40;
  for (int i = 0; i < reads; ++i) slow.start("block_read", {{"block_id", block_id}});
  for (int i = 0; i < 50; ++i) {
    ASSERT_THAT(alice.call("block_read", {{"block_id", block_id}}), Ok({{"block", block}}));
  }
  for (int i = 0; i < reads; ++i) ASSERT_THAT(slow.reply(), Ok({{"block", block}})) << i;
}

TEST_F(Tls, RepliesBeforeTheServerEndsAreWhole) {
  Server own;
  Connection connection = administration_over(own.address());
  for (int i = 0; i < 20; ++i) {
    connection.start("ping", {{"ping", std::string(60'000, 'p')}});
  }
  ASSERT_TRUE(connection.socket().flush(within(patience)));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(connection.reply(), Status("ok"));
  own.process->process().signal(SIGTERM);
  EXPECT_EQ(connection.wait_end(), 1000);
  EXPECT_TRUE(connection.socket().tls()->ended()) << "no close_notify";
  connection.abort();
  EXPECT_EQ(own.process->process().wait_exit(), 0);
}

// --- Resumption and renewal ----------------------------------------------------------------------

TEST_F(Tls, SessionsAreResumed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Connection first = administration_over(server().address({.highest_version = version}));
    EXPECT_FALSE(first.socket().tls()->resumed());
    EXPECT_THAT(ping(first), pong());
    const TlsTicket ticket = first.socket().tls()->ticket();
    ASSERT_TRUE(ticket);
    Connection second =
        administration_over(server().address({.highest_version = version, .ticket = ticket}));
    EXPECT_TRUE(second.socket().tls()->resumed());
    EXPECT_THAT(ping(second), pong());
  }
}

TEST_F(Tls, ARenewedCertificateDropsNobody) {
  Server own;
  const TlsCertificate renewed;
  Connection before = administration_over(own.address());
  const std::string old_certificate = before.socket().tls()->fingerprint();
  EXPECT_THAT(ping(before), pong());
  Socket halfway{own.address()};  // its handshake began with the old one
  ASSERT_TRUE(halfway.flush(within(patience)));

  own.certificate.replace_by(renewed);
  own.process->process().signal(SIGHUP);
  ASSERT_TRUE(eventually([&] {
    return Connection{own.address()}.socket().tls()->fingerprint() != old_certificate;
  })) << own.process->process().output();

  Connection after = administration_over(own.address({.trusted = renewed.certificate()}));
  EXPECT_THAT(ping(after), pong());
  EXPECT_THAT(ping(before, "still here"), pong("still here"));
  Connection resumed =
      administration_over(own.address({.ticket = before.socket().tls()->ticket()}));
  EXPECT_TRUE(resumed.socket().tls()->resumed());
  EXPECT_TRUE(eventually([&] {
    halfway.receive_available();
    return halfway.tls()->established();
  }));
}

TEST_F(Tls, AnUnusableNewCertificateIsReportedAndLeftAlone) {
  Server own;
  Connection before = administration_over(own.address());
  own.certificate.spoil();
  own.process->process().signal(SIGHUP);
  ASSERT_TRUE(own.process->process().await_output("certificate.pem"));
  EXPECT_THAT(ping(before), pong());
  Connection after = administration_over(own.address());
  EXPECT_EQ(after.socket().tls()->fingerprint(), before.socket().tls()->fingerprint());
}

// --- Others on the port --------------------------------------------------------------------------

TEST_F(Tls, WhoSpeaksSomethingElseIsEndedAtOnce) {
  struct Row {
    const char* name;
    std::string bytes;
  };
  const std::vector<Row> rows{
      {"plain HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
      {"a plain WebSocket", UpgradeRequest{}.text(server().plain())},
      {"garbage", std::string(20'000, '\xA7')},
      {"zeroes", std::string(5, '\0')},
      {"a record too long", std::string("\x16\x03\x01\xFF\xFF", 5) + std::string(70'000, 'x')},
      {"an alert", std::string("\x15\x03\x03\x00\x02\x02\x28", 7)},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n"},
  };
  for_each_row(rows, [](const Row& row) {
    Socket socket{server().plain()};
    socket.send(row.bytes);
    EXPECT_THAT(all_until_end(socket), ::testing::Not(::testing::HasSubstr("HTTP/1.1 200")));
  });
  Connection next = administration_over(server().address());
  EXPECT_THAT(ping(next), pong());
}

TEST_F(Tls, OldVersionsAreRefused) {
  Socket socket{server().address({.highest_version = TLS1_1_VERSION})};
  all_until_end(socket);
  EXPECT_FALSE(socket.tls()->established());
  EXPECT_THAT(socket.tls()->failure(), ::testing::HasSubstr("protocol version"));
}

TEST_F(Tls, OnAPlainPortItIsEndedAtOnce) {
  Address address = here();
  address.tls = TlsPeerOptions{};
  Socket socket{address};
  all_until_end(socket);
  EXPECT_FALSE(socket.tls()->established());
  EXPECT_THAT(ping(*std::make_unique<Connection>(connect(here(), administration_answer(token)))),
              pong());
}

TEST_F(Tls, AHandshakeThatStopsHalfwayHasADeadline) {
  Server own{{"--head-timeout=1"}};
  Socket silent{own.plain()};
  Socket halfway{own.plain()};
  halfway.send(std::string("\x16\x03\x01\x02", 4));
  Socket established{own.address()};  // and then no request
  for (Socket* socket : {&silent, &halfway, &established}) all_until_end(*socket);
  EXPECT_TRUE(established.tls()->established());
}

}  // namespace
}  // namespace parsec::testing
