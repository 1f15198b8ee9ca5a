// Connections whose peer nobody knows yet, oldest first, and where they come from: so that
// strangers can take a share of all connections only, and one address a share of that.
//
// A stranger is whoever has not shown a key, an invitation or a token: HTTP, a handshake under way,
// anonymous connections. The limits are of one shard. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/handler.h"

namespace parsec::protocol {

/// What counts as one address: IPv4 whole, IPv6 its /64 (what one customer gets, RFC 6177), as
/// text. nullopt: it says nothing of who the peer is (loopback, a unix socket: a proxy on this
/// machine).
std::optional<std::string> address_share_of(std::string_view peer_address);

class Strangers {
 public:
  struct Limits {
    std::size_t connections = SIZE_MAX;
    std::size_t of_an_address = SIZE_MAX;
  };
  /// Lists it. If there are too many (of its address), one of them must go and is returned, listed
  /// no more: the oldest of which `idles` says that it makes us wait, else the new one.
  using Idles = std::function<bool(engine::ConnectionId)>;
  std::optional<engine::ConnectionId> add(engine::ConnectionId connection,
                                          std::string_view peer_address, const Limits& limits,
                                          const Idles& idles);
  /// It ended, or is a stranger no more. No effect if it is not listed.
  void remove(engine::ConnectionId connection);

  std::size_t size() const { return all_.size(); }

 private:
  struct Entry {
    engine::ConnectionId connection;
    const std::string* address = nullptr;  // key of by_address_; null: counts for none
  };
  using Entries = std::list<Entry>;
  struct Place {
    Entries::iterator in_all;
    std::list<engine::ConnectionId>::iterator in_address;
  };

  Entries all_;
  std::unordered_map<std::string, std::list<engine::ConnectionId>> by_address_;
  std::vector<std::optional<Place>> places_;  // by slot
};

}  // namespace parsec::protocol
