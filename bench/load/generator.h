// One generator shard: its connections to the server, and the requests that a round of measuring
// wants of them. A Handler on the same engine that the server runs on.
//
// A request goes out on whichever connection is free, the one that has been free longest first; in
// an open loop it waits for one, and its latency counts from when it was meant to go. Connections
// stay from round to round; one that is lost is opened again, and its request counts as no_reply.
//
// Everything on the shard's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/arrivals.h"
#include "bench/driver.h"
#include "bench/load/client_session.h"
#include "bench/load/generator_control.h"
#include "bench/load/scenario.h"
#include "engine/dial.h"
#include "engine/handler.h"
#include "engine/shard.h"

namespace parsec::bench {

/// The same for all shards, and constant.
struct GeneratorSettings {
  engine::DialTarget target;
  std::string host;  // for the Host header
  Population population;
  Scenario scenario;
  std::uint32_t shards = 1;
};

class Generator final : public engine::Handler {
 public:
  /// organizations: of each of its connections.
  Generator(engine::ShardCore& shard, GeneratorControl& control, const GeneratorSettings& settings,
            std::uint32_t index, const std::vector<DeviceNumber>& devices);
  ~Generator() override;

  void on_open(engine::ConnectionId, std::string_view) override {}
  void on_data(engine::ConnectionId id, std::span<std::byte> bytes) override;
  void on_drained(engine::ConnectionId) override {}
  void on_deadline(engine::ConnectionId) override {}
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
    bool counts = false;  // not of the warm-up
  };
  struct Client;

  void dial(Client& client, engine::TimePoint now);
  void dial_lost(engine::TimePoint now);
  void on_ready(Client& client, engine::TimePoint now);
  void on_prepared(Client& client, engine::TimePoint now);
  void on_reply(Client& client, const msgpack::Value& reply, engine::TimePoint now);
  void give_up(std::string why);
  /// Sends what a connection needs before its first request; false: nothing more.
  bool prepare(Client& client);
  void become_free(Client& client, engine::TimePoint now);
  void start_round();
  void send_due(engine::TimePoint now);
  void send_closed(engine::TimePoint now);
  void send(Client& client, engine::TimePoint intended, engine::TimePoint now);
  void write_request(Client& client, const CommandShare& share, engine::OutputBuffer& out);
  void visit(Client& host, const UnderWay& request);
  void fail_to_visit(const UnderWay& request, int error);
  void abandon(Client& client);
  void settle(const UnderWay& request, std::string_view status, engine::TimePoint now);
  void maybe_finish(engine::TimePoint now);
  std::size_t choose();
  Client* find(engine::ConnectionId id) const;

  engine::ShardCore& shard_;
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
  std::uint32_t dialling_ = 0;
  std::uint32_t ready_ = 0;
  bool told_connected_ = false;
  bool stopping_ = false;
  engine::TimePoint next_dial_{};
  engine::TimePoint dials_fail_until_{};  // of visitors
  engine::OutputBuffer scratch_;

  // The round.
  bool running_ = false;
  Load load_;
  engine::TimePoint start_;
  engine::TimePoint counts_from_;
  engine::TimePoint ends_;
  std::optional<Arrivals> arrivals_;
  engine::TimePoint next_arrival_ = engine::TimePoint::max();
  std::deque<engine::TimePoint> waiting_;  // intended times that found no free connection
  std::uint32_t under_way_ = 0;
  RoundResult result_;
};

}  // namespace parsec::bench
