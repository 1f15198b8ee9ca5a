// Where a generator has its connections and the time from: sockets and the machine's clock, or a
// test's. Thread of its generator.
#pragma once

#include <cstdint>
#include <expected>

#include "engine/handler.h"

namespace parsec::bench {

class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Begins a connection, which may be written to at once. source: see engine::DialTarget. The
  /// error is an errno.
  virtual std::expected<engine::ConnectionId, int> dial(std::uint8_t source) = 0;
  /// Exact: latencies are differences of it.
  virtual engine::TimePoint now() const = 0;
};

}  // namespace parsec::bench
