#include "protocol/session/strangers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace parsec::protocol {
namespace {

/// So many of the oldest are looked at for one that idles. Those that do not go behind all others:
/// a few that stay busy must not stand before thousands that idle.
constexpr std::size_t most_asked = 16;

template <class List, class Of>
std::optional<engine::ConnectionId> oldest_idle(List& list, Of connection_of,
                                                const Strangers::Idles& idles) {
  for (std::size_t rest = std::min(most_asked, list.size()); rest > 0; --rest) {
    const engine::ConnectionId oldest = connection_of(list.front());
    if (idles(oldest)) return oldest;
    list.splice(list.end(), list, list.begin());  // iterators stay valid
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> address_share_of(std::string_view peer_address) {
  const std::string text{peer_address};
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
    if (bytes[0] == 127) return std::nullopt;
    return text;
  }
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::nullopt;
  constexpr std::array<unsigned char, sizeof(in6_addr)> loopback{0, 0, 0, 0, 0, 0, 0, 0,
                                                                 0, 0, 0, 0, 0, 0, 0, 1};
  if (bytes == loopback) return std::nullopt;
  std::memset(bytes.data() + 8, 0, 8);
  std::array<char, INET6_ADDRSTRLEN> network{};
  ::inet_ntop(AF_INET6, bytes.data(), network.data(), network.size());
  return std::string{network.data()} + "/64";
}

std::optional<engine::ConnectionId> Strangers::add(engine::ConnectionId connection,
                                                   std::string_view peer_address,
                                                   const Limits& limits, const Idles& idles) {
  std::optional<engine::ConnectionId> leaves;
  const std::string* address = nullptr;
  const auto share = address_share_of(peer_address);
  const auto known = share ? by_address_.find(*share) : by_address_.end();
  if (known != by_address_.end() && known->second.size() >= limits.of_an_address) {
    leaves = oldest_idle(
        known->second, [](engine::ConnectionId id) { return id; }, idles);
    if (!leaves) return connection;
  } else if (all_.size() >= limits.connections) {
    leaves = oldest_idle(
        all_, [](const Entry& entry) { return entry.connection; }, idles);
    if (!leaves) return connection;
  }
  if (leaves) remove(*leaves);
  if (connection.slot >= places_.size()) places_.resize(connection.slot + 1);
  Place place;
  if (share) {
    const auto entry = by_address_.try_emplace(*share).first;
    address = &entry->first;
    place.in_address = entry->second.insert(entry->second.end(), connection);
  }
  place.in_all = all_.insert(all_.end(), {connection, address});
  places_[connection.slot] = place;
  return leaves;
}

void Strangers::remove(engine::ConnectionId connection) {
  if (connection.slot >= places_.size() || !places_[connection.slot]) return;
  const Place place = *places_[connection.slot];
  if (place.in_all->connection != connection) return;
  places_[connection.slot].reset();
  if (place.in_all->address != nullptr) {
    const auto found = by_address_.find(*place.in_all->address);
    found->second.erase(place.in_address);
    if (found->second.empty()) by_address_.erase(found);
  }
  all_.erase(place.in_all);
}

}  // namespace parsec::protocol
