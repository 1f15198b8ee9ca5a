#include "tests/faults/raw_connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace parsec::testing {
namespace {

constexpr std::size_t connections_of_an_address = 10'000;

void fail(const char* what) { throw ClientError(std::string{what} + ": " + std::strerror(errno)); }

sockaddr_in name_of(in_addr_t address, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = address;
  return name;
}

}  // namespace

std::size_t RawConnections::room() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::filesystem::directory_iterator open{"/proc/self/fd"};
  const auto used = static_cast<rlim_t>(std::distance(begin(open), end(open)));
  constexpr rlim_t reserve = 64;  // for the rest of the test
  return files.rlim_cur > used + reserve ? files.rlim_cur - used - reserve : 0;
}

void RawConnections::join(std::size_t count) {
  const sockaddr_in server = name_of(inet_addr(address_.host.c_str()), address_.port);
  for (std::size_t i = 0; i < count; ++i, ++joined_) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    descriptors_.push_back(descriptor);
    ended_.push_back(false);
    // Without the option bind() would take a port that no other connection may use at all.
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const auto host = static_cast<in_addr_t>(2 + joined_ / connections_of_an_address % 250);
    const sockaddr_in own = name_of(htonl(INADDR_LOOPBACK - 1 + host), 0);
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) fail("bind");
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      fail("connect");
    }
  }
}

void RawConnections::send(std::string_view bytes) {
  for (std::size_t i = 0; i < descriptors_.size(); ++i) send(i, bytes);
}

void RawConnections::send(std::size_t which, std::string_view bytes) {
  static_cast<void>(
      ::send(descriptors_[which], bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

std::size_t RawConnections::ended() {
  std::array<char, 16'384> part;
  for (std::size_t i = 0; i < descriptors_.size(); ++i) {
    while (!ended_[i]) {
      const ssize_t count = ::recv(descriptors_[i], part.data(), part.size(), MSG_DONTWAIT);
      if (count > 0) continue;
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
      ended_[i] = true;
    }
  }
  return static_cast<std::size_t>(std::ranges::count(ended_, true));
}

std::string RawConnections::receive(std::size_t which, std::size_t enough, Duration limit) {
  const Deadline deadline = within(limit);
  std::string bytes;
  std::array<char, 16'384> part;
  while (bytes.size() < enough && std::chrono::steady_clock::now() < deadline) {
    const auto left = std::chrono::ceil<Duration>(deadline - std::chrono::steady_clock::now());
    pollfd wanted{descriptors_[which], POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t count = ::recv(descriptors_[which], part.data(), part.size(), MSG_DONTWAIT);
    if (count <= 0) break;
    bytes.append(part.data(), static_cast<std::size_t>(count));
  }
  return bytes;
}

void RawConnections::leave(Leave how) {
  const linger at_once{1, 0};
  for (const int descriptor : descriptors_) {
    if (how == Leave::by_reset) {
      ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    ::close(descriptor);
  }
  descriptors_.clear();
  ended_.clear();
}

}  // namespace parsec::testing
