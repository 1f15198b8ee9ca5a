#include "engine/outbound/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace parsec::engine {

namespace {

/// Whether somebody accepts connections there. Waits for a while.
bool answers(const addrinfo& address) {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const timeval most{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  const bool connected = ::connect(fd, address.ai_addr, address.ai_addrlen) == 0;
  ::close(fd);
  return connected;
}

}  // namespace

std::expected<DialTarget, std::string> DialTarget::resolve(const std::string& host,
                                                           std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return std::unexpected(
        "cannot resolve `" + host + "`: " +
        (error == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  const addrinfo* chosen = found;
  for (const addrinfo* each = found; found->ai_next != nullptr && each != nullptr;
       each = each->ai_next) {
    if (!answers(*each)) continue;
    chosen = each;
    break;
  }
  DialTarget target;
  std::memcpy(&target.address_, chosen->ai_addr, chosen->ai_addrlen);
  target.size_ = chosen->ai_addrlen;
  return target;
}

bool DialTarget::is_loopback() const {
  if (address_.ss_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&address_)->sin6_addr);
  }
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address_);
  return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
}

std::expected<Socket, int> DialTarget::dial(std::uint8_t source) const {
  const int fd = ::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::unexpected(errno);
  const auto fail = [fd] {
    const int error = errno;
    ::close(fd);
    return std::unexpected(error);
  };
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (address_.ss_family == AF_INET && is_loopback()) {
    // The port is chosen when the peer is known, so that one port serves for several peers (ip(7)).
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return fail();
  }
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address_), size_) != 0 &&
      errno != EINPROGRESS) {
    return fail();
  }
  // io_uring takes O_NONBLOCK for "do not wait for me": it would answer EAGAIN.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) return fail();
  return static_cast<Socket>(fd);
}

}  // namespace parsec::engine
