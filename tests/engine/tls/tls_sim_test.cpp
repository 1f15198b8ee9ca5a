// The shard's real loop with the TLS layer over the simulated, hostile kernel and network: short
// reads and sends, late completions, resets in the middle of a handshake. A failure prints its
// seed; PARSEC_SIM_SEED=<n> runs that one alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tls/tls_layer.h"
#include "tests/support/sim_shard.h"
#include "tests/support/text.h"
#include "tests/support/tls_certificate.h"
#include "tests/support/tls_peer.h"

namespace parsec::testing {
namespace {

using engine::CloseMode;
using engine::CloseReason;
using engine::ConnectionId;
using engine::Duration;
using namespace std::chrono_literals;

enum class Ending : std::uint8_t {
  client_closes,  // after everything came back
  client_leaves,  // close_notify and FIN behind the last byte: what was echoed by then comes back
  client_resets,  // somewhere on the way, often within the handshake
  client_vanishes,
  client_babbles,  // no TLS at all
  server_closes,   // after everything was echoed: all of it must arrive
  server_aborts,
  client_stalls,  // and is flooded
};
constexpr std::uint32_t ending_count = 8;

/// The client's first plain bytes.
struct Hello {
  std::uint32_t client;
  std::uint32_t ending;
  std::uint32_t size;
};

/// Echoes; pauses when too much output waits, and now and then without a reason.
class Echo : public engine::Handler {
 public:
  Echo(engine::Transport& transport, SimNetwork& network)
      : transport_(transport), network_(network) {}

  std::map<std::uint32_t, ConnectionId> connection_of_client;

  void on_open(ConnectionId id, std::string_view) override {
    state_[id.packed()] = {};
    transport_.set_deadline(id, 5s);  // for the handshake and the hello
  }
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    State& state = state_.at(id.packed());
    if (state.paused) ADD_FAILURE() << "on_data while paused";
    state.received += bytes.size();
    if (state.hello.size() < sizeof(Hello)) {
      state.hello.append(text_of(bytes).substr(0, sizeof(Hello) - state.hello.size()));
      if (state.hello.size() == sizeof(Hello)) {
        connection_of_client[hello(state).client] = id;
        transport_.clear_deadline(id);
      }
    }
    transport_.output(id).append(bytes);
    if (state.hello.size() == sizeof(Hello) && state.received == hello(state).size) {
      return finish(id, state);
    }
    if (state.hello.size() < sizeof(Hello)) return;
    if (transport_.pending_output(id) > high_water) {
      pause(id, state);  // until on_drained
    } else if (network_.chance(100)) {
      pause(id, state);
      transport_.set_deadline(id, Duration{network_.below(30)});
    }
  }
  void on_drained(ConnectionId id) override { resume(id); }
  void on_deadline(ConnectionId id) override {
    State& state = state_.at(id.packed());
    if (state.hello.size() < sizeof(Hello)) {
      transport_.close(id, CloseMode::abort);
    } else if (state.flooding) {
      transport_.output(id).append(std::string(300, 'f'));
      transport_.set_deadline(id, 5ms);
    } else {
      resume(id);
    }
  }
  void on_closed(ConnectionId id, CloseReason reason) override {
    reasons[id.packed()] = reason;
    state_.erase(id.packed());
  }
  bool on_turn() override { return false; }
  bool has_work() const override { return false; }
  void on_shutdown() override {
    for (const auto& [packed, unused] : state_) {
      transport_.close(ConnectionId::unpacked(packed), CloseMode::after_flush);
    }
  }

  std::map<std::uint64_t, CloseReason> reasons;

 private:
  static constexpr std::size_t high_water = 1000;
  struct State {
    std::string hello;
    std::size_t received = 0;
    bool paused = false;
    bool flooding = false;
  };
  static Hello hello(const State& state) {
    Hello hello{};
    std::memcpy(&hello, state.hello.data(), sizeof hello);
    return hello;
  }
  void finish(ConnectionId id, State& state) {
    switch (static_cast<Ending>(hello(state).ending)) {
      case Ending::server_closes:
        transport_.close(id, CloseMode::after_flush);
        transport_.output(id).append("this must not be sent");
        break;
      case Ending::server_aborts:
        transport_.close(id, CloseMode::abort);
        break;
      case Ending::client_stalls:
        state.flooding = true;
        transport_.set_deadline(id, 5ms);
        break;
      default:
        break;
    }
  }
  void pause(ConnectionId id, State& state) {
    state.paused = true;
    transport_.pause_reading(id);
  }
  void resume(ConnectionId id) {
    state_.at(id.packed()).paused = false;
    transport_.resume_reading(id);
  }

  engine::Transport& transport_;
  SimNetwork& network_;
  std::map<std::uint64_t, State> state_;
};

class TlsClient : public SimClient {
 public:
  TlsClient(std::uint32_t number, SimNetwork& random)
      : ending(static_cast<Ending>(random.below(ending_count))),
        peer_({.highest_version = random.chance(300) ? TLS1_2_VERSION : 0}) {
    const auto size =
        static_cast<std::uint32_t>(sizeof(Hello) + random.below(random.chance(300) ? 20'000 : 500));
    const Hello hello{number, static_cast<std::uint32_t>(ending), size};
    to_send.assign(reinterpret_cast<const char*>(&hello), sizeof hello);
    while (to_send.size() < size) to_send.push_back(static_cast<char>(random.below(256)));
  }

  const Ending ending;
  std::string to_send;
  bool ended = false;
  bool was_reset = false;
  const TlsPeer& peer() const { return peer_; }

  void on_connected() override {
    if (ending == Ending::client_babbles) return send(std::string(1 + network().below(500), 'b'));
    if (ending == Ending::client_resets || ending == Ending::client_vanishes) {
      after(std::chrono::microseconds{network().below(30'000)}, [this] {
        if (ending == Ending::client_resets) return reset();
        vanish();
      });
    }
    write_piece();
  }
  void on_bytes(std::span<const std::byte> bytes) override {
    peer_.take(text_of(bytes));
    if (peer_.plain.size() >= to_send.size()) {
      if (ending == Ending::client_closes) leave();
      if (ending == Ending::client_stalls) set_reading(false);
    }
    pass_on();
  }
  void on_end() override {
    ended = true;
    finish();
  }
  void on_reset() override { was_reset = true; }

 private:
  void write_piece() {
    const std::size_t count =
        std::min<std::size_t>(to_send.size() - written_, 1 + network().below(2000));
    peer_.write(std::string_view(to_send).substr(written_, count));
    written_ += count;
    const bool all = written_ == to_send.size();
    if (all && ending == Ending::client_leaves) peer_.say_close();
    if (all && network().chance(300) && peer_.established() && peer_.version() == "TLSv1.3") {
      peer_.update_keys();
    }
    pass_on();
    if (all) return;
    after(std::chrono::microseconds{network().below(20'000)}, [this] { write_piece(); });
  }
  void leave() {
    if (left_) return;
    left_ = true;
    peer_.say_close();
    pass_on();
    finish();
  }
  void pass_on() {
    const std::string records = peer_.records();
    if (!records.empty()) send(records);
  }

  TlsPeer peer_;
  std::size_t written_ = 0;
  bool left_ = false;
};

void expect_ending(const TlsClient& client, CloseReason reason) {
  const bool all_came_back = client.peer().plain == client.to_send;
  switch (client.ending) {
    case Ending::client_closes:
      EXPECT_TRUE(all_came_back);
      EXPECT_EQ(reason, CloseReason::peer_closed);
      EXPECT_FALSE(client.was_reset);
      break;
    case Ending::client_leaves:
      EXPECT_EQ(reason, CloseReason::peer_closed);
      EXPECT_TRUE(client.peer().ended());
      EXPECT_FALSE(client.was_reset);
      break;
    case Ending::server_closes:
      EXPECT_TRUE(all_came_back);
      EXPECT_TRUE(client.peer().ended());
      EXPECT_TRUE(client.ended);
      EXPECT_EQ(reason, CloseReason::by_handler);
      break;
    case Ending::server_aborts:
      EXPECT_EQ(reason, CloseReason::aborted);
      break;
    case Ending::client_stalls:
      EXPECT_EQ(reason, CloseReason::output_limit);
      break;
    case Ending::client_resets:
    case Ending::client_vanishes:
      EXPECT_EQ(reason, CloseReason::peer_reset);
      break;
    case Ending::client_babbles:
      ADD_FAILURE() << "babble was taken for a hello";
  }
}

class TlsSimulation : public ::testing::Test {
 protected:
  using Sim = SimShard<engine::TlsLayer>;

  void SetUp() override {
    auto loaded = engine::TlsContext::load({certificate_.certificate(), certificate_.key()});
    ASSERT_TRUE(loaded) << loaded.error();
    context_ = std::move(*loaded);
  }

  /// Everything small, so that every limit is met; what varies comes from the seed as well.
  static SimShardOptions options_for(std::uint64_t seed) {
    SimShardOptions options;
    std::mt19937_64 random(seed * 7919);
    options.network.seed = seed;
    options.network.socket_buffer = 512u << random() % 5;
    options.ring.multishot = random() % 3 != 0;
    options.ring.receive_buffers = 1u << random() % 6;
    options.ring.receive_buffer_size = 64u << random() % 5;
    options.ring.no_buffer = random() % 4 == 0 ? 200 : 10;
    options.ring.submission_full = random() % 4 == 0 ? 100 : 5;
    options.ring.late_completion = random() % 2 == 0 ? 500 : 100;
    options.limits.connections = static_cast<std::uint32_t>(4 + random() % 20);
    options.limits.completions_per_turn = 1u << random() % 8;
    options.limits.output_high_water = 1000;
    options.limits.output_limit = 6000;
    options.limits.spare_buffers = 4;
    options.limits.spare_buffer_size = 2048;
    return options;
  }

  std::unique_ptr<Sim> simulate(const SimShardOptions& options) {
    return std::make_unique<Sim>(
        options, [&](engine::Transport& transport, engine::Waker&, SimNetwork& network) {
          return engine::TlsLayer(transport, *context_, options.limits, 0,
                                  [&](engine::Transport& plain) {
                                    auto made = std::make_unique<Echo>(plain, network);
                                    echo_ = made.get();
                                    return made;
                                  });
        });
  }

  void run(std::uint64_t seed) {
    SCOPED_TRACE("PARSEC_SIM_SEED=" + std::to_string(seed));
    const auto sim = simulate(options_for(seed));
    SimNetwork& network = sim->network();
    std::vector<std::shared_ptr<TlsClient>> clients;
    const std::uint32_t count = 1 + network.below(15);
    for (std::uint32_t i = 0; i < count; ++i) {
      clients.push_back(std::make_shared<TlsClient>(i, network));
      network.connect(clients.back(), std::chrono::microseconds{network.below(200'000)});
    }
    const bool over = sim->run_until([&] {
      const auto& counters = sim->counters();
      return counters.closed() + counters.get(engine::Count::accept_refused) == count;
    });
    EXPECT_TRUE(over) << "connections are left over";
    const auto connections = echo_->connection_of_client;
    const auto reasons = echo_->reasons;
    EXPECT_TRUE(sim->stop());
    for (const std::string& complaint : sim->complaints()) ADD_FAILURE() << complaint;

    for (std::uint32_t i = 0; i < count; ++i) {
      const TlsClient& client = *clients[i];
      SCOPED_TRACE("ending " + std::to_string(static_cast<int>(client.ending)));
      if (client.peer().established() && connections.contains(i)) ++met_[client.ending];
      const std::string& back = client.peer().plain;
      const auto echoed = std::min(back.size(), client.to_send.size());
      EXPECT_EQ(back.compare(0, echoed, client.to_send, 0, echoed), 0);
      if (client.ending != Ending::client_babbles) {
        EXPECT_EQ(client.peer().failure(), "");
      }
      if (const auto id = connections.find(i); id != connections.end()) {
        expect_ending(client, reasons.at(id->second.packed()));
      }
    }
  }

  const TlsCertificate certificate_{"IP:127.0.0.1", TlsCertificate::Kind::ed25519};
  std::unique_ptr<engine::TlsContext> context_;
  Echo* echo_ = nullptr;
  std::map<Ending, int> met_;  // how often, of connections that came to speak
};

TEST_F(TlsSimulation, EchoesByteExactlyAndEndsEveryConnectionOnce) {
  std::uint64_t first = 1, last = 150;
  if (const char* chosen = std::getenv("PARSEC_SIM_SEED")) {
    first = last = std::strtoull(chosen, nullptr, 0);
  }
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    run(seed);
    if (HasFailure()) return;
  }
  for (std::uint32_t i = 0; first != last && i < ending_count; ++i) {
    const auto ending = static_cast<Ending>(i);
    if (ending == Ending::client_babbles) continue;
    EXPECT_GT(met_[ending], 10) << "ending " << i;
  }
}

TEST_F(TlsSimulation, TheSameSeedGivesTheSameRun) {
  std::vector<std::uint64_t> results[2];
  for (auto& result : results) {
    const auto sim = simulate(options_for(17));
    for (std::uint32_t i = 0; i < 10; ++i) {
      sim->network().connect(std::make_shared<TlsClient>(i, sim->network()), 1ms);
    }
    sim->run_until([&] { return sim->counters().closed() >= 5; });
    sim->counters().for_each([&](auto, std::uint64_t value) { result.push_back(value); });
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace parsec::testing
