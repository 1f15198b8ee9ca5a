// Two servers over one database behind a real proxy: clients do not know on which one they are, and
// nothing depends on it.
#include "tests/integration/integration_test.h"
#include "tests/support/haproxy.h"

namespace parsec::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BehindAProxy : public IntegrationTest {
 protected:
  static void SetUpTestSuite() {
    const Address servers[] = {here(), there()};
    proxy_ = std::make_unique<Haproxy>(servers);
  }
  static void TearDownTestSuite() { proxy_.reset(); }
  static const Haproxy& proxy() { return *proxy_; }

  /// Some on either server, plain and over TLS: connections are dealt out in turn.
  static std::vector<Session> everywhere(const Session& session) {
    std::vector<Session> all;
    for (int i = 0; i < 2; ++i) {
      for (const Address& address : {proxy().plain(), proxy().tls()}) {
        all.push_back(again(session, address));
        all.push_back(again(session, address));
      }
    }
    return all;
  }

 private:
  static inline std::unique_ptr<Haproxy> proxy_;
};

TEST_F(BehindAProxy, ARevocationClosesEveryConnection) {
  auto [alice, bob] = pair();
  std::vector<Session> victims = everywhere(bob);
  std::vector<Session> spared = everywhere(alice);
  spared.front().revoke("bob");
  for (Session& victim : victims) EXPECT_EQ(victim.wait_end(), 1000);
  for (Session& one : spared) one.ping();
}

TEST_F(BehindAProxy, AnExpirationClosesEveryConnection) {
  auto [alice, bob] = pair();
  std::vector<Session> victims = everywhere(bob);
  Session stranger = this->alice();
  expire(alice.organization());
  for (Session& victim : victims) EXPECT_EQ(victim.wait_end(), 1000);
  stranger.ping();
}

TEST_F(BehindAProxy, ARoleHoldsEverywhereAtOnce) {
  auto [alice, bob] = pair();
  std::vector<Session> sessions = everywhere(bob);
  for (Session& session : sessions) session.subscribe();
  const Uuid realm_id = alice.create_realm();
  const auto write = [&](Session& session) {
    return session.call("vlob_create", {{"realm_id", realm_id},
                                        {"encryption_revision", 1},
                                        {"vlob_id", new_uuid()},
                                        {"timestamp", now()},
                                        {"blob", "v1"_bin}});
  };
  for (const Document& role : {Document("CONTRIBUTOR"), Document("READER"), Document(nullptr)}) {
    alice.share(realm_id, "bob", role);
    // Asked before the event is looked for: rights do not wait for it.
    for (Session& session : sessions) {
      const char* wanted = role == Document("CONTRIBUTOR") ? "ok" : "not_allowed";
      EXPECT_THAT(write(session), Status(wanted)) << role_name(role);
    }
    for (Session& session : sessions) {
      while (session.next_event() != roles_updated(realm_id, role)) {
      }
    }
  }
}

TEST_F(BehindAProxy, PagesAndAdministration) {
  Socket socket{proxy().plain()};
  for (int i = 0; i < 4; ++i) {
    socket.input.clear();
    socket.send("GET / HTTP/1.1\r\nHost: parsec.example.com\r\n\r\n");
    while (!socket.input.contains("</html>")) ASSERT_TRUE(socket.receive(within(patience)));
    EXPECT_TRUE(socket.input.starts_with("HTTP/1.1 200")) << socket.input;
  }
  const auto organization = Organization::create(proxy().tls(), token);
  Connection administration = connect(proxy().plain(), administration_answer(token));
  EXPECT_THAT(administration.call("organization_status", {{"organization_id", organization->id()}}),
              Status("ok"));
}

TEST_F(BehindAProxy, WhatCameOverPlainHttpIsLedToHttps) {
  const auto server = Deployment::get().start_server(
      {.arguments = {"--forward-proto-enforce-https", "X-Forwarded-Proto:https", "--backend-addr",
                     "parsec://parsec.example.com"}});
  const Address servers[] = {server->address()};
  const Haproxy own{servers};
  ASSERT_TRUE(own.await_passed_check());
  // A client's own header changes nothing: the proxy replaces it.
  const auto ask = [](const Address& address, const std::string& line) {
    Socket socket{address};
    socket.send(line +
                " HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Proto: https\r\n"
                "Connection: close\r\n\r\n");
    while (socket.receive(within(patience))) {
    }
    return socket.input;
  };
  EXPECT_THAT(
      ask(own.plain(), "GET /redirect/CoolOrg?a=1"),
      AllOf(StartsWith("HTTP/1.1 301 "),
            HasSubstr("\r\nlocation: https://parsec.example.com/redirect/CoolOrg?a=1\r\n")));
  EXPECT_THAT(ask(own.plain(), "POST /"), StartsWith("HTTP/1.1 301 "));
  EXPECT_THAT(ask(own.tls(), "GET /"), StartsWith("HTTP/1.1 200 "));

  const auto organization = Organization::create(own.tls(), token);
  organization->connect(organization->alice()).ping();
  EXPECT_EQ(server->stop(), 0);
}

TEST_F(BehindAProxy, ClientsOfAServerThatDiesGoOnWithTheOther) {
  const auto first = Deployment::get().start_server();
  const auto second = Deployment::get().start_server();
  const Address servers[] = {first->address(), second->address()};
  const Haproxy own{servers};
  const auto organization = Organization::create(own.plain(), token);
  Session alice = organization->connect(organization->alice());
  const Uuid realm_id = alice.create_realm();
  std::vector<Session> sessions;
  for (int i = 0; i < 8; ++i) sessions.push_back(again(alice, own.plain()));

  std::vector<Uuid> answered;
  for (int i = 0; i < 3; ++i) {
    for (Session& session : sessions) answered.push_back(session.create_vlob(realm_id));
  }
  first->kill();
  int ended = 0;
  for (Session& session : sessions) {
    try {
      answered.push_back(session.create_vlob(realm_id));
    } catch (const ClientError&) {
      ++ended;
      ASSERT_TRUE(eventually([&] {
        try {
          session = again(alice, own.plain());
          return true;
        } catch (const ClientError&) {
          return false;  // until the proxy has noticed
        }
      }));
      answered.push_back(session.create_vlob(realm_id));
    }
  }
  EXPECT_EQ(ended, 4) << "the proxy deals out in turn";
  for (const Uuid& vlob_id : answered) {
    EXPECT_THAT(
        sessions.front().call("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}}),
        Status("ok"));
  }
  EXPECT_EQ(second->stop(), 0);
}

}  // namespace
}  // namespace parsec::testing
