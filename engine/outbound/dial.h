// Connections to others, for handlers that dial (ShardCore::adopt): a load generator, above all.
//
// A socket is handed over while it is being connected: what is sent waits in the kernel, and a
// connection that cannot be made ends like one that the peer reset. Any thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <string>

#include "engine/ring/ring.h"

namespace parsec::engine {

class DialTarget {
 public:
  /// May wait for a name server. Of several addresses the first one that accepts a connection. The
  /// error is a sentence for the user.
  static std::expected<DialTarget, std::string> resolve(const std::string& host,
                                                        std::uint16_t port);

  /// 127.0.0.0/8 or ::1
  bool is_loopback() const;

  /// Begins a connection. source: to an IPv4 loopback address comes from 127.0.0.(1 + source),
  /// since one source address has ports for some 28,000 connections only; nothing to others. The
  /// error is an errno.
  std::expected<Socket, int> dial(std::uint8_t source = 0) const;

 private:
  sockaddr_storage address_{};
  socklen_t size_ = 0;
};

}  // namespace parsec::engine
