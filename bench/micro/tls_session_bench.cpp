// TLS without sockets: a whole handshake of both sides, and records from one side to the other.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/tls/tls_context.h"
#include "engine/tls/tls_session.h"
#include "tests/support/tls_certificate.h"

namespace parsec::engine {
namespace {

/// What each side says waits here for the other.
class Wire final : public Transport {
 public:
  OutputBuffer& output(ConnectionId side) override { return said_[side.slot]; }
  bool is_open(ConnectionId) const override { return true; }
  std::size_t pending_output(ConnectionId side) const override { return said_[side.slot].size(); }
  std::size_t held_output(ConnectionId side) const override { return pending_output(side); }
  void call_when_drained(ConnectionId) override {}
  void close(ConnectionId, CloseMode) override {}
  void set_deadline(ConnectionId, Duration) override {}
  void clear_deadline(ConnectionId) override {}
  void note_upgrade(ConnectionId) override {}
  void pause_reading(ConnectionId) override {}
  void resume_reading(ConnectionId) override {}
  TimePoint now() const override { return {}; }

 private:
  std::array<OutputBuffer, 2> said_;
};

constexpr ConnectionId server_side{0, 0}, client_side{1, 0};

struct Contexts {
  testing::TlsCertificate certificate;
  std::unique_ptr<TlsContext> server, client;

  Contexts() {
    ::setenv("SSL_CERT_FILE", certificate.certificate().c_str(), 1);
    server = std::move(*TlsContext::load({certificate.certificate(), certificate.key()}));
    client = std::move(*TlsContext::for_clients_of("127.0.0.1"));
    ::unsetenv("SSL_CERT_FILE");
  }
};

const Contexts& contexts() {
  static const Contexts made;
  return made;
}

struct Pair {
  Wire wire;
  TlsSession server{contexts().server->new_connection(), wire, server_side};
  TlsSession client{contexts().client->new_connection(), wire, client_side};

  bool shake_hands() {
    for (int flight = 0; flight < 4 && !(server.established() && client.established()); ++flight) {
      take(client, server_side, [this] { client.handshake(); });
      take(server, client_side, [this] { server.handshake(); });
    }
    return server.established() && client.established();
  }
  /// Lets a session work off what the other side said.
  template <class Work>
  void take(TlsSession& session, ConnectionId from, Work work) {
    OutputBuffer records = std::move(wire.output(from));
    session.lend_input({records.data(), records.size()});
    work();
    session.lend_input({});
  }
};

void tls_handshake(benchmark::State& state) {
  for (auto _ : state) {
    Pair pair;
    if (!pair.shake_hands()) return state.SkipWithError("the handshake failed");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(tls_handshake);

void tls_record(benchmark::State& state) {
  Pair pair;
  if (!pair.shake_hands()) return state.SkipWithError("the handshake failed");
  const std::vector<std::byte> plain(static_cast<std::size_t>(state.range(0)), std::byte{'x'});
  std::vector<std::byte> read(plain.size());
  for (auto _ : state) {
    pair.client.write(plain);
    pair.take(pair.server, client_side, [&] {
      std::size_t count = 0;
      if (pair.server.read(read, count) != TlsSession::Status::done || count != plain.size()) {
        state.SkipWithError("the record did not arrive");
      }
    });
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(tls_record)->Arg(100)->Arg(1000)->Arg(16 * 1024);

}  // namespace
}  // namespace parsec::engine
