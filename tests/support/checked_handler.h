// Stands between a shard and a handler and holds the shard to the promises of engine/handler.h:
// one on_open, one on_closed and nothing after it, no callback inside another, time that does not
// run backwards. Breaches are in violations(); the reasons of closing are kept to look at.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/handler.h"

namespace parsec::testing {

class CheckedHandler final : public engine::Handler {
 public:
  explicit CheckedHandler(engine::Handler& inner) : inner_(inner) {}

  const std::vector<std::string>& violations() const { return violations_; }
  std::size_t open_count() const { return open_.size(); }
  std::size_t opened() const { return opened_; }
  /// Of connections that ended, by ConnectionId::packed().
  const std::map<std::uint64_t, engine::CloseReason>& closed() const { return closed_; }

  void on_open(engine::ConnectionId id, std::string_view peer_address) override {
    const Entered entered(*this, "on_open");
    ++opened_;
    if (closed_.contains(id.packed())) violate("on_open after on_closed", id);
    for (const auto& [other, unused] : open_) {
      const bool same_slot = engine::ConnectionId::unpacked(other).slot == id.slot;
      if (same_slot) violate("on_open for a slot that is open", id);
    }
    open_[id.packed()] = true;
    inner_.on_open(id, peer_address);
  }
  void on_data(engine::ConnectionId id, std::span<std::byte> bytes) override {
    const Entered entered(*this, "on_data");
    check_open("on_data", id);
    if (bytes.empty()) violate("on_data of nothing", id);
    inner_.on_data(id, bytes);
  }
  void on_drained(engine::ConnectionId id) override {
    const Entered entered(*this, "on_drained");
    check_open("on_drained", id);
    inner_.on_drained(id);
  }
  void on_deadline(engine::ConnectionId id) override {
    const Entered entered(*this, "on_deadline");
    check_open("on_deadline", id);
    inner_.on_deadline(id);
  }
  void on_closed(engine::ConnectionId id, engine::CloseReason reason) override {
    const Entered entered(*this, "on_closed");
    check_open("on_closed", id);
    open_.erase(id.packed());
    closed_[id.packed()] = reason;
    inner_.on_closed(id, reason);
  }
  bool on_turn() override {
    const Entered entered(*this, "on_turn");
    return inner_.on_turn();
  }
  bool has_work() const override { return inner_.has_work(); }
  engine::TimePoint next_work() const override { return inner_.next_work(); }
  void on_shutdown() override {
    const Entered entered(*this, "on_shutdown");
    if (std::exchange(shut_down_, true)) violations_.push_back("on_shutdown twice");
    inner_.on_shutdown();
  }

 private:
  class Entered {
   public:
    Entered(CheckedHandler& handler, std::string_view what) : handler_(handler) {
      if (std::exchange(handler_.inside_, true)) {
        handler_.violations_.push_back(std::string(what) + " inside another callback");
      }
    }
    ~Entered() { handler_.inside_ = false; }
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    CheckedHandler& handler_;
  };

  void violate(std::string_view what, engine::ConnectionId id) {
    violations_.push_back(std::string(what) + ": " + std::to_string(id.slot) + "/" +
                          std::to_string(id.generation));
  }
  void check_open(std::string_view what, engine::ConnectionId id) {
    if (!open_.contains(id.packed())) violate(std::string(what) + " of one not open", id);
  }

  engine::Handler& inner_;
  bool inside_ = false;
  bool shut_down_ = false;
  std::size_t opened_ = 0;
  std::map<std::uint64_t, bool> open_;
  std::map<std::uint64_t, engine::CloseReason> closed_;
  std::vector<std::string> violations_;
};

}  // namespace parsec::testing
