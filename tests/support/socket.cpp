#include "tests/support/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace parsec::testing {
namespace {

/// The sockets of this thread that still have something to send.
thread_local std::vector<Socket*> with_output;

void forget_output(Socket* socket) { std::erase(with_output, socket); }

int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

ClientError system_error(std::string_view what) {
  return ClientError(std::string{what} + ": " + std::strerror(errno));
}

}  // namespace

Socket::Socket(const Address& address, int receive_buffer_size) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) throw system_error("socket");
  if (receive_buffer_size > 0) {  // before connect: it decides the window that is offered
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_size,
                 sizeof receive_buffer_size);
  }
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr) != 1) {
    throw ClientError("not an IPv4 address: " + address.host);
  }
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    const auto error = system_error("connect to port " + std::to_string(address.port));
    ::close(descriptor_);
    throw error;
  }
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (address.tls) {
    tls_ = std::make_unique<TlsPeer>(*address.tls);
    queue(tls_->records());
  }
}

Socket::~Socket() {
  forget_output(this);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Socket::send(std::string_view bytes) {
  if (!tls_) return queue(bytes);
  tls_->write(bytes);
  queue(tls_->records());
}

void Socket::queue(std::string_view bytes) {
  if (ended_ || descriptor_ < 0 || bytes.empty()) return;
  const bool was_empty = output_.empty();
  output_ += bytes;
  if (was_empty) {
    with_output.push_back(this);
    push_output();
  }
}

bool Socket::flush(Deadline deadline) {
  while (!output_.empty() && !ended_) {
    pollfd wanted{descriptor_, POLLOUT, 0};
    if (::poll(&wanted, 1, milliseconds_until(deadline)) <= 0) return false;
    push_output();
  }
  return !ended_;
}

void Socket::push_output() {
  std::size_t sent = 0;
  while (sent < output_.size()) {
    const ssize_t count = ::send(descriptor_, output_.data() + sent, output_.size() - sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) {  // the reading side tells how the connection ended
      sent = output_.size();
      break;
    }
    sent += static_cast<std::size_t>(count);
  }
  output_.erase(0, sent);
  if (output_.empty()) forget_output(this);
}

void Socket::take_input() {
  std::array<char, 65'536> part;
  const ssize_t count = ::recv(descriptor_, part.data(), part.size(), MSG_DONTWAIT);
  if (count > 0) {
    const std::string_view bytes{part.data(), static_cast<std::size_t>(count)};
    if (!tls_) {
      input += bytes;
    } else {
      tls_->take(bytes);
      queue(tls_->records());
      input += std::exchange(tls_->plain, {});
    }
  } else if (count == 0) {
    ended_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    ended_ = true;  // by a reset
  }
}

bool Socket::receive(Deadline deadline) {
  const std::size_t before = input.size();
  while (!ended_ && input.size() == before) {
    if (!wait_readable(deadline)) throw TimedOut("nothing arrived in time");
    take_input();
  }
  if (ended_) forget_output(this);
  return input.size() != before;
}

void Socket::finish_sending() {
  if (tls_) {
    tls_->say_close();
    queue(tls_->records());
    flush(within(patience));
  }
  ::shutdown(descriptor_, SHUT_WR);
}

void Socket::reset() {
  if (descriptor_ < 0) return;
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(descriptor_);
  descriptor_ = -1;
  ended_ = true;
  output_.clear();
  forget_output(this);
}

bool Socket::wait_readable(Deadline deadline) const {
  std::vector<pollfd> wanted;
  for (;;) {
    wanted.assign(1, {descriptor_, POLLIN, 0});
    const std::vector<Socket*> senders = with_output;  // pushing takes them off the list
    for (const Socket* socket : senders) wanted.push_back({socket->descriptor_, POLLOUT, 0});
    const int ready = ::poll(wanted.data(), wanted.size(), milliseconds_until(deadline));
    if (ready == 0) return false;
    if (ready < 0 && errno != EINTR) throw system_error("poll");
    for (std::size_t i = 0; i < senders.size(); ++i) {
      if (wanted[1 + i].revents != 0) senders[i]->push_output();
    }
    if (wanted[0].revents != 0) return true;
  }
}

}  // namespace parsec::testing
