// The shard's real loop over a simulated, hostile kernel and network, several hundred runs, each
// from a seed. A failure prints its seed; PARSEC_SIM_SEED=<n> runs that one alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/queues/spsc_ring.h"
#include "tests/support/sim_shard.h"
#include "tests/support/text.h"

namespace parsec::testing {
namespace {

using engine::CloseMode;
using engine::CloseReason;
using engine::ConnectionId;
using engine::Duration;
using namespace std::chrono_literals;

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* chosen = std::getenv("PARSEC_SIM_SEED"))
    return {std::strtoull(chosen, nullptr, 0)};
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
  return all;
}

/// Everything small, so that every limit is met; what varies comes from the seed as well.
SimShardOptions options_for(std::uint64_t seed) {
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
  options.limits.connections = static_cast<std::uint32_t>(1 + random() % 20);
  options.limits.completions_per_turn = 1u << random() % 8;
  options.limits.spin = std::chrono::microseconds{random() % 4 == 0 ? 50 : 0};
  options.limits.output_high_water = 1000;
  options.limits.output_limit = 6000;
  options.limits.spare_buffers = 4;
  options.limits.spare_buffer_size = 2048;
  return options;
}

void expect_clean(const std::vector<std::string>& complaints) {
  for (const std::string& complaint : complaints) ADD_FAILURE() << complaint;
}

// --- Echo: every way a connection can end ---

enum class Ending : std::uint8_t {
  client_finishes,  // after everything came back
  client_resets,    // somewhere on the way
  client_vanishes,  // likewise
  server_closes,    // after everything was echoed: all of it must arrive
  server_aborts,
  server_floods,  // and the client does not read
};
constexpr std::uint32_t ending_count = 6;

/// The client's first bytes: who it is, how it wants to end, how much it will send.
struct Hello {
  std::uint32_t client;
  std::uint32_t ending;
  std::uint32_t size;
};

class EchoHandler : public engine::Handler {
 public:
  EchoHandler(engine::Transport& transport, SimNetwork& network)
      : transport_(transport), network_(network) {}

  std::map<std::uint32_t, ConnectionId> connection_of_client;

  void on_open(ConnectionId id, std::string_view) override { state_[id.packed()] = {}; }
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    State& state = state_.at(id.packed());
    if (state.paused) ADD_FAILURE() << "on_data while paused";
    state.received += bytes.size();
    if (state.hello.size() < sizeof(Hello)) {
      state.hello.append(text_of(bytes).substr(0, sizeof(Hello) - state.hello.size()));
      if (state.hello.size() == sizeof(Hello)) connection_of_client[hello(state).client] = id;
    }
    transport_.output(id).append(bytes);
    if (state.hello.size() == sizeof(Hello) && state.received == hello(state).size) {
      return finish(id, state);
    }
    if (transport_.pending_output(id) > high_water) {
      pause(id, state);
    } else if (network_.chance(100)) {
      pause(id, state);
      transport_.set_deadline(id, Duration{network_.below(30)});
    }
  }
  void on_drained(ConnectionId id) override { resume(id); }
  void on_deadline(ConnectionId id) override {
    State& state = state_.at(id.packed());
    if (state.flooding) {
      transport_.output(id).append(std::string(300, 'f'));
      transport_.set_deadline(id, 5ms);
    } else {
      resume(id);
    }
  }
  void on_closed(ConnectionId id, CloseReason) override { state_.erase(id.packed()); }
  bool on_turn() override { return false; }
  bool has_work() const override { return false; }
  void on_shutdown() override {
    for (const auto& [packed, unused] : state_) {
      transport_.close(ConnectionId::unpacked(packed), CloseMode::after_flush);
    }
  }

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
      case Ending::server_floods:
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

class EchoClient : public SimClient {
 public:
  EchoClient(std::uint32_t number, SimNetwork& random)
      : ending(static_cast<Ending>(random.below(ending_count))) {
    const auto size =
        static_cast<std::uint32_t>(sizeof(Hello) + random.below(random.chance(300) ? 20'000 : 500));
    const Hello hello{number, static_cast<std::uint32_t>(ending), size};
    to_send.assign(reinterpret_cast<const char*>(&hello), sizeof hello);
    while (to_send.size() < size) to_send.push_back(static_cast<char>(random.below(256)));
  }

  const Ending ending;
  std::string to_send;
  std::string received;
  bool connected = false;
  bool ended = false;
  bool was_reset = false;

  void on_connected() override {
    connected = true;
    send_piece();
  }
  void on_bytes(std::span<const std::byte> bytes) override {
    received += text_of(bytes);
    if (received.size() < to_send.size()) return;
    if (ending == Ending::client_finishes) finish();
    if (ending == Ending::server_floods) set_reading(false);
  }
  void on_end() override {
    ended = true;
    finish();
  }
  void on_reset() override { was_reset = true; }

 private:
  void send_piece() {
    if (ending == Ending::client_resets && network().chance(200)) return reset();
    if (ending == Ending::client_vanishes && network().chance(200)) return vanish();
    const std::size_t count =
        std::min<std::size_t>(to_send.size() - sent_, 1 + network().below(2000));
    send(std::string_view(to_send).substr(sent_, count));
    sent_ += count;
    if (sent_ < to_send.size()) {
      after(std::chrono::microseconds{network().below(20'000)}, [this] { send_piece(); });
    } else if (ending == Ending::client_resets) {
      after(std::chrono::microseconds{network().below(5'000)}, [this] { reset(); });
    } else if (ending == Ending::client_vanishes) {
      vanish();
    }
  }
  std::size_t sent_ = 0;
};

using EchoShard = SimShard<EchoHandler>;

std::unique_ptr<EchoShard> echo_shard(SimShardOptions options) {
  return std::make_unique<EchoShard>(
      std::move(options), [](engine::Transport& transport, engine::Waker&, SimNetwork& network) {
        return EchoHandler(transport, network);
      });
}

void expect_ending(const EchoClient& client, CloseReason reason) {
  const bool all_came_back = client.received == client.to_send;
  switch (client.ending) {
    case Ending::client_finishes:
      EXPECT_TRUE(all_came_back);
      EXPECT_EQ(reason, CloseReason::peer_closed);
      EXPECT_FALSE(client.was_reset);
      break;
    case Ending::client_resets:
    case Ending::client_vanishes:
      EXPECT_EQ(reason, CloseReason::peer_reset);
      break;
    case Ending::server_closes:
      EXPECT_TRUE(all_came_back);
      EXPECT_TRUE(client.ended);
      EXPECT_FALSE(client.was_reset);
      EXPECT_EQ(reason, CloseReason::by_handler);
      break;
    case Ending::server_aborts:
      EXPECT_TRUE(client.was_reset);
      EXPECT_EQ(reason, CloseReason::aborted);
      break;
    case Ending::server_floods:
      EXPECT_EQ(reason, CloseReason::output_limit);
      break;
  }
}

void run_echo(std::uint64_t seed) {
  SCOPED_TRACE("PARSEC_SIM_SEED=" + std::to_string(seed));
  const auto sim = echo_shard(options_for(seed));
  SimNetwork& network = sim->network();
  std::vector<std::shared_ptr<EchoClient>> clients;
  const std::uint32_t count = 1 + network.below(30);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients.push_back(std::make_shared<EchoClient>(i, network));
    network.connect(clients.back(), std::chrono::microseconds{network.below(200'000)});
  }
  // Refused connections (Limits::connections) end without ever being open.
  const bool over = sim->run_until([&] {
    const auto& counters = sim->counters();
    return counters.closed() + counters.get(engine::Count::accept_refused) == count;
  });
  EXPECT_TRUE(over) << "connections are left over";
  EXPECT_TRUE(sim->stop());
  expect_clean(sim->complaints());

  for (const auto& client : clients) {
    EXPECT_TRUE(client->connected);
    const auto echoed = std::min(client->received.size(), client->to_send.size());
    EXPECT_EQ(client->received.compare(0, echoed, client->to_send, 0, echoed), 0);
    const auto id = sim->handler().connection_of_client.find(
        static_cast<std::uint32_t>(std::ranges::find(clients, client) - clients.begin()));
    if (id == sim->handler().connection_of_client.end()) continue;
    const auto reason = sim->checked().closed().find(id->second.packed());
    ASSERT_NE(reason, sim->checked().closed().end());
    expect_ending(*client, reason->second);
  }
}

TEST(ShardSimulation, EchoesByteExactlyAndEndsEveryConnectionOnce) {
  for (const std::uint64_t seed : seeds(400)) {
    run_echo(seed);
    if (HasFailure()) return;
  }
}

TEST(ShardSimulation, TheSameSeedGivesTheSameRun) {
  std::vector<std::uint64_t> results[2];
  for (auto& result : results) {
    const auto sim = echo_shard(options_for(17));
    for (std::uint32_t i = 0; i < 10; ++i) {
      sim->network().connect(std::make_shared<EchoClient>(i, sim->network()), 1ms);
    }
    sim->run_until([&] { return sim->counters().closed() >= 5; });
    sim->counters().for_each([&](auto, std::uint64_t value) { result.push_back(value); });
    result.push_back(static_cast<std::uint64_t>(sim->network().now().time_since_epoch().count()));
  }
  EXPECT_EQ(results[0], results[1]);
}

// --- Canaries: the harness must be able to fail ---

TEST(ShardSimulation, CanaryALostCompletionIsNoticed) {
  using engine::Operation;
  for (const Operation lost : {Operation::send, Operation::receive, Operation::close}) {
    SimShardOptions options = options_for(3);
    options.limits.connections = 20;
    const auto sim = echo_shard(options);
    sim->ring().lose_next(lost);
    for (std::uint32_t i = 0; i < 5; ++i) {
      sim->network().connect(std::make_shared<EchoClient>(i, sim->network()));
    }
    sim->run_until([&] { return sim->counters().closed() == 5; }, 200s);
    EXPECT_LT(sim->counters().closed(), 5u);
    const bool stopped = sim->stop();
    sim->ring().check_stopped();
    EXPECT_FALSE(stopped) << "stopped in spite of an operation in flight";
    EXPECT_FALSE(sim->complaints().empty());
    EXPECT_EQ(sim->checked().open_count(), 1u) << "the connection whose completion was lost";
  }
}

/// A handler that writes over bytes in flight, by way of a pointer it kept against the rules.
class CorruptingHandler : public EchoHandler {
 public:
  using EchoHandler::EchoHandler;
  CorruptingHandler(engine::Transport& transport, SimNetwork& network)
      : EchoHandler(transport, network), transport_(transport) {}
  void on_data(ConnectionId id, std::span<std::byte>) override {
    engine::OutputBuffer& output = transport_.output(id);
    if (kept_ == nullptr) {
      output.append(std::string(400, 'a'));
      kept_ = output.data() + 399;
    } else {
      *kept_ = std::byte{'b'};
    }
  }

 private:
  engine::Transport& transport_;
  std::byte* kept_ = nullptr;
};

TEST(ShardSimulation, CanaryBytesChangedInFlightAreNoticed) {
  SimShardOptions options;
  options.network.socket_buffer = 64;
  options.ring.submission_full = 0;
  SimShard<CorruptingHandler> sim(
      options, [](engine::Transport& transport, engine::Waker&, SimNetwork& network) {
        return CorruptingHandler(transport, network);
      });
  class Client : public SimClient {
   public:
    void on_connected() override {
      set_reading(false);
      send("x");
      after(50ms, [this] { send("y"); });
      after(100ms, [this] { set_reading(true); });
    }
    void on_bytes(std::span<const std::byte>) override {}
  };
  sim.network().connect(std::make_shared<Client>());
  sim.run_until([&] { return sim.counters().get(engine::Count::sent_bytes) == 400; });
  EXPECT_FALSE(sim.ring().violations().empty());
}

// --- Pipelining: replies come from elsewhere, later, out of order, and must leave in order ---

struct Reply {
  std::uint64_t connection;
  std::uint32_t request;
};

/// Requests are [length][bytes]; the reply is the same bytes backwards. A pretended database
/// answers after random delays through a ring of its own and wakes the shard, as workers do.
class PipeliningHandler : public engine::Handler {
 public:
  PipeliningHandler(engine::Transport& transport, engine::Waker& waker, SimNetwork& network)
      : transport_(transport), waker_(waker), network_(network) {}

  void on_open(ConnectionId id, std::string_view) override { sessions_[id.packed()] = {}; }
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    Session& session = sessions_.at(id.packed());
    session.unread += text_of(bytes);
    take_requests(id, session);
  }
  void on_drained(ConnectionId) override {}
  void on_deadline(ConnectionId) override {}
  void on_closed(ConnectionId id, CloseReason) override { sessions_.erase(id.packed()); }
  bool on_turn() override {
    Reply reply{};
    for (int taken = 0; taken < 3; ++taken) {
      if (!replies_->try_pop(reply)) return false;
      const auto session = sessions_.find(reply.connection);
      if (session == sessions_.end()) continue;
      answer(ConnectionId::unpacked(reply.connection), session->second, reply.request);
    }
    return !replies_->empty();
  }
  bool has_work() const override { return !replies_->empty(); }
  void on_shutdown() override {
    for (const auto& [packed, unused] : sessions_) {
      transport_.close(ConnectionId::unpacked(packed), CloseMode::after_flush);
    }
  }

 private:
  static constexpr std::size_t most_in_flight = 4;
  struct Session {
    std::string unread;
    std::uint32_t first = 0;  // number of waiting.front()
    std::deque<std::pair<std::string, bool>> waiting;
  };

  void take_requests(ConnectionId id, Session& session) {
    while (session.waiting.size() < most_in_flight && !session.unread.empty()) {
      const auto size = static_cast<unsigned char>(session.unread.front());
      if (session.unread.size() < size + 1u) break;
      const auto number = session.first + static_cast<std::uint32_t>(session.waiting.size());
      session.waiting.emplace_back(session.unread.substr(1, size), false);
      session.unread.erase(0, size + 1u);
      network_.schedule(std::chrono::microseconds{network_.below(5000)}, [this, id, number] {
        database_answers({id.packed(), number});
      });
    }
    if (session.waiting.size() == most_in_flight) {
      transport_.pause_reading(id);
    } else {
      transport_.resume_reading(id);
    }
  }
  void database_answers(Reply reply) {
    if (!replies_->try_push(reply)) {
      return network_.schedule(100us, [this, reply] { database_answers(reply); });
    }
    waker_.notify();
  }
  void answer(ConnectionId id, Session& session, std::uint32_t request) {
    session.waiting.at(request - session.first).second = true;
    while (!session.waiting.empty() && session.waiting.front().second) {
      std::string& bytes = session.waiting.front().first;
      std::ranges::reverse(bytes);
      auto& output = transport_.output(id);
      output.push(static_cast<std::uint8_t>(bytes.size()));
      output.append(bytes);
      session.waiting.pop_front();
      ++session.first;
    }
    take_requests(id, session);
  }

  engine::Transport& transport_;
  engine::Waker& waker_;
  SimNetwork& network_;
  std::unique_ptr<engine::SpscRing<Reply>> replies_ = std::make_unique<engine::SpscRing<Reply>>(8);
  std::map<std::uint64_t, Session> sessions_;
};

class PipeliningClient : public SimClient {
 public:
  explicit PipeliningClient(SimNetwork& random) {
    const std::uint32_t requests = 1 + random.below(40);
    for (std::uint32_t i = 0; i < requests; ++i) {
      std::string bytes;
      const std::uint32_t size = random.below(256);
      while (bytes.size() < size) bytes.push_back(static_cast<char>(random.below(256)));
      to_send += static_cast<char>(size) + bytes;
      std::ranges::reverse(bytes);
      expected += static_cast<char>(size) + bytes;
    }
  }
  std::string to_send;
  std::string expected;
  std::string received;

  void on_connected() override { send(to_send); }
  void on_bytes(std::span<const std::byte> bytes) override {
    received += text_of(bytes);
    if (received.size() >= expected.size()) finish();
  }
};

void run_pipelining(std::uint64_t seed) {
  SCOPED_TRACE("PARSEC_SIM_SEED=" + std::to_string(seed));
  SimShardOptions options = options_for(seed);
  options.limits.connections = 100;
  options.limits.output_limit = 1 << 20;
  SimShard<PipeliningHandler> sim(
      options, [](engine::Transport& transport, engine::Waker& waker, SimNetwork& network) {
        return PipeliningHandler(transport, waker, network);
      });
  SimNetwork& network = sim.network();
  std::vector<std::shared_ptr<PipeliningClient>> clients;
  const std::uint32_t count = 1 + network.below(8);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients.push_back(std::make_shared<PipeliningClient>(network));
    network.connect(clients.back(), std::chrono::microseconds{network.below(20'000)});
  }
  EXPECT_TRUE(sim.run_until([&] { return sim.counters().closed() == count; }));
  EXPECT_TRUE(sim.stop());
  expect_clean(sim.complaints());
  for (const auto& client : clients) EXPECT_EQ(client->received, client->expected);
}

TEST(ShardSimulation, PipelinesRepliesFromAnotherThreadInOrder) {
  for (const std::uint64_t seed : seeds(300)) {
    run_pipelining(seed);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace parsec::testing
