// A Transport without a network: what a session sent, closed and asked for, to look at.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "engine/handler.h"

namespace parsec::testing {

class FakeTransport final : public engine::Transport {
 public:
  struct Connection {
    engine::OutputBuffer output;
    std::size_t sent = 0;  // bytes of the same buffer, before these
    std::optional<engine::CloseMode> closed;
    std::optional<engine::Duration> deadline;
    bool wants_drained = false;
    bool reading_paused = false;
    bool peer_left = false;  // and on_closed has not been told yet
  };

  Connection& operator[](engine::ConnectionId id) { return connections_[id.packed()]; }
  void forget(engine::ConnectionId id) { connections_.erase(id.packed()); }

  engine::OutputBuffer& output(engine::ConnectionId id) override {
    auto& connection = connections_[id.packed()];
    if (!connection.closed) return connection.output;
    discarded_.clear();
    return discarded_;
  }
  bool is_open(engine::ConnectionId id) const override {
    const auto found = connections_.find(id.packed());
    return found != connections_.end() && !found->second.closed && !found->second.peer_left;
  }
  std::size_t pending_output(engine::ConnectionId id) const override {
    return connections_.at(id.packed()).output.size();
  }
  std::size_t held_output(engine::ConnectionId id) const override {
    const auto& connection = connections_.at(id.packed());
    return connection.output.size() + connection.sent;
  }
  void call_when_drained(engine::ConnectionId id) override {
    connections_[id.packed()].wants_drained = true;
  }
  void close(engine::ConnectionId id, engine::CloseMode mode) override {
    connections_[id.packed()].closed = mode;
  }
  void set_deadline(engine::ConnectionId id, engine::Duration after) override {
    connections_[id.packed()].deadline = after;
  }
  void clear_deadline(engine::ConnectionId id) override {
    connections_[id.packed()].deadline.reset();
  }
  void note_upgrade(engine::ConnectionId) override {}
  void pause_reading(engine::ConnectionId id) override {
    connections_[id.packed()].reading_paused = true;
  }
  void resume_reading(engine::ConnectionId id) override {
    connections_[id.packed()].reading_paused = false;
  }
  engine::TimePoint now() const override { return time; }

  engine::TimePoint time{};

 private:
  std::map<std::uint64_t, Connection> connections_;
  engine::OutputBuffer discarded_;
};

}  // namespace parsec::testing
