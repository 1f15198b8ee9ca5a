// What a shard promises, one promise per test, over a calm simulated network (shard_sim_test.cpp
// has the hostile one).
#include "engine/shard/shard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sim_shard.h"
#include "tests/support/text.h"

namespace parsec::testing {
namespace {

using engine::CloseMode;
using engine::CloseReason;
using engine::ConnectionId;
using engine::Count;
using engine::Duration;
using namespace std::chrono_literals;

/// Notes what it is told, and does what the test hooks in.
class ScriptedHandler : public engine::Handler {
 public:
  explicit ScriptedHandler(engine::Transport& transport_in) : transport(transport_in) {}

  engine::Transport& transport;
  ConnectionId last;  // the connection opened last
  int opened = 0;
  std::string received;
  int drained = 0;
  std::vector<engine::TimePoint> deadlines;
  std::vector<CloseReason> closed;
  engine::TimePoint closed_at;
  int shutdowns = 0;
  bool work = false;

  std::function<void(ConnectionId)> open_hook;
  std::function<void(ConnectionId, std::string)> data_hook;
  std::function<void(ConnectionId)> deadline_hook;
  std::function<void()> shutdown_hook;
  std::function<void()> turn_hook;
  /// They refer to what the test's body holds, and the shard is stopped after it.
  void forget_hooks() {
    open_hook = deadline_hook = nullptr;
    data_hook = nullptr;
    shutdown_hook = turn_hook = nullptr;
  }

  void on_open(ConnectionId id, std::string_view peer_address) override {
    EXPECT_EQ(peer_address, "192.0.2.1");
    last = id;
    ++opened;
    if (open_hook) open_hook(id);
  }
  void on_data(ConnectionId id, std::span<std::byte> bytes) override {
    received += text_of(bytes);
    if (data_hook) data_hook(id, text_of(bytes));
  }
  void on_drained(ConnectionId id) override {
    EXPECT_EQ(transport.pending_output(id), 0u);
    ++drained;
  }
  void on_deadline(ConnectionId id) override {
    deadlines.push_back(transport.now());
    if (deadline_hook) deadline_hook(id);
  }
  void on_closed(ConnectionId, CloseReason reason) override {
    closed.push_back(reason);
    closed_at = transport.now();
  }
  bool on_turn() override {
    if (turn_hook) turn_hook();
    return false;
  }
  bool has_work() const override { return work; }
  void on_shutdown() override {
    ++shutdowns;
    if (shutdown_hook) shutdown_hook();
  }
};

class ScriptedClient : public SimClient {
 public:
  std::string received;
  bool ended = false;
  bool was_reset = false;
  bool finish_on_end = true;
  std::function<void(ScriptedClient&)> connected_hook;

  void on_connected() override {
    if (connected_hook) connected_hook(*this);
  }
  void on_bytes(std::span<const std::byte> bytes) override { received += text_of(bytes); }
  void on_end() override {
    ended = true;
    if (finish_on_end) finish();
  }
  void on_reset() override { was_reset = true; }
};

/// Every test runs with multishot and with single-shot operations.
class ShardTest : public ::testing::TestWithParam<bool> {
 protected:
  ShardTest() {
    options.ring = {.multishot = GetParam(),
                    .receive_buffers = 8,
                    .receive_buffer_size = 512,
                    .short_send = 0,
                    .short_receive = 0,
                    .no_buffer = 0,
                    .multishot_ends = 0,
                    .late_completion = 0,
                    .accept_fails = 0,
                    .submission_full = 0};
  }
  ~ShardTest() override {
    if (!sim) return;
    handler().forget_hooks();
    EXPECT_TRUE(sim->stop());
    for (const std::string& complaint : sim->complaints()) ADD_FAILURE() << complaint;
  }

  void start() {
    sim = std::make_unique<SimShard<ScriptedHandler>>(
        options, [](engine::Transport& transport, engine::Waker&, SimNetwork&) {
          return ScriptedHandler(transport);
        });
  }
  std::shared_ptr<ScriptedClient> connect(
      std::function<void(ScriptedClient&)> connected_hook = nullptr) {
    auto client = std::make_shared<ScriptedClient>();
    client->connected_hook = std::move(connected_hook);
    sim->network().connect(client);
    return client;
  }
  ScriptedHandler& handler() { return sim->handler(); }
  engine::Transport& transport() { return sim->shard(); }
  bool run_until(const std::function<bool()>& done) { return sim->run_until(done, 200s); }
  bool run_for(std::chrono::milliseconds time) {
    bool over = false;
    sim->network().schedule(time, [this, &over] {
      over = true;
      sim->control().waker.notify();
    });
    return run_until([&over] { return over; });
  }
  bool run_until_closed(std::size_t count = 1) {
    return run_until([&] { return handler().closed.size() == count; });
  }

  SimShardOptions options;
  std::unique_ptr<SimShard<ScriptedHandler>> sim;
};

INSTANTIATE_TEST_SUITE_P(, ShardTest, ::testing::Values(true, false),
                         [](const auto& tier) { return tier.param ? "multishot" : "single_shot"; });

// --- Sending ---

TEST_P(ShardTest, WhatATurnAppendsLeavesInOneSend) {
  start();
  handler().open_hook = [&](ConnectionId id) {
    for (int i = 0; i < 10; ++i) transport().output(id).append("ten bytes!");
  };
  const auto client = connect();
  EXPECT_TRUE(run_until([&] { return client->received.size() == 100; }));
  EXPECT_EQ(sim->counters().get(Count::sends), 1u);
}

TEST_P(ShardTest, AppendedMeanwhileIsSentNextAndInOrder) {
  options.network.socket_buffer = 100;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(250, 'a'));
    transport().set_deadline(id, 1ms);
  };
  handler().deadline_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(250, 'b'));
  };
  const auto client = connect();
  EXPECT_TRUE(run_until([&] { return client->received.size() == 500; }));
  EXPECT_EQ(client->received, std::string(250, 'a') + std::string(250, 'b'));
  EXPECT_EQ(transport().pending_output(handler().last), 0u);
}

TEST_P(ShardTest, WhatWasSentIsHeldUntilAllIs) {
  options.network.socket_buffer = 1000;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(50'000, 'x'));
  };
  const auto client = connect([](ScriptedClient& self) { self.set_reading(false); });
  ASSERT_TRUE(run_for(100ms));
  EXPECT_LT(transport().pending_output(handler().last), 50'000U);
  EXPECT_EQ(transport().held_output(handler().last), 50'000U);
  client->set_reading(true);
  ASSERT_TRUE(sim->run_until([&] { return client->received.size() == 50'000; }));
  ASSERT_TRUE(run_for(10ms));
  EXPECT_EQ(transport().held_output(handler().last), 0U);
}

TEST_P(ShardTest, TellsOnceThatOutputDrained) {
  options.network.socket_buffer = 1000;
  options.limits.output_high_water = 4000;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(3000, 'x'));
  };
  const auto client = connect();
  EXPECT_TRUE(run_until([&] { return client->received.size() == 3000; }));
  EXPECT_EQ(handler().drained, 0) << "never was above the mark";
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append(std::string(5000, 'y'));
  };
  client->send("m");
  EXPECT_TRUE(run_until([&] { return client->received.size() == 8000; }));
  EXPECT_TRUE(run_for(10ms));
  EXPECT_EQ(handler().drained, 1);
}

TEST_P(ShardTest, TellsOnRequestThatLittleOutputDrained) {
  options.network.socket_buffer = 1000;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(3000, 'x'));
    transport().call_when_drained(id);
  };
  const auto client = connect();
  EXPECT_TRUE(run_until([&] { return handler().drained == 1; }));
  EXPECT_EQ(transport().pending_output(handler().last), 0U);
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append(std::string(3000, 'y'));
  };
  client->send("m");
  EXPECT_TRUE(run_until([&] { return client->received.size() == 6000; }));
  EXPECT_TRUE(run_for(10ms));
  EXPECT_EQ(handler().drained, 1) << "once for each request";
}

TEST_P(ShardTest, EndsAPeerThatDoesNotRead) {
  options.network.socket_buffer = 1000;
  options.limits.output_high_water = 2000;
  options.limits.output_limit = 5000;
  start();
  handler().open_hook = [&](ConnectionId id) {
    // One reply may be of any size...
    transport().output(id).append(std::string(50'000, 'x'));
    transport().set_deadline(id, 20ms);
  };
  handler().deadline_hook = [&](ConnectionId id) {
    // ...but what piles up behind it may not.
    transport().output(id).append(std::string(500, 'y'));
    transport().set_deadline(id, 20ms);
  };
  const auto client = connect([](ScriptedClient& self) { self.set_reading(false); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::output_limit);
  EXPECT_EQ(handler().deadlines.size(), 16u)
      << "2500 bytes exceed the high water, 5500 more the limit";
  EXPECT_TRUE(run_for(10ms));
  EXPECT_TRUE(client->was_reset);
}

TEST_P(ShardTest, AReplyOfAnySizeMayWaitBehindAnother) {
  options.network.socket_buffer = 1000;
  options.limits.output_high_water = 2000;
  options.limits.output_limit = 5000;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(1500, 'x'));
    transport().set_deadline(id, 20ms);
  };
  handler().deadline_hook = [&](ConnectionId id) {
    EXPECT_GT(transport().pending_output(id), 0u) << "the first is still being sent";
    transport().output(id).append(std::string(50'000, 'y'));
  };
  const auto client = connect([](ScriptedClient& self) { self.set_reading(false); });
  ASSERT_TRUE(run_for(100ms));
  EXPECT_TRUE(handler().closed.empty());
  client->set_reading(true);
  ASSERT_TRUE(sim->run_until([&] { return client->received.size() == 51'500; }));
}

// --- Lost completions ---

TEST_P(ShardTest, AfterLostCompletionsConnectionsEndAndItServesOn) {
  options.network.socket_buffer = 1000;
  start();
  handler().data_hook = [&](ConnectionId id, std::string bytes) {
    if (bytes == "pause") {
      transport().pause_reading(id);
    } else if (bytes == "much") {
      transport().output(id).append(std::string(50'000, 'y'));
    } else if (bytes == "bye") {
      transport().close(id, CloseMode::after_flush);
    } else {
      transport().output(id).append(bytes);
    }
  };
  std::vector<std::shared_ptr<ScriptedClient>> clients;
  for (const char* message : {"echo", "pause", "much", "bye"}) {
    clients.push_back(connect([message](ScriptedClient& self) {
      self.set_reading(std::string_view{message} != "much");
      self.finish_on_end = false;
      self.send(message);
    }));
  }
  ASSERT_TRUE(run_until([&] { return handler().received.size() == 16 && clients[3]->ended; }));
  clients[1]->send("more, which is kept");
  ASSERT_TRUE(run_for(1ms));

  sim->ring().lose_next(engine::Operation::receive);
  clients[0]->finish();
  ASSERT_TRUE(run_for(1ms));
  EXPECT_TRUE(handler().closed.empty()) << "its end was lost";
  handler().received.clear();
  sim->ring().admit_losses();
  sim->control().waker.notify();
  ASSERT_TRUE(run_until_closed(4));
  EXPECT_EQ(std::ranges::count(handler().closed, CloseReason::internal_error), 3);
  EXPECT_EQ(std::ranges::count(handler().closed, CloseReason::by_handler), 1);
  EXPECT_EQ(sim->shard().connection_count(), 0u);

  const auto later = connect([](ScriptedClient& self) { self.send("still there?"); });
  EXPECT_TRUE(run_until([&] { return later->received == "still there?"; }));
  for (const auto& client : clients) EXPECT_TRUE(client->was_reset);
}

// --- Closing ---

TEST_P(ShardTest, ClosingAfterFlushDeliversEverythingAndWaitsForThePeer) {
  options.network.socket_buffer = 700;
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append(std::string(10'000, 'x'));
    transport().close(id, CloseMode::after_flush);
    transport().output(id).append("not this");
    transport().set_deadline(id, 1ms);
    transport().close(id, CloseMode::after_flush);
  };
  const auto client = connect([](ScriptedClient& self) { self.send("go"); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::by_handler);
  EXPECT_EQ(client->received, std::string(10'000, 'x'));
  EXPECT_TRUE(client->ended);
  EXPECT_FALSE(client->was_reset);
  EXPECT_TRUE(handler().deadlines.empty());
}

TEST_P(ShardTest, APeerThatGoesOnSendingWhileWeCloseStillGetsTheReply) {
  // As with a refused upload: closing at once would answer its bytes with a reset (RFC 9112, 9.6).
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append("413");
    transport().close(id, CloseMode::after_flush);
  };
  const auto client = connect([](ScriptedClient& self) { self.send(std::string(50'000, 'u')); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(client->received, "413");
  EXPECT_TRUE(client->ended);
  EXPECT_FALSE(client->was_reset);
  EXPECT_LE(handler().received.size(), 512u);
  EXPECT_GT(sim->counters().get(Count::discarded_bytes), 40'000u);
}

TEST_P(ShardTest, LingersForAPeerThatDoesNotEndButNotForLong) {
  start();
  engine::TimePoint asked;
  handler().data_hook = [&](ConnectionId id, std::string) {
    asked = transport().now();
    transport().close(id, CloseMode::after_flush);
  };
  const auto client = connect([](ScriptedClient& self) {
    self.finish_on_end = false;
    self.send("x");
  });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::by_handler);
  EXPECT_TRUE(client->ended);
  EXPECT_GE(handler().closed_at - asked, options.limits.linger);
  EXPECT_LE(handler().closed_at - asked, options.limits.linger + 100ms);
}

TEST_P(ShardTest, LingersForSoManyBytesOnly) {
  options.limits.linger_bytes = 5000;
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().close(id, CloseMode::after_flush);
  };
  const auto client = connect([](ScriptedClient& self) {
    self.finish_on_end = false;
    self.send(std::string(100'000, 'u'));
  });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::by_handler);
  EXPECT_LT(sim->counters().get(Count::received_bytes), 10'000u);
}

TEST_P(ShardTest, FlushingGivesUpAPeerThatTakesNothing) {
  options.network.socket_buffer = 100;
  start();
  engine::TimePoint asked;
  handler().open_hook = [&](ConnectionId id) {
    asked = transport().now();
    transport().output(id).append(std::string(1000, 'x'));
    transport().close(id, CloseMode::after_flush);
  };
  const auto client = connect([](ScriptedClient& self) { self.set_reading(false); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::output_limit);
  EXPECT_GE(handler().closed_at - asked, options.limits.flush_stall);
  EXPECT_LE(handler().closed_at - asked, options.limits.flush_stall + 200ms);
}

TEST_P(ShardTest, AbortingResetsAndTellsInALaterTurn) {
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append("lost");
    transport().close(id, CloseMode::abort);
    EXPECT_TRUE(handler().closed.empty());
  };
  const auto client = connect([](ScriptedClient& self) { self.send("x"); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::aborted);
  EXPECT_TRUE(run_for(10ms));
  EXPECT_TRUE(client->was_reset);
  EXPECT_EQ(client->received, "");
}

TEST_P(ShardTest, IsNoLongerOpenFromThePeersEndOn) {
  start();
  bool was_open = false, is_open = true;
  handler().open_hook = [&](ConnectionId id) { was_open = transport().is_open(id); };
  handler().turn_hook = [&] {
    if (handler().opened == 1 && handler().closed.empty()) {
      is_open = transport().is_open(handler().last);
    }
  };
  connect([](ScriptedClient& self) { self.finish(); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_TRUE(was_open);
  EXPECT_FALSE(is_open) << "in the last turn before on_closed";
  EXPECT_FALSE(transport().is_open(handler().last));
}

TEST_P(ShardTest, AbortCutsAPoliteClosingShort) {
  options.network.socket_buffer = 100;
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().output(id).append(std::string(1000, 'x'));
    transport().close(id, CloseMode::after_flush);
    transport().close(id, CloseMode::abort);
  };
  connect([](ScriptedClient& self) { self.set_reading(false); });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::aborted);
}

TEST_P(ShardTest, ThePeersEndStillGetsWhatWasAppended) {
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().output(id).append(std::string(20'000, 'x'));
  };
  const auto client = connect([](ScriptedClient& self) {
    self.send("?");
    self.finish();
  });
  ASSERT_TRUE(run_until_closed());
  EXPECT_EQ(handler().closed[0], CloseReason::peer_closed);
  EXPECT_TRUE(run_until([&] { return client->received.size() == 20'000; }));
}

TEST_P(ShardTest, CallsForAConnectionThatEndedDoNothing) {
  start();
  const auto first = connect([](ScriptedClient& self) { self.finish(); });
  ASSERT_TRUE(run_until_closed());
  const ConnectionId gone = handler().last;
  const auto second = connect();
  ASSERT_TRUE(run_until([&] { return handler().opened == 2; }));
  EXPECT_EQ(handler().last.slot, gone.slot) << "slots are reused";
  EXPECT_NE(handler().last, gone) << "identifiers are not";
  for (const ConnectionId id : {gone, ConnectionId{}, ConnectionId{4'000'000, 1}}) {
    transport().output(id).append("to nobody");
    transport().set_deadline(id, 1ms);
    transport().clear_deadline(id);
    transport().pause_reading(id);
    transport().resume_reading(id);
    transport().close(id, CloseMode::abort);
    EXPECT_EQ(transport().pending_output(id), 0u);
    EXPECT_TRUE(transport().output(id).empty());
  }
  EXPECT_TRUE(run_for(100ms));
  EXPECT_EQ(second->received, "");
  EXPECT_FALSE(second->was_reset);
  EXPECT_TRUE(handler().deadlines.empty());
}

// --- Pausing ---

TEST_P(ShardTest, PausedDataIsKeptAndDeliveredInOrder) {
  start();
  handler().open_hook = [&](ConnectionId id) {
    transport().pause_reading(id);
    transport().pause_reading(id);
    transport().set_deadline(id, 500ms);
  };
  handler().deadline_hook = [&](ConnectionId id) {
    EXPECT_EQ(handler().received, "");
    transport().resume_reading(id);
    transport().resume_reading(id);
    EXPECT_EQ(handler().received, "") << "no callback from a Transport function";
  };
  std::string sent;
  for (int i = 0; i < 20'000; ++i) sent.push_back(static_cast<char>(i * 31));
  const auto client = connect([&](ScriptedClient& self) { self.send(sent); });
  EXPECT_TRUE(run_until([&] { return handler().received.size() == sent.size(); }));
  EXPECT_EQ(handler().received, sent);
  // TCP held the client back: what was kept is what had been delivered by then.
  EXPECT_LT(sim->counters().get(Count::kept_bytes), 10'000u);
}

TEST_P(ShardTest, ResumingAndPausingAgainLosesNothing) {
  start();
  handler().data_hook = [&](ConnectionId id, std::string) {
    transport().pause_reading(id);
    transport().resume_reading(id);
    transport().pause_reading(id);
    transport().set_deadline(id, 1ms);
  };
  handler().deadline_hook = [&](ConnectionId id) { transport().resume_reading(id); };
  const std::string sent(5000, 's');
  connect([&](ScriptedClient& self) { self.send(sent); });
  EXPECT_TRUE(run_until([&] { return handler().received.size() == sent.size(); }));
}

TEST_P(ShardTest, ThePeersEndIsNoticedWhilePaused) {
  struct Case {
    const char* what;
    std::function<void(ScriptedClient&)> action;
    CloseReason reason;
  };
  const Case cases[] = {
      {"end", [](ScriptedClient& self) { self.finish(); }, CloseReason::peer_closed},
      {"bytes, then end",
       [](ScriptedClient& self) {
         self.send("unread");
         self.finish();
       },
       CloseReason::peer_closed},
      {"reset", [](ScriptedClient& self) { self.reset(); }, CloseReason::peer_reset},
      {"bytes, then reset",
       [](ScriptedClient& self) {
         self.send("unread");
         self.after(20ms, [&self] { self.reset(); });
       },
       CloseReason::peer_reset},
      {"vanished", [](ScriptedClient& self) { self.vanish(); }, CloseReason::peer_reset},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    start();
    handler().open_hook = [&](ConnectionId id) { transport().pause_reading(id); };
    connect([&](ScriptedClient& self) { self.after(20ms, [&] { c.action(self); }); });
    ASSERT_TRUE(run_until_closed());
    EXPECT_EQ(handler().closed[0], c.reason);
    EXPECT_EQ(handler().received, "");
    EXPECT_TRUE(sim->stop());
    for (const std::string& complaint : sim->complaints()) ADD_FAILURE() << complaint;
  }
  sim.reset();
}

TEST_P(ShardTest, WhatKeptDataCausedIsHandedOnBeforeTheShardSleeps) {
  start();
  bool queued = false;  // as a request for another thread, which on_turn wakes
  bool handed_on = false;
  bool paused = false;
  handler().open_hook = [&](ConnectionId id) { transport().set_deadline(id, 50ms); };
  handler().deadline_hook = [&](ConnectionId id) {
    if (paused) return transport().resume_reading(id);
    paused = true;
    transport().pause_reading(id);  // while a receive is armed
    transport().set_deadline(id, 100ms);
  };
  handler().data_hook = [&](ConnectionId, std::string) { queued = true; };
  handler().turn_hook = [&] { handed_on = handed_on || queued; };
  const auto client = connect();
  EXPECT_TRUE(run_until([&] { return paused; }));
  client->send("request");
  EXPECT_TRUE(run_until([&] { return queued; }));
  const auto sleeps = sim->counters().get(Count::sleeps);
  EXPECT_TRUE(run_until([&] { return handed_on; }));
  EXPECT_EQ(sim->counters().get(Count::sleeps), sleeps);
}

// --- Deadlines ---

TEST_P(ShardTest, ADeadlineFiresOnceAndNeverEarly) {
  start();
  engine::TimePoint set_at;
  handler().open_hook = [&](ConnectionId id) {
    transport().set_deadline(id, 10ms);
    transport().set_deadline(id, 300ms);
    set_at = transport().now();
  };
  connect();
  EXPECT_TRUE(run_for(1000ms));
  ASSERT_EQ(handler().deadlines.size(), 1u);
  EXPECT_GE(handler().deadlines[0] - set_at, 300ms);
  EXPECT_LE(handler().deadlines[0] - set_at, 340ms);
  transport().set_deadline(handler().last, 50ms);
  transport().clear_deadline(handler().last);
  EXPECT_TRUE(run_for(200ms));
  EXPECT_EQ(handler().deadlines.size(), 1u);
}

// --- Accepting ---

TEST_P(ShardTest, RefusesConnectionsBeyondTheLimit) {
  options.limits.connections = 2;
  start();
  const auto first = connect();
  const auto second = connect();
  ASSERT_TRUE(run_until([&] { return handler().opened == 2; }));
  const auto third = connect();
  EXPECT_TRUE(run_until([&] { return third->ended || third->was_reset; }));
  EXPECT_EQ(sim->counters().get(Count::accept_refused), 1u);
  first->finish();
  ASSERT_TRUE(run_until_closed());
  connect();
  EXPECT_TRUE(run_until([&] { return handler().opened == 3; }));
}

TEST_P(ShardTest, RestsWithoutSpinningWhileThereAreNoDescriptors) {
  options.ring.accept_fails = 1000;
  start();
  connect();
  connect();
  EXPECT_TRUE(run_for(10s));
  EXPECT_EQ(handler().opened, 0);
  // Half of the failures concern one connection only and are tried again at once.
  EXPECT_GT(sim->counters().get(Count::accept_pauses), 50u);
  EXPECT_LT(sim->counters().get(Count::accept_pauses), 110u);
  EXPECT_LT(sim->counters().get(Count::turns), 1000u);
}

// --- Receive buffers ---

TEST_P(ShardTest, ReceivesThatFindNoBufferAreArmedAgain) {
  options.ring.receive_buffers = 2;
  options.ring.receive_buffer_size = 64;
  start();
  constexpr std::size_t clients = 50;
  std::vector<std::shared_ptr<ScriptedClient>> all;
  for (std::size_t i = 0; i < clients; ++i) {
    all.push_back(connect([](ScriptedClient& self) { self.send(std::string(1000, 'x')); }));
  }
  EXPECT_TRUE(run_until([&] { return handler().received.size() == 1000 * clients; }));
  EXPECT_GT(sim->counters().get(Count::receive_starved), 0u);
}

TEST_P(ShardTest, AReceiveThatStarvedWithoutAnythingToReceiveIsArmedAgainToo) {
  // A buffer is asked for when a receive is armed: idle connections starve as well, and arming
  // one of them again brings no completion that would let the next one follow.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    options.network.seed = seed;
    options.ring.receive_buffers = 1;
    start();
    constexpr std::size_t clients = 20;
    std::vector<std::shared_ptr<ScriptedClient>> all;
    for (std::size_t i = 0; i < clients; ++i) {
      all.push_back(connect([](ScriptedClient& self) {
        self.send("a");
        self.after(100ms, [&self] { self.send("b"); });
      }));
    }
    ASSERT_TRUE(run_until([&] { return handler().received.size() == 2 * clients; }));
    EXPECT_TRUE(sim->stop());
  }
}

// --- Sleeping ---

TEST_P(ShardTest, AnIdleShardSleeps) {
  start();
  connect();
  ASSERT_TRUE(run_until([&] { return handler().opened == 1; }));
  EXPECT_TRUE(run_for(10ms));
  const auto before = sim->counters().get(Count::turns);
  EXPECT_TRUE(run_for(100s));
  EXPECT_LE(sim->counters().get(Count::turns) - before, 3u);
}

TEST_P(ShardTest, DoesNotSleepOnWorkFromOtherThreads) {
  start();
  EXPECT_TRUE(run_for(10ms));
  handler().work = true;
  const auto before = sim->counters().get(Count::turns);
  EXPECT_TRUE(run_for(1ms));
  EXPECT_GT(sim->counters().get(Count::turns) - before, 10u);
  handler().work = false;
}

TEST_P(ShardTest, AWakeUpEndsTheSleep) {
  start();
  ASSERT_TRUE(run_for(10ms));
  sim->network().schedule(5s, [&] { sim->control().waker.notify(); });
  const auto before = sim->counters().get(Count::wake_ups);
  EXPECT_TRUE(run_until([&] { return sim->counters().get(Count::wake_ups) == before + 1; }));
}

// --- Stopping ---

TEST_P(ShardTest, StopsPolitelyWithinTheGracePeriod) {
  start();
  handler().shutdown_hook = [&] {
    transport().output(handler().last).append("bye");
    transport().close(handler().last, CloseMode::after_flush);
  };
  const auto client = connect();
  ASSERT_TRUE(run_until([&] { return handler().opened == 1; }));
  const auto before = sim->network().now();
  ASSERT_TRUE(sim->stop());
  EXPECT_EQ(client->received, "bye");
  EXPECT_EQ(handler().closed, std::vector{CloseReason::by_handler});
  EXPECT_LT(handler().closed_at - before, 1s);
  EXPECT_EQ(handler().shutdowns, 1);
}

TEST_P(ShardTest, ClosesWhatIsLeftAfterTheGracePeriod) {
  start();
  const auto client = connect();
  ASSERT_TRUE(run_until([&] { return handler().opened == 1; }));
  const auto before = sim->network().now();
  sim->control().request_stop();
  std::shared_ptr<ScriptedClient> late;
  sim->network().schedule(1s, [&] { late = connect(); });
  ASSERT_TRUE(sim->stop());
  EXPECT_EQ(handler().closed, std::vector{CloseReason::shutdown});
  EXPECT_GE(handler().closed_at - before, options.limits.shutdown_grace);
  EXPECT_LE(handler().closed_at - before, options.limits.shutdown_grace + 500ms);
  EXPECT_EQ(handler().opened, 1) << "no on_open after on_shutdown";
  EXPECT_TRUE(late->was_reset);
}

TEST_P(ShardTest, StopsBeforeItEverAccepted) {
  start();
  EXPECT_TRUE(sim->stop());
  EXPECT_EQ(handler().shutdowns, 1);
}

}  // namespace
}  // namespace parsec::testing
