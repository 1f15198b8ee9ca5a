// Real sessions on the real shard loop, over a simulated kernel, network and database, many runs,
// each from a seed. A failure prints its seed; PARSEC_SIM_SEED=<n> runs that one alone.
//
// Clients pipeline commands in random pieces, read slowly, reset and vanish; the database answers
// late, out of order, is full, and sometimes fails; events come in between. What every client gets
// must be a prefix of what it asked for, in order, and all of it unless something ended it.
#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/session/service.h"
#include "tests/support/scripted_database.h"
#include "tests/support/service_fixture.h"
#include "tests/support/sim_shard.h"

namespace parsec::testing {
namespace {

using namespace std::chrono_literals;
using websocket::Opcode;

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* chosen = std::getenv("PARSEC_SIM_SEED")) {
    return {std::strtoull(chosen, nullptr, 0)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
  return all;
}

std::string device_id(std::uint64_t number) { return "user" + std::to_string(number) + "@dev"; }

std::int64_t integer_parameter(const db::Request& request, std::size_t index) {
  const auto& parameter = request.parameters()[index];
  std::int64_t value = 0;
  for (std::int32_t i = 0; i < parameter.length; ++i) {
    value = value << 8 | static_cast<unsigned char>(request.parameter_data(parameter)[i]);
  }
  return value;
}

/// Answers each function after a random time; knows only what the commands of this test need.
class SimDatabase final : public db::Gateway {
 public:
  SimDatabase(SimNetwork& network, engine::Waker& waker, protocol::EventInbox& inbox)
      : network_(network), waker_(waker), inbox_(inbox) {}
  ~SimDatabase() override {
    for (auto* request : replies_) delete request;
  }

  db::Request* acquire() override {
    ++held;
    return new db::Request;
  }
  void release(db::Request* request) override {
    --held;
    delete request;
  }
  bool submit(db::Request* request) override {
    if (network_.chance(50)) {  // the ring is full; whoever empties it wakes the shard
      network_.schedule(1ms, [this] { waker_.notify(); });
      return false;
    }
    network_.schedule(std::chrono::microseconds{network_.below(20'000)}, [this, request] {
      execute(*request);
      replies_.push_back(request);
      waker_.notify();
    });
    return true;
  }
  db::Request* next_reply() override {
    if (replies_.empty()) return nullptr;
    auto* reply = replies_.front();
    replies_.pop_front();
    return reply;
  }
  void request_fence(std::uint64_t token) override {
    network_.schedule(std::chrono::microseconds{network_.below(20'000)}, [this, token] {
      inbox_.post({.kind = protocol::InboxItem::Kind::fence_kept, .token = token});
      waker_.notify();
    });
  }
  void flush() override {}
  bool has_replies() const override { return !replies_.empty(); }

  int held = 0;
  SigningKey root_key, device_key;

 private:
  void execute(db::Request& request) {
    const std::string_view name = request.function->name;
    request.outcome = db::Outcome::ok;
    if (name != "handshake_authenticated" && network_.chance(5)) {
      request.outcome = db::Outcome::unavailable;
    } else if (name == "handshake_authenticated") {
      const auto& device = request.parameters()[1];
      const std::string_view id{request.parameter_data(device),
                                static_cast<std::size_t>(device.length)};
      request.result = make_result(
          {{text_cell("ok"), bytes_cell(stored_device_certificate(id, device_key.verify_key())),
            bytes_cell(root_key.verify_key()), bool_cell(false), bool_cell(false),
            text_cell("STANDARD")}});
    } else if (name == "message_get") {
      const auto after = integer_parameter(request, 2);
      request.result =
          make_result({{text_cell("ok"), null_cell(), null_cell(), null_cell(), null_cell()},
                       {null_cell(), int_cell(after + 1), text_cell("bob@dev"), int_cell(0),
                        bytes_cell(as_bytes(std::string(network_.below(3000), 'm')))}});
    } else {
      ASSERT_EQ(name, "user_realms");
      request.result = make_result({{text_cell("ok"), null_cell(), null_cell()}});
    }
  }

  SimNetwork& network_;
  engine::Waker& waker_;
  protocol::EventInbox& inbox_;
  std::deque<db::Request*> replies_;
};

/// The service with its simulated surroundings, as one handler.
class SimServer final : public engine::Handler {
 public:
  SimServer(engine::Transport& transport, engine::Waker& waker, SimNetwork& network)
      : waker_(waker),
        database(network, waker, inbox_),
        service_(settings(), transport, database, blocks_, inbox_, outbox_, claimers_, memory_,
                 counts_, 0) {}

  void on_open(engine::ConnectionId id, std::string_view peer) override {
    service_.on_open(id, peer);
  }
  void on_data(engine::ConnectionId id, std::span<std::byte> bytes) override {
    service_.on_data(id, bytes);
  }
  void on_drained(engine::ConnectionId id) override { service_.on_drained(id); }
  void on_deadline(engine::ConnectionId id) override { service_.on_deadline(id); }
  void on_closed(engine::ConnectionId id, engine::CloseReason reason) override {
    service_.on_closed(id, reason);
  }
  bool on_turn() override { return service_.on_turn(); }
  bool has_work() const override { return service_.has_work(); }
  void on_shutdown() override { service_.on_shutdown(); }

  void ping_everybody(int number) {
    inbox_.post({.kind = protocol::InboxItem::Kind::event,
                 .event = new protocol::SharedEvent(
                     {"Org", protocol::Pinged{"herald@dev", std::to_string(number)}})});
    waker_.notify();
  }

 private:
  static const protocol::Settings& settings() {
    static const auto settings = [] {
      protocol::Settings small;
      small.output_high_water = 1000;
      small.max_waiting_bytes = 500;
      small.max_waiting_requests = 5;
      small.max_waiting_events = 10'000;
      return small;
    }();
    return settings;
  }

  engine::Waker& waker_;
  protocol::EventInbox inbox_{1024};
  ScriptedBlockStore blocks_;
  protocol::NullOutbox outbox_;
  protocol::ClaimerCounts claimers_;
  engine::MemoryBudget memory_{std::size_t{1} << 30, 1};
  protocol::Counts counts_;

 public:
  SimDatabase database;

 private:
  protocol::Service service_;
};

/// How many events a client that listens waits for.
constexpr std::size_t pings_to_hear = 10;

class ParsecClient : public SimClient {
 public:
  ParsecClient(std::uint64_t number, const SimDatabase& database)
      : number_(number), database_(database) {}

  // What happened.
  std::vector<std::string> expected, received;
  std::vector<int> pings;  // heard through events_listen
  int close_code = 0;
  bool ended = false, was_reset = false, gave_up = false, finished_sending = false;
  std::string violation;

  void on_connected() override {
    send(
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  }
  void on_bytes(std::span<const std::byte> bytes) override {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    if (!upgraded_) {
      const auto end = as_text(buffer_).find("\r\n\r\n");
      if (end == std::string_view::npos) return;
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(end + 4));
      upgraded_ = true;
    }
    read_frames();
  }
  void on_end() override {
    ended = true;
    finish();
  }
  void on_reset() override { was_reset = true; }

 private:
  void read_frames() {
    std::span<std::byte> input{buffer_};
    while (!input.empty()) {
      const auto part = frames_.next(input);
      if (!part) {
        violation = websocket::name(part.error());
        break;
      }
      if (!*part) break;
      message_.insert(message_.end(), (*part)->payload.begin(), (*part)->payload.end());
      if (!(*part)->last) continue;
      const auto message = std::exchange(message_, {});
      if ((*part)->opcode == Opcode::close) {
        close_code = Sent{Opcode::close, message}.close_code();
      } else {
        on_document(message);
      }
    }
    buffer_.clear();
  }

  void on_document(Bytes message) {
    const auto document = msgpack::parse(message);
    if (!document) {
      violation = "not msgpack";
      return;
    }
    if (const auto step = document->find("handshake")) {
      return step->str() == "challenge" ? answer(document->find("challenge")->bin())
                                        : subscribe_or_work();
    }
    if (const auto ping = document->find("ping")) {  // an event
      pings.push_back(std::stoi(std::string{ping->str()}));
      return next_step();
    }
    if (const auto messages = document->find("messages")) {
      auto items = messages->items();
      received.push_back("message " + std::to_string(items.next()->find("count")->integer()));
    } else if (const auto reason = document->find("reason")) {
      received.push_back(std::string{reason->str()});
    } else {
      received.push_back(describe(*document));
    }
    if (received.size() == expected.size()) next_step();
  }

  void answer(Bytes challenge) {
    const auto signed_challenge = database_.device_key.sign(challenge);
    send_map(7, [&](msgpack::Writer& writer) {
      writer.str("handshake"), writer.str("answer");
      writer.str("client_api_version"), writer.array(2), writer.integer(2), writer.integer(0);
      writer.str("type"), writer.str("AUTHENTICATED");
      writer.str("organization_id"), writer.str("Org");
      writer.str("device_id"), writer.str(device_id(number_));
      writer.str("rvk"), writer.bin(database_.root_key.verify_key());
      writer.str("answer"), writer.bin(signed_challenge);
    });
  }

  void subscribe_or_work() {
    listens_ = network().chance(300);
    if (listens_) {
      expected.push_back(R"({status="ok"})");
      return send_command("events_subscribe");
    }
    next_step();
  }

  void next_step() {
    if (network().chance(20)) return give_up();
    if (listens_ && pings.size() < pings_to_hear) return send_command("events_listen");
    if (listens_ || rounds_left_-- == 0) {
      finished_sending = true;
      return finish();
    }
    // Several requests at once: all must be answered, in order.
    for (std::uint32_t count = 1 + network().below(12); count > 0; --count) request();
  }

  void request() {
    const auto kind = network().below(4);
    if (kind == 0) {
      expected.push_back("Unknown command");
      send_command("nope");
    } else if (kind == 1) {  // cancelled by the next request, without a reply
      send_command("events_listen");
      expected.push_back("Unknown command");
      send_command("nope");
    } else {
      const auto offset = network().below(1000);
      expected.push_back("message " + std::to_string(offset + 1));
      send_map(2, [&](msgpack::Writer& writer) {
        writer.str("cmd"), writer.str("message_get"), writer.str("offset"), writer.integer(offset);
      });
    }
  }

  void give_up() {
    gave_up = true;
    network().chance(500) ? reset() : vanish();
  }

  void send_command(std::string_view cmd) {
    send_map(1, [&](msgpack::Writer& writer) { writer.str("cmd"), writer.str(cmd); });
  }
  void send_map(std::uint32_t entries, const WriteMap& write) {
    engine::OutputBuffer document, frame;
    msgpack::Writer writer{document};
    writer.map(entries);
    write(writer);
    websocket::write_masked_frame(frame, Opcode::binary, document.bytes(),
                                  {std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}});
    send(frame.bytes());
  }

  const std::uint64_t number_;
  const SimDatabase& database_;
  std::vector<std::byte> buffer_, message_;
  websocket::FrameReader frames_{websocket::Role::client};
  bool upgraded_ = false;
  bool listens_ = false;
  int rounds_left_ = 4;
};

using Simulation = SimShard<SimServer>;

std::unique_ptr<Simulation> simulation(std::uint64_t seed) {
  SimShardOptions options;
  std::mt19937_64 random(seed * 104729);
  options.network.seed = seed;
  options.network.socket_buffer = 512u << random() % 5;
  options.ring.multishot = random() % 3 != 0;
  options.ring.receive_buffers = 1u << random() % 6;
  options.ring.receive_buffer_size = 64u << random() % 5;
  options.ring.no_buffer = random() % 4 == 0 ? 200 : 10;
  options.limits.connections = 64;
  options.limits.output_high_water = 1000;
  options.limits.output_limit = 1 << 20;
  return std::make_unique<Simulation>(
      std::move(options), [](engine::Transport& transport, engine::Waker& waker,
                             SimNetwork& network) { return SimServer(transport, waker, network); });
}

void check_client(const ParsecClient& client) {
  EXPECT_EQ(client.violation, "");
  ASSERT_LE(client.received.size(), client.expected.size());
  EXPECT_TRUE(std::equal(client.received.begin(), client.received.end(), client.expected.begin()));
  for (std::size_t i = 1; i < client.pings.size(); ++i) {
    EXPECT_EQ(client.pings[i], client.pings[i - 1] + 1) << "an event lost or doubled";
  }
  if (client.finished_sending) {
    EXPECT_EQ(client.received, client.expected);
  }
  // Whoever did not leave by itself was told why it had to.
  if (!client.finished_sending && !client.gave_up) {
    EXPECT_TRUE(client.close_code == 1011 || client.close_code == 1000) << client.close_code;
  }
}

/// What happened in all runs together: a simulation in which nothing happens proves nothing.
struct Tally {
  std::size_t replies = 0, events = 0, failed = 0, gave_up = 0, finished = 0;

  void add(const ParsecClient& client) {
    replies += client.received.size();
    events += client.pings.size();
    failed += client.close_code == 1011;
    gave_up += client.gave_up;
    finished += client.finished_sending;
  }
};

void run(std::uint64_t seed, Tally& tally) {
  SCOPED_TRACE("PARSEC_SIM_SEED=" + std::to_string(seed));
  const auto sim = simulation(seed);
  auto& network = sim->network();
  std::vector<std::shared_ptr<ParsecClient>> clients;
  const std::uint32_t count = 1 + network.below(20);
  for (std::uint32_t i = 0; i < count; ++i) {
    clients.push_back(std::make_shared<ParsecClient>(i, sim->handler().database));
    network.connect(clients.back(), std::chrono::microseconds{network.below(100'000)});
  }
  const auto work_is_done = [&] {
    return std::all_of(clients.begin(), clients.end(), [](const auto& client) {
      return client->ended || client->was_reset || client->gave_up || client->finished_sending;
    });
  };
  // As long as somebody may be listening.
  std::function<void(int)> herald = [&](int number) {
    if (work_is_done()) return;
    sim->handler().ping_everybody(number);
    network.schedule(10ms, [&herald, number] { herald(number + 1); });
  };
  herald(0);
  EXPECT_TRUE(sim->run_until(work_is_done)) << "somebody waits for ever";
  EXPECT_TRUE(sim->stop());
  for (const auto& complaint : sim->complaints()) ADD_FAILURE() << complaint;
  for (const auto& client : clients) {
    check_client(*client);
    tally.add(*client);
  }
}

TEST(SessionSimulation, EveryClientGetsWhatItAskedForInOrder) {
  Tally tally;
  const auto all = seeds(150);
  for (const auto seed : all) {
    run(seed, tally);
    if (HasFailure()) return;
  }
  if (all.size() == 1) return;
  EXPECT_GT(tally.replies, 10'000u);
  EXPECT_GT(tally.events, 2'000u);
  EXPECT_GT(tally.failed, 50u);
  EXPECT_GT(tally.gave_up, 50u);
  EXPECT_GT(tally.finished, 300u);
}

}  // namespace
}  // namespace parsec::testing
