// TLS between a shard and its handler: to the shard a Handler of bytes on the wire, to the handler
// inside it a Transport of plain bytes. So both run unchanged, over io_uring, over the simulated
// ring and in unit tests, and a server without a certificate does not have it at all.
//
// What the handler appends is encrypted when the callback ends, so that everything of one callback
// shares records. Of a large reply only as much is encrypted as output_high_water lets wait below;
// the rest follows when that has drained. What the handler sees of limits, output and drained,
// counts plain bytes as well as records. See README.md, "TLS".
//
// Shard thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/handler.h"
#include "engine/limits.h"
#include "engine/metrics/counter.h"
#include "engine/tls/tls_context.h"
#include "engine/tls/tls_session.h"

namespace parsec::engine {

/// One layer's handshakes as a server. Its thread writes.
struct TlsCounts {
  Counter ok;
  Counter failed;              // by what the peer said
  Counter aborted;             // it left before
  DurationHistogram duration;  // of those that succeeded, from the connection's beginning
};

class TlsLayer final : public Handler, public Transport {
 public:
  using MakeHandler = std::function<std::unique_ptr<Handler>(Transport&)>;

  /// Transport and context outlive it. The context of a server for connections that are accepted,
  /// of clients for those that the handler dials.
  /// shard: for the names of connections in the log.
  TlsLayer(Transport& below, const TlsContext& context, const Limits& limits, std::uint32_t shard,
           const MakeHandler& make_handler);
  ~TlsLayer() override;
  TlsLayer(const TlsLayer&) = delete;
  TlsLayer& operator=(const TlsLayer&) = delete;

  // For the shard.
  void on_open(ConnectionId id, std::string_view peer_address) override;
  void on_data(ConnectionId id, std::span<std::byte> bytes) override;
  void on_drained(ConnectionId id) override;
  void on_deadline(ConnectionId id) override;
  void on_closed(ConnectionId id, CloseReason reason) override;
  bool on_turn() override;
  bool has_work() const override;
  TimePoint next_work() const override { return handler_->next_work(); }
  void on_shutdown() override;

  /// Handshakes are counted there from now on; it outlives the layer.
  void count_in(TlsCounts& counts) { counts_ = &counts; }

  /// For a handler that dials: what ShardCore::adopt gave, at once. Our side of the handshake
  /// begins, and the handler may append to its output.
  void adopt(ConnectionId id);

  // For the handler inside.
  OutputBuffer& output(ConnectionId id) override;
  bool is_open(ConnectionId id) const override;
  std::size_t pending_output(ConnectionId id) const override;
  std::size_t held_output(ConnectionId id) const override;
  void call_when_drained(ConnectionId id) override;
  void close(ConnectionId id, CloseMode mode) override;
  void set_deadline(ConnectionId id, Duration after) override;
  void clear_deadline(ConnectionId id) override;
  void note_upgrade(ConnectionId id) override { below_.note_upgrade(id); }
  void pause_reading(ConnectionId id) override;
  void resume_reading(ConnectionId id) override;
  TimePoint now() const override { return below_.now(); }

 private:
  struct Connection;
  using List = std::vector<ConnectionId>;

  Connection* find(ConnectionId id) const;
  Connection& add(ConnectionId id);
  bool has_lists() const;

  // Input
  void serve_handshakes();
  void shake_hands(Connection& connection);
  void deliver_held();
  void deliver(Connection& connection, std::span<std::byte> records);
  void read_records(Connection& connection);
  void update_reading(const Connection& connection);

  // Output
  enum class Share : std::uint8_t { window, everything };
  void encrypt(Connection& connection, Share share);
  void encrypt_dirty();
  bool exceeds_output_limit(Connection& connection) const;
  /// The peer does not read.
  void leave_unread(Connection& connection);
  void deliver_drained();
  void mark_dirty(Connection& connection);
  void give_back(OutputBuffer& buffer);

  // Ends
  void end(Connection& connection, CloseReason reason);
  void fail(Connection& connection);

  Transport& below_;
  const TlsContext& context_;
  const Limits limits_;
  const std::size_t record_size_;
  const std::uint32_t shard_;
  TlsCounts* counts_ = nullptr;

  std::vector<std::unique_ptr<Connection>> connections_;  // by slot
  std::unique_ptr<std::byte[]> plain_;                    // one record, decrypted

  List handshakes_;  // with bytes of a handshake to work off, oldest first
  List resumed_;     // reading again, with records held
  List drained_;     // on_drained is due
  List dirty_;       // with something to encrypt
  std::vector<OutputBuffer> spare_;

  std::unique_ptr<Handler> handler_;  // last: it goes first
};

}  // namespace parsec::engine
