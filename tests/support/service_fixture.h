// A Service with everything around it made by hand: a transport that records, a database that the
// test answers, an inbox that the test fills. For tests of sessions, handshake and events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "db/blocks/block_store.h"
#include "engine/handler.h"
#include "protocol/events/event_bus.h"
#include "protocol/mail/outbox.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/session/service.h"
#include "protocol/websocket/websocket.h"
#include "tests/support/fake_transport.h"
#include "tests/support/scripted_database.h"

namespace parsec::testing {

/// A store that keeps every job until the test completes it.
class ScriptedBlockStore final : public db::BlockStore {
 public:
  ~ScriptedBlockStore() override {
    for (auto* job : submitted) delete job;
    for (auto* job : done_) delete job;
  }
  bool submit(db::BlockJob* job) override {
    if (full) return false;
    submitted.push_back(job);
    return true;
  }
  db::BlockJob* next_completion() override {
    if (done_.empty()) return nullptr;
    auto* job = done_.front();
    done_.pop_front();
    return job;
  }
  bool has_completions() const override { return !done_.empty(); }
  void complete(db::BlockOutcome outcome) {
    auto* job = submitted.front();
    submitted.pop_front();
    job->outcome = outcome;
    done_.push_back(job);
  }

  std::deque<db::BlockJob*> submitted;
  bool full = false;

 private:
  std::deque<db::BlockJob*> done_;
};

/// Keeps what commands hand over.
class RecordingOutbox final : public protocol::Outbox {
 public:
  void send_invitation(protocol::InvitationMail mail) override {
    invitations.push_back(std::move(mail));
  }
  void announce_bootstrap(protocol::BootstrapNotice notice) override {
    bootstraps.push_back(std::move(notice));
  }

  std::vector<protocol::InvitationMail> invitations;
  std::vector<protocol::BootstrapNotice> bootstraps;
};

/// An Ed25519 key pair and what a client does with it.
class SigningKey {
 public:
  SigningKey();
  const protocol::VerifyKey& verify_key() const { return verify_key_; }
  std::vector<std::byte> sign(Bytes message) const;  // signature ‖ message

 private:
  protocol::VerifyKey verify_key_{};
  std::array<unsigned char, 64> secret_key_{};
};

/// A frame the server sent.
struct Sent {
  websocket::Opcode opcode;
  std::vector<std::byte> payload;
  std::uint16_t close_code() const;
};

using WriteMap = std::function<void(msgpack::Writer&)>;

class ServiceFixture {
 public:
  explicit ServiceFixture(std::size_t memory_limit = std::size_t{1} << 30,
                          std::uint32_t shards = 1);

  // --- A connection's life
  engine::ConnectionId open();
  void raw(engine::ConnectionId id, std::string_view bytes);
  /// Opens, upgrades, and takes the challenge.
  engine::ConnectionId open_websocket();
  engine::ConnectionId open_administration();
  /// API v1, to an organization that exists.
  engine::ConnectionId open_anonymous(std::string_view organization_id);
  /// Sends a good answer; the database is not answered yet.
  engine::ConnectionId start_device(std::string_view organization_id, std::string_view device_id,
                                    bool api_v1 = false);
  /// Logs in through the whole handshake, the database answered by the fixture.
  engine::ConnectionId open_device(std::string_view organization_id, std::string_view device_id,
                                   bool api_v1 = false);
  void frame(engine::ConnectionId id, websocket::Opcode opcode, Bytes payload);
  /// A binary message holding one map of `entries`, written by write.
  void send(engine::ConnectionId id, std::uint32_t entries, const WriteMap& write);
  void send_command(engine::ConnectionId id, std::string_view cmd, std::uint32_t fields = 0,
                    const WriteMap& write = {});
  void send_ping(engine::ConnectionId id, std::string_view text);

  /// What the server sent since the last call.
  std::vector<Sent> take_sent(engine::ConnectionId id);
  /// The one reply that is there: a string per entry, `key=value`, values in a short text form.
  std::string take_reply(engine::ConnectionId id);
  bool is_closed(engine::ConnectionId id) { return transport[id].closed.has_value(); }
  void close(engine::ConnectionId id);
  /// The row of db::functions::handshake_authenticated for that device, in good standing.
  void answer_handshake(std::string_view device_id, bool expired = false, bool revoked = false);

  // --- Around
  void turn() {
    while (service.on_turn()) {
    }
  }
  void answer(const std::vector<CellRow>& rows) {
    database.answer(rows);
    turn();
  }
  void event(protocol::Event event);
  void pass_fence(bool kept = true);

  protocol::Settings settings;
  FakeTransport transport;
  ScriptedDatabase database;
  ScriptedBlockStore blocks;
  protocol::EventInbox inbox{1024};
  RecordingOutbox outbox;
  protocol::ClaimerCounts claimers;
  engine::MemoryBudget memory;
  protocol::Counts counts;
  protocol::Service service;
  SigningKey root_key;
  protocol::Challenge challenge{};  // of the last open_websocket()
  SigningKey device_key;            // of all devices

 private:
  std::uint32_t next_slot_ = 0;
};

/// A stored device certificate: its signature is never looked at again, so it has none.
std::vector<std::byte> stored_device_certificate(std::string_view device_id,
                                                 const protocol::VerifyKey& verify_key);

/// `{a=1 b="x"}`: for comparing and printing decoded documents.
std::string describe(msgpack::Value value);

}  // namespace parsec::testing
