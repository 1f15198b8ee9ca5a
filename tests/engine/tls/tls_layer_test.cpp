// The layer called by hand: OpenSSL's client on one side, a handler that takes notes on the other.
#include "engine/tls/tls_layer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_transport.h"
#include "tests/support/text.h"
#include "tests/support/tls_certificate.h"
#include "tests/support/tls_peer.h"

namespace parsec::engine {
namespace {

using testing::text_of;

using testing::FakeTransport;
using testing::TlsCertificate;
using testing::TlsPeer;
using testing::TlsPeerOptions;

struct Notes : Handler {
  explicit Notes(Transport& plain) : transport(plain) {}

  Transport& transport;
  std::string received;
  int drained = 0;
  int deadlines = 0;
  std::vector<CloseReason> closed;
  std::function<void(ConnectionId)> on_bytes;

  void on_open(ConnectionId, std::string_view) override {}
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    received += text_of(bytes);
    if (on_bytes) on_bytes(id);
  }
  void on_drained(ConnectionId) override { ++drained; }
  void on_deadline(ConnectionId) override { ++deadlines; }
  void on_closed(ConnectionId, CloseReason reason) override { closed.push_back(reason); }
  bool on_turn() override { return false; }
  bool has_work() const override { return false; }
  void on_shutdown() override {}
};

class TlsLayerTest : public ::testing::Test {
 protected:
  static constexpr ConnectionId id{3, 7};

  static void SetUpTestSuite() { certificate_ = std::make_unique<TlsCertificate>(); }
  static void TearDownTestSuite() { certificate_.reset(); }

  void SetUp() override {
    auto context = TlsContext::load({certificate_->certificate(), certificate_->key()});
    ASSERT_TRUE(context) << context.error();
    context_ = std::move(*context);
    limits_.output_high_water = 50'000;
    limits_.output_limit = 200'000;
    layer_ = std::make_unique<TlsLayer>(below_, *context_, limits_, 0, [this](Transport& plain) {
      auto made = std::make_unique<Notes>(plain);
      notes_ = made.get();
      return made;
    });
  }

  void open(const TlsPeerOptions& options = {}) {
    client_ = std::make_unique<TlsPeer>(options);
    below_[id] = {};
    layer_->on_open(id, "192.0.2.1");
  }
  void receive(std::string bytes) { layer_->on_data(id, std::as_writable_bytes(std::span{bytes})); }
  /// What the client has to say, in pieces of that size at most.
  void client_to_server(std::size_t piece = SIZE_MAX) {
    const std::string records = client_->records();
    for (std::size_t at = 0; at < records.size(); at += std::min(piece, records.size() - at)) {
      receive(records.substr(at, piece));
    }
  }
  /// As the shard: all that waits is sent.
  std::size_t server_to_client() {
    OutputBuffer sent = std::move(below_[id].output);
    client_->take(text_of(sent.bytes()));
    return sent.size();
  }
  /// Turns until neither side has anything to say.
  void settle(std::size_t piece = SIZE_MAX) {
    for (int round = 0; round < 100; ++round) {
      client_to_server(piece);
      layer_->on_turn();
      const bool was_high = below_.pending_output(id) > limits_.output_high_water;
      const bool moved = server_to_client() > 0;
      if (was_high) layer_->on_drained(id);
      if (!moved && !was_high) return;
    }
    FAIL() << "they never come to rest";
  }
  void open_and_shake_hands(const TlsPeerOptions& options = {}) {
    open(options);
    settle();
    ASSERT_TRUE(client_->established()) << client_->failure();
  }
  OutputBuffer& plain_output() { return notes_->transport.output(id); }

  static inline std::unique_ptr<TlsCertificate> certificate_;
  FakeTransport below_;
  Limits limits_;
  std::unique_ptr<TlsContext> context_;
  std::unique_ptr<TlsLayer> layer_;
  Notes* notes_ = nullptr;
  std::unique_ptr<TlsPeer> client_;
};

// --- Handshake ---

TEST_F(TlsLayerTest, BothVersionsWithWhateverNamesAndProtocols) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::string name : {"", "localhost"}) {
      for (const std::string protocols : {"", "\x08http/1.1", "\x02h2\x08http/1.1", "\x02h2"}) {
        open_and_shake_hands({.trusted = certificate_->certificate(),
                              .server_name = name,
                              .protocols = protocols,
                              .least_version = version,
                              .highest_version = version});
        const bool asked = protocols.find("http/1.1") != std::string::npos;
        EXPECT_EQ(client_->protocol(), asked ? "http/1.1" : "");
        layer_->on_closed(id, CloseReason::peer_closed);
      }
    }
  }
}

/// Both sides are layers: one accepted the connection, the other dialled it.
class TlsClientTest : public TlsLayerTest {
 protected:
  void connect(const std::string& server, const std::string& trusted) {
    ::setenv("SSL_CERT_FILE", trusted.c_str(), 1);
    auto context = TlsContext::for_clients_of(server);
    ::unsetenv("SSL_CERT_FILE");
    ASSERT_TRUE(context) << context.error();
    client_context_ = std::move(*context);
    client_layer_ =
        std::make_unique<TlsLayer>(wire_, *client_context_, limits_, 0, [this](Transport& plain) {
          auto made = std::make_unique<Notes>(plain);
          client_notes_ = made.get();
          return made;
        });
    below_[id] = {};
    wire_[client_id] = {};
    layer_->on_open(id, "192.0.2.1");
    client_layer_->adopt(client_id);
    client_notes_->transport.output(client_id).append("hello");
    exchange();
  }
  void exchange() {
    for (int round = 0; round < 10; ++round) {
      client_layer_->on_turn();
      OutputBuffer to_server = std::move(wire_[client_id].output);
      if (!to_server.empty()) layer_->on_data(id, {to_server.data(), to_server.size()});
      layer_->on_turn();
      OutputBuffer to_client = std::move(below_[id].output);
      if (!to_client.empty() && !wire_[client_id].closed) {
        client_layer_->on_data(client_id, {to_client.data(), to_client.size()});
      }
    }
  }

  static constexpr ConnectionId client_id{5, 1};
  FakeTransport wire_;
  std::unique_ptr<TlsContext> client_context_;
  std::unique_ptr<TlsLayer> client_layer_;
  Notes* client_notes_ = nullptr;
};

TEST_F(TlsClientTest, WhatIsAppendedAtOnceFollowsTheHandshake) {
  connect("127.0.0.1", certificate_->certificate());
  EXPECT_EQ(notes_->received, "hello");
  plain_output().append("good day");
  exchange();
  EXPECT_EQ(client_notes_->received, "good day");
}

TEST_F(TlsClientTest, AServerThatIsNotTrustedHearsNothing) {
  const TlsCertificate other;
  struct Row {
    const char* name;
    const char* server;
    std::string trusted;
  };
  for (const Row& row : {Row{"another authority", "127.0.0.1", other.certificate()},
                         Row{"another address", "127.0.0.2", certificate_->certificate()},
                         Row{"a name", "localhost", certificate_->certificate()}}) {
    SCOPED_TRACE(row.name);
    SetUp();
    connect(row.server, row.trusted);
    EXPECT_TRUE(wire_[client_id].closed);
    EXPECT_EQ(notes_->received, "");
    EXPECT_EQ(client_notes_->received, "");
  }
}

TEST_F(TlsLayerTest, OlderVersionsAreRefused) {
  open({.least_version = TLS1_VERSION, .highest_version = TLS1_1_VERSION});
  settle();
  EXPECT_FALSE(client_->established());
  EXPECT_NE(client_->failure(), "");
  EXPECT_EQ(below_[id].closed, CloseMode::after_flush);
}

TEST_F(TlsLayerTest, BytesOneByOne) {
  open();
  client_->write("hello");
  settle(1);
  ASSERT_TRUE(client_->established()) << client_->failure();
  EXPECT_EQ(notes_->received, "hello");
}

TEST_F(TlsLayerTest, ResumesWithATicketAlsoAfterTheCertificateWasReadAgain) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    open_and_shake_hands({.highest_version = version});
    EXPECT_FALSE(client_->resumed());
    const auto ticket = client_->ticket();
    ASSERT_TRUE(ticket);
    layer_->on_closed(id, CloseReason::peer_closed);
    ASSERT_TRUE(context_->reload());
    open_and_shake_hands({.highest_version = version, .ticket = ticket});
    EXPECT_TRUE(client_->resumed());
    layer_->on_closed(id, CloseReason::peer_closed);
  }
}

TEST_F(TlsLayerTest, WhateverIsNoTlsEndsAtOnce) {
  for (const std::string bytes : {"GET / HTTP/1.1\r\nhost: h\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n",
                                  "\x16\x03\x01\xff\xff garbage of a hello", "\x80\x2e\x01"}) {
    open();
    receive(bytes + std::string(20'000, 'x'));
    layer_->on_turn();
    EXPECT_EQ(below_[id].closed, CloseMode::after_flush) << bytes;
    EXPECT_LT(below_[id].output.size(), 100u);
    EXPECT_EQ(notes_->received, "");
    layer_->on_closed(id, CloseReason::by_handler);
  }
  EXPECT_EQ(notes_->closed.size(), 4u);
}

TEST_F(TlsLayerTest, ATurnServesOneHandshake) {
  const auto generation = [](std::uint32_t slot) { return ConnectionId{slot, 1}; };
  const std::uint32_t count = 3;
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    TlsPeer client;
    std::string hello = client.records();
    layer_->on_open(generation(slot), "192.0.2.1");
    layer_->on_data(generation(slot), std::as_writable_bytes(std::span{hello}));
    // It must not fill the memory while it waits.
    EXPECT_TRUE(below_[generation(slot)].reading_paused);
  }
  const auto answered = [&] {
    std::uint32_t number = 0;
    for (std::uint32_t slot = 0; slot < count; ++slot) {
      if (!below_[generation(slot)].output.empty()) ++number;
    }
    return number;
  };
  EXPECT_TRUE(layer_->on_turn());  // more waits: the shard must not sleep
  EXPECT_EQ(answered(), 1u);
  EXPECT_FALSE(below_[generation(0)].reading_paused);
  // One that went away meanwhile does not count.
  layer_->on_closed(generation(1), CloseReason::peer_reset);
  EXPECT_TRUE(layer_->has_work());
  EXPECT_FALSE(layer_->on_turn());
  EXPECT_EQ(answered(), 2u);
}

TEST_F(TlsLayerTest, TheDeadlineCoversTheHandshake) {
  open();
  notes_->transport.set_deadline(id, Duration{10});
  EXPECT_EQ(below_[id].deadline, Duration{10});
  layer_->on_deadline(id);
  EXPECT_EQ(notes_->deadlines, 1);
}

TEST_F(TlsLayerTest, ClosedInTheMiddleOfTheHandshake) {
  open();
  notes_->transport.close(id, CloseMode::after_flush);
  EXPECT_EQ(below_[id].closed, CloseMode::after_flush);
  EXPECT_TRUE(below_[id].output.empty());
}

// --- Bytes ---

TEST_F(TlsLayerTest, CountsWhatBecameOfHandshakes) {
  TlsCounts counts;
  layer_->count_in(counts);
  open_and_shake_hands();
  layer_->on_closed(id, CloseReason::peer_closed);
  EXPECT_EQ(counts.ok.get(), 1u);
  EXPECT_EQ(counts.duration.sums().count(), 1u);
  open();
  receive("GET / HTTP/1.1\r\n\r\n");
  layer_->on_turn();
  layer_->on_closed(id, CloseReason::by_handler);
  EXPECT_EQ(counts.failed.get(), 1u);
  open();
  layer_->on_closed(id, CloseReason::peer_closed);
  EXPECT_EQ(counts.aborted.get(), 1u);
  EXPECT_EQ(counts.ok.get(), 1u);
}

TEST_F(TlsLayerTest, OneCallbackSharesARecord) {
  open_and_shake_hands();
  notes_->on_bytes = [&](ConnectionId) {
    for (int i = 0; i < 100; ++i) plain_output().append("0123456789");
  };
  client_->write("go");
  client_to_server();
  EXPECT_GT(below_[id].output.size(), 1000u);
  EXPECT_LT(below_[id].output.size(), 1000u + 64u);
  server_to_client();
  EXPECT_EQ(client_->plain.size(), 1000u);
}

TEST_F(TlsLayerTest, ALargeReplyIsEncryptedAsItDrains) {
  open_and_shake_hands();
  std::string reply;
  while (reply.size() < 1'000'000) reply += std::to_string(reply.size()) + " ";
  plain_output().append(reply);
  layer_->on_turn();
  const std::size_t pending = notes_->transport.pending_output(id);
  EXPECT_GT(pending, reply.size());
  EXPECT_LT(below_.pending_output(id), limits_.output_high_water + 17'000);
  EXPECT_GE(notes_->transport.held_output(id), reply.size() + below_.held_output(id));
  EXPECT_EQ(notes_->drained, 0);
  settle();
  EXPECT_EQ(client_->plain, reply);
  EXPECT_EQ(notes_->transport.held_output(id), 0u);
  EXPECT_EQ(notes_->drained, 1);
  EXPECT_EQ(notes_->transport.pending_output(id), 0u);
}

TEST_F(TlsLayerTest, WhoSawTooMuchOutputIsToldWhenItMayGoOn) {
  open_and_shake_hands();
  below_[id].output.append(std::string(40'000, 'x'));  // records that a peer has not taken
  plain_output().append(std::string(20'000, 'y'));
  EXPECT_GT(notes_->transport.pending_output(id), limits_.output_high_water);
  below_[id].output.clear();  // taken before the callback ends
  layer_->on_turn();
  layer_->on_turn();
  EXPECT_EQ(notes_->drained, 1);
}

TEST_F(TlsLayerTest, TellsOnRequestThatLittleOutputDrained) {
  open_and_shake_hands();
  plain_output().append(std::string(1000, 'x'));
  notes_->transport.call_when_drained(id);
  layer_->on_turn();
  EXPECT_TRUE(below_[id].wants_drained);
  EXPECT_EQ(notes_->drained, 0) << "the record still waits";
  server_to_client();
  layer_->on_drained(id);
  EXPECT_EQ(notes_->drained, 1);
  layer_->on_turn();
  layer_->on_drained(id);
  EXPECT_EQ(notes_->drained, 1) << "once for each request";
}

TEST_F(TlsLayerTest, APeerThatDoesNotReadIsLeft) {
  open_and_shake_hands();
  for (int i = 0; i < 2; ++i) {  // replies of any size do not count, the one behind included
    plain_output().append(std::string(300'000, 'a'));
    layer_->on_turn();
    EXPECT_FALSE(below_[id].closed);
  }
  plain_output().append(std::string(limits_.output_limit + 1, 'b'));
  layer_->on_turn();
  EXPECT_EQ(below_[id].closed, CloseMode::abort);
  layer_->on_closed(id, CloseReason::aborted);
  EXPECT_EQ(notes_->closed, std::vector{CloseReason::output_limit});
}

TEST_F(TlsLayerTest, PausedItHoldsRecordsAndDeliversThemLater) {
  open_and_shake_hands();
  notes_->on_bytes = [&](ConnectionId) { notes_->transport.pause_reading(id); };
  for (const char* text : {"one", "two", "three"}) client_->write(text);
  client_to_server();
  EXPECT_EQ(notes_->received, "one");
  EXPECT_TRUE(below_[id].reading_paused);
  layer_->on_turn();
  EXPECT_EQ(notes_->received, "one");
  notes_->transport.resume_reading(id);
  EXPECT_TRUE(layer_->has_work());
  layer_->on_turn();
  EXPECT_EQ(notes_->received, "onetwo");
  notes_->on_bytes = nullptr;
  notes_->transport.resume_reading(id);
  client_->write("four");
  client_to_server();
  layer_->on_turn();
  EXPECT_EQ(notes_->received, "onetwothreefour");
  EXPECT_FALSE(below_[id].reading_paused);
}

TEST_F(TlsLayerTest, KeysChangeOnTheWay) {
  open_and_shake_hands({.least_version = TLS1_3_VERSION});
  for (int i = 0; i < 3; ++i) {
    client_->update_keys();
    client_->write("x");
    plain_output().append("y");
    settle(1);
  }
  EXPECT_EQ(notes_->received, "xxx");
  EXPECT_EQ(client_->plain, "yyy") << client_->failure();
}

TEST_F(TlsLayerTest, WhoAsksForKeysAndDoesNotReadIsLeft) {
  open_and_shake_hands({.least_version = TLS1_3_VERSION});
  for (int i = 0; i < 3000 && !below_[id].closed; ++i) {
    client_->update_keys();
    client_to_server();
    ASSERT_LT(below_.pending_output(id), 32U * 1024);
  }
  EXPECT_EQ(below_[id].closed, CloseMode::abort);
  layer_->on_closed(id, CloseReason::aborted);
  EXPECT_EQ(notes_->closed, std::vector{CloseReason::output_limit});
}

TEST_F(TlsLayerTest, WhoReadsMayChangeKeysForEver) {
  open_and_shake_hands({.least_version = TLS1_3_VERSION});
  for (int i = 0; i < 3000; ++i) {
    client_->update_keys();
    client_to_server();
    server_to_client();
  }
  EXPECT_EQ(below_[id].closed, std::nullopt) << client_->failure();
}

TEST_F(TlsLayerTest, ABrokenRecordEndsTheConnection) {
  open_and_shake_hands();
  client_->write("good");
  client_to_server();
  client_->write("bad");
  std::string records = client_->records();
  records.back() = static_cast<char>(records.back() ^ 1);
  receive(records);
  EXPECT_EQ(notes_->received, "good");
  EXPECT_EQ(below_[id].closed, CloseMode::after_flush);
}

// --- Ends ---

TEST_F(TlsLayerTest, SaysCloseAfterEverythingElse) {
  open_and_shake_hands();
  const std::string reply(500'000, 'r');
  notes_->on_bytes = [&](ConnectionId) {
    plain_output().append(reply);
    notes_->transport.close(id, CloseMode::after_flush);
    plain_output().append("this must not be sent");
  };
  client_->write("one");
  client_->write("two");
  client_to_server();
  server_to_client();
  EXPECT_EQ(notes_->received, "one");  // nothing follows a close
  EXPECT_EQ(client_->plain, reply);
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(below_[id].closed, CloseMode::after_flush);
  layer_->on_closed(id, CloseReason::by_handler);
  EXPECT_EQ(notes_->closed, std::vector{CloseReason::by_handler});
}

TEST_F(TlsLayerTest, APeerThatSaidCloseGetsWhatWasAppendedBefore) {
  open_and_shake_hands();
  const std::string reply(500'000, 'r');
  notes_->on_bytes = [&](ConnectionId) { plain_output().append(reply); };
  client_->write("request");
  client_->say_close();
  client_to_server();
  server_to_client();
  EXPECT_EQ(client_->plain, reply);
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(below_[id].closed, CloseMode::after_flush);
  layer_->on_closed(id, CloseReason::by_handler);
  EXPECT_EQ(notes_->closed, std::vector{CloseReason::peer_closed});
}

TEST_F(TlsLayerTest, AbortsAtOnce) {
  open_and_shake_hands();
  plain_output().append("lost");
  notes_->transport.close(id, CloseMode::abort);
  layer_->on_turn();
  EXPECT_EQ(below_[id].closed, CloseMode::abort);
  EXPECT_TRUE(below_[id].output.empty());
}

}  // namespace
}  // namespace parsec::engine
