// Binds the listening sockets: for every address of the host, one per shard with SO_REUSEPORT, so
// that the kernel spreads connections over the shards without a thread that accepts for all.
//
// At start-up, on the main thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "engine/limits.h"
#include "engine/ring/ring.h"

namespace parsec::engine {

struct ListenAddress {
  std::string host = "127.0.0.1";  // a name, an IPv4 or an IPv6 address; "" for every interface
  std::uint16_t port = 0;          // 0: any free one
  int backlog = 4096;              // the kernel cuts it to net.core.somaxconn
};

/// Owns the sockets until a shard takes its share.
class ListeningSockets {
 public:
  /// Bound, which may need root; nobody is let in yet. On failure a text for the operator. A port
  /// that another process listens on is a failure, even if that process allows sharing it.
  static std::expected<ListeningSockets, std::string> bind(const ListenAddress& address,
                                                           std::uint32_t shards,
                                                           const Limits& limits);
  /// From now on clients get in. Closes what is beyond so many shards.
  std::expected<void, std::string> listen(std::uint32_t shards);
  ListeningSockets(ListeningSockets&& other) noexcept = default;
  ListeningSockets& operator=(ListeningSockets&& other) = delete;
  ~ListeningSockets();

  std::uint16_t port() const { return port_; }
  /// The shard's sockets, one per address; the caller closes them.
  std::vector<Socket> take(std::uint32_t shard);

 private:
  ListeningSockets() = default;

  std::uint16_t port_ = 0;
  int backlog_ = 0;
  std::vector<std::vector<Socket>> by_shard_;
};

}  // namespace parsec::engine
