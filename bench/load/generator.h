// One generator shard: its connections to the server, and the requests that a round of measuring
// wants of them. A Handler on the same engine that the server runs on.
//
// A request goes out on whichever connection is free, the one that has been free longest first; in
// an open loop it waits for one, and its latency counts from when it was meant to go. Connections
// stay from round to round; one that is lost is opened again, and its request counts as no_reply.
//
// generator.cpp has the connections, generator_round.cpp the rounds. Everything on the shard's
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/arrivals.h"
#include "bench/load/conversation.h"
#include "bench/load/dialer.h"
#include "bench/load/fan_out.h"
#include "bench/load/generator_control.h"
#include "bench/load/placement.h"
#include "bench/population/client_session.h"
#include "engine/handler.h"

namespace parsec::bench {

/// The same for all shards, and constant.
struct GeneratorSettings {
  std::string host;  // for the Host header
  Population population;
  Scenario scenario;
  std::uint32_t shards = 1;
  /// Shard of an author: its number, modulo `shards`. Null: the scenario has no fan-out.
  FanOut* fan_out = nullptr;
  /// Any thread: makes that shard look at its fan-outs.
  std::function<void(std::uint32_t shard)> wake;
};

class Generator final : public engine::Handler {
 public:
  /// What is passed by reference outlives it.
  Generator(engine::Transport& transport, Dialer& dialer, GeneratorControl& control,
            const GeneratorSettings& settings, std::uint32_t index,
            const std::vector<Placed>& connections);
  ~Generator() override;

  void on_open(engine::ConnectionId, std::string_view) override {}
  void on_data(engine::ConnectionId id, std::span<std::byte> bytes) override;
  void on_drained(engine::ConnectionId) override {}
  void on_deadline(engine::ConnectionId id) override;
  void on_closed(engine::ConnectionId id, engine::CloseReason reason) override;
  bool on_turn() override;
  bool has_work() const override;
  engine::TimePoint next_work() const override;
  void on_shutdown() override;

 private:
  /// A request on its way.
  struct UnderWay {
    std::size_t share = 0;  // of the scenario's commands
    engine::TimePoint intended;
    engine::TimePoint sent;
    std::uint64_t round = 0;
    bool counts = false;  // not of the warm-up
  };
  struct Client;

  // Connections
  bool open(Client& client, engine::TimePoint now);
  void dial_lost(engine::TimePoint now);
  void on_ready(Client& client, engine::TimePoint now);
  void prepare(Client& client, engine::TimePoint now);
  void on_prepared(Client& client, engine::TimePoint now);
  void on_message(Client& client, const msgpack::Value& message, engine::TimePoint now);
  void on_event(Client& client, const msgpack::Value& event, engine::TimePoint now);
  std::size_t say(Client& client);
  void give_up(std::string why);
  void fail(std::string why);
  Client* find(engine::ConnectionId id) const;

  // Rounds
  void start_round();
  void become_free(Client& client, engine::TimePoint now);
  void send_due(engine::TimePoint now);
  void send_closed(engine::TimePoint now);
  void send(Client& client, engine::TimePoint intended, engine::TimePoint now);
  void visit(Client& host, const UnderWay& request);
  void on_reply(Client& client, const msgpack::Value& reply, engine::TimePoint now);
  void take_fan_outs(engine::TimePoint now);
  void settle(const UnderWay& request, std::string_view status, engine::TimePoint now);
  void maybe_finish(engine::TimePoint now);
  std::size_t choose();
  /// At the latest: sooner if there is nothing to wait for any more.
  engine::TimePoint round_ends_by() const;

  engine::Transport& transport_;
  Dialer& dialer_;
  GeneratorControl& control_;
  const GeneratorSettings& settings_;
  const std::uint32_t index_;
  std::mt19937_64 random_;
  std::vector<double> thresholds_;  // of the commands' weights, summed up

  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Client*> by_slot_;
  std::vector<std::unique_ptr<Client>> visitors_;  // of the command handshake
  std::deque<Client*> free_;
  std::deque<Client*> to_dial_;
  std::vector<Client*> awaited_;  // their update is done, but not everybody has seen it
  std::uint32_t dialling_ = 0;
  std::uint32_t ready_ = 0;
  bool told_connected_ = false;
  bool stopping_ = false;
  engine::TimePoint next_dial_{};
  engine::OutputBuffer message_;

  // The round.
  bool running_ = false;
  std::uint64_t round_ = 0;
  Load load_;
  engine::TimePoint start_;
  engine::TimePoint counts_from_;
  engine::TimePoint ends_;
  std::optional<Arrivals> arrivals_;
  engine::TimePoint next_arrival_ = engine::TimePoint::max();
  /// Of a closed loop that could not open a connection: not before.
  engine::TimePoint resumes_at_{};
  std::deque<engine::TimePoint> waiting_;  // intended times that found no free connection
  std::uint32_t under_way_ = 0;
  RoundResult result_;
};

}  // namespace parsec::bench
