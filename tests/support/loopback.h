// A blocking TCP client on the loopback interface, for tests that go over the real kernel. Errors
// fail the test; nothing waits for longer than `patience`.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace parsec::testing {

class Loopback {
 public:
  static constexpr int patience_ms = 20'000;

  Loopback() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) { EXPECT_GE(fd_, 0); }
  explicit Loopback(std::uint16_t port) : Loopback() { EXPECT_EQ(connect(port), 0); }
  Loopback(Loopback&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Loopback& operator=(Loopback&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Loopback() { close(); }

  int fd() const { return fd_; }

  /// 0 or errno.
  int connect(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    return ::connect(fd_, generic, sizeof address) == 0 ? 0 : errno;
  }
  void set_receive_buffer(int size) {
    EXPECT_EQ(::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
  }

  /// False: the connection is broken.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// As much as the kernel takes without waiting.
  std::size_t send_some(std::string_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  struct Received {
    std::string bytes;
    int error = 0;       // errno, if it ended by that
    bool ended = false;  // FIN
  };
  /// Until `size` bytes are there, the connection ends, or patience does.
  Received receive(std::size_t size) {
    Received received;
    char buffer[16 * 1024];
    while (received.bytes.size() < size) {
      pollfd entry{fd_, POLLIN, 0};
      if (::poll(&entry, 1, patience_ms) != 1) {
        ADD_FAILURE() << "nothing came";
        return received;
      }
      const std::size_t most = std::min(sizeof buffer, size - received.bytes.size());
      const ssize_t count = ::recv(fd_, buffer, most, 0);
      if (count < 0) received.error = errno;
      if (count == 0) received.ended = true;
      if (count <= 0) return received;
      received.bytes.append(buffer, static_cast<std::size_t>(count));
    }
    return received;
  }
  Received receive_all() { return receive(SIZE_MAX); }

  void finish() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger abort{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

}  // namespace parsec::testing
