// Connections of sockets, on a shard of the engine, plain or with TLS. Thread of its shard.
#pragma once

#include <cstdint>
#include <expected>

#include "bench/load/dialer.h"
#include "engine/outbound/dial.h"
#include "engine/shard/shard_core.h"
#include "engine/tls/tls_layer.h"

namespace parsec::bench {

class SocketDialer final : public Dialer {
 public:
  /// Both outlive it.
  SocketDialer(engine::ShardCore& shard, const engine::DialTarget& target)
      : shard_(shard), target_(target) {}

  /// From now on connections begin with a TLS handshake.
  void use(engine::TlsLayer& tls) { tls_ = &tls; }

  std::expected<engine::ConnectionId, int> dial(std::uint8_t source) override;
  engine::TimePoint now() const override { return engine::Clock::now(); }

 private:
  engine::ShardCore& shard_;
  const engine::DialTarget& target_;
  engine::TlsLayer* tls_ = nullptr;
};

}  // namespace parsec::bench
