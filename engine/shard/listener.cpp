#include "engine/shard/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace parsec::engine {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype([](addrinfo* list) { ::freeaddrinfo(list); })>;

std::string message(int error) { return std::generic_category().message(error); }

bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

std::uint16_t port_of(const sockaddr* address) {
  return ntohs(address->sa_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(address)->sin_port);
}

void set_port(sockaddr* address, std::uint16_t port) {
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  }
}

int open_bound(const addrinfo& address, bool share_port) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return -errno;
  // REUSEADDR: restart while connections of the last run are in TIME_WAIT. V6ONLY: "::" and
  // "0.0.0.0" are two addresses with a socket each, whatever the sysctl says.
  const bool set = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                   (!share_port || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
                   (address.ai_family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
  if (!set || ::bind(fd, address.ai_addr, address.ai_addrlen) != 0) {
    const int error = errno;
    ::close(fd);
    return -error;
  }
  return fd;
}

/// SO_REUSEPORT would let us join any listener of the same user, that is, steal half of the
/// connections of a server that already runs. A socket without it is refused then.
int probe(const addrinfo& address) {
  const int fd = open_bound(address, false);
  if (fd < 0) return -fd;
  ::close(fd);
  return 0;
}

/// Set on the listener, since accepted sockets inherit all of it: no call per connection.
bool set_connection_options(int fd, const Limits& limits) {
  return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
         set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE,
                    static_cast<int>(limits.keepalive_idle.count())) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL,
                    static_cast<int>(limits.keepalive_interval.count())) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(limits.keepalive_probes)) &&
         set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                    static_cast<int>(limits.user_timeout.count()));
}

int bind_listener(const addrinfo& address, const Limits& limits) {
  const int fd = open_bound(address, true);
  if (fd < 0) return fd;
  if (!set_connection_options(fd, limits)) {
    const int error = errno;
    ::close(fd);
    return -error;
  }
  return fd;
}

std::expected<Addresses, std::string> resolve(const ListenAddress& wanted) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(wanted.host.empty() ? nullptr : wanted.host.c_str(),
                                  std::to_string(wanted.port).c_str(), &hints, &found);
  if (error == 0) return Addresses(found);
  return std::unexpected("cannot resolve the address to listen on, `" + wanted.host +
                         "`: " + (error == EAI_SYSTEM ? message(errno) : ::gai_strerror(error)));
}

}  // namespace

std::expected<ListeningSockets, std::string> ListeningSockets::bind(const ListenAddress& wanted,
                                                                    std::uint32_t shards,
                                                                    const Limits& limits) {
  const auto addresses = resolve(wanted);
  if (!addresses) return std::unexpected(addresses.error());

  ListeningSockets sockets;
  sockets.by_shard_.resize(shards);
  sockets.port_ = wanted.port;
  sockets.backlog_ = wanted.backlog;
  int last_error = EADDRNOTAVAIL;
  bool any = false;
  for (addrinfo* address = addresses->get(); address != nullptr; address = address->ai_next) {
    set_port(address->ai_addr, sockets.port_);
    int error = sockets.port_ == 0 ? 0 : probe(*address);
    for (std::uint32_t shard = 0; shard < shards && error == 0; ++shard) {
      const int fd = bind_listener(*address, limits);
      if (fd < 0) {
        error = -fd;
        break;
      }
      sockets.by_shard_[shard].push_back(static_cast<Socket>(fd));
      if (sockets.port_ == 0) {
        // The kernel chose; the other shards and addresses use the same.
        sockaddr_storage bound{};
        socklen_t size = sizeof bound;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
        sockets.port_ = port_of(reinterpret_cast<sockaddr*>(&bound));
        set_port(address->ai_addr, sockets.port_);
      }
      any = true;
    }
    // `localhost` may name ::1 on a machine without IPv6: skipped if another address works.
    const bool absent = error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
    if (error != 0) last_error = error;
    if (error != 0 && !absent) any = false;
    if (error != 0 && !absent) break;
  }
  if (any) return sockets;
  std::string text = "cannot listen on " + (wanted.host.empty() ? "every interface" : wanted.host) +
                     ", port " + std::to_string(sockets.port_) + ": " + message(last_error);
  if (last_error == EADDRINUSE) text += " (another process listens there)";
  if (last_error == EACCES) text += " (ports below 1024 need CAP_NET_BIND_SERVICE)";
  return std::unexpected(text);
}

std::expected<void, std::string> ListeningSockets::listen(std::uint32_t shards) {
  for (std::size_t shard = shards; shard < by_shard_.size(); ++shard) {
    for (const Socket socket : by_shard_[shard]) ::close(static_cast<int>(socket));
  }
  by_shard_.resize(shards);
  for (const auto& sockets : by_shard_) {
    for (const Socket socket : sockets) {
      if (::listen(static_cast<int>(socket), backlog_) == 0) continue;
      return std::unexpected("cannot listen on port " + std::to_string(port_) + ": " +
                             message(errno));
    }
  }
  return {};
}

ListeningSockets::~ListeningSockets() {
  for (const auto& sockets : by_shard_) {
    for (const Socket socket : sockets) ::close(static_cast<int>(socket));
  }
}

std::vector<Socket> ListeningSockets::take(std::uint32_t shard) {
  return std::exchange(by_shard_.at(shard), {});
}

}  // namespace parsec::engine
