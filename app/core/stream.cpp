#include "app/core/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

namespace parsec::app {
namespace {

using Error = std::unexpected<std::string>;

std::string errno_text(int error) {
  if (error == EAGAIN || error == ETIMEDOUT) return "timed out";
  return std::strerror(error);
}

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

  std::expected<std::size_t, std::string> read_some(std::span<std::byte> room) override {
    const ssize_t count = ::recv(socket_.descriptor(), room.data(), room.size(), 0);
    if (count < 0) return Error{errno_text(errno)};
    return static_cast<std::size_t>(count);
  }

  std::expected<void, std::string> write_all(Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) return Error{errno_text(errno)};
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

 private:
  Socket socket_;
};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeTls {
  void operator()(SSL* tls) const { SSL_free(tls); }
};

class TlsStream final : public Stream {
 public:
  explicit TlsStream(Socket socket) : socket_(std::move(socket)) {}

  std::expected<void, std::string> handshake(std::string host) {
    if (!context_ || SSL_CTX_set_default_verify_paths(context_.get()) != 1) return failure(0);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    tls_.reset(SSL_new(context_.get()));
    if (!tls_ || !expect_host(std::move(host))) return failure(0);
    constexpr unsigned char http_1_1[] = "\x08http/1.1";  // RFC 7301 §3.1
    SSL_set_alpn_protos(tls_.get(), http_1_1, sizeof http_1_1 - 1);
    SSL_set_fd(tls_.get(), socket_.descriptor());
    const int result = SSL_connect(tls_.get());
    return result == 1 ? std::expected<void, std::string>{} : failure(result);
  }

  std::expected<std::size_t, std::string> read_some(std::span<std::byte> room) override {
    const int wanted = static_cast<int>(std::min<std::size_t>(room.size(), INT_MAX));
    const int count = SSL_read(tls_.get(), room.data(), wanted);
    if (count > 0) return static_cast<std::size_t>(count);
    if (SSL_get_error(tls_.get(), count) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
    return Error{failure(count).error()};
  }

  std::expected<void, std::string> write_all(Bytes bytes) override {
    while (!bytes.empty()) {
      const int wanted = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
      const int count = SSL_write(tls_.get(), bytes.data(), wanted);
      if (count <= 0) return failure(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

 private:
  /// Names are matched and announced (SNI), IP addresses only matched (RFC 6066 §3).
  bool expect_host(std::string host) {
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    X509_VERIFY_PARAM* expected = SSL_get0_param(tls_.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1) return true;
    ERR_clear_error();
    return SSL_set1_host(tls_.get(), host.c_str()) == 1 &&
           SSL_ctrl(tls_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    host.data()) == 1;
  }

  std::unexpected<std::string> failure(int result) {
    const int system_error = errno;
    const long verification = tls_ ? SSL_get_verify_result(tls_.get()) : X509_V_OK;
    if (verification != X509_V_OK) {
      return Error{std::string{"certificate not accepted: "} +
                   X509_verify_cert_error_string(verification)};
    }
    const unsigned long code = ERR_get_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    if (reason != nullptr) return Error{std::string{"TLS: "} + reason};
    if (tls_ && SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ) return Error{"timed out"};
    return Error{system_error == 0 ? "connection closed" : errno_text(system_error)};
  }

  Socket socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, FreeTls> tls_;
};

/// A connected socket whose every operation is bounded by the timeout.
std::expected<Socket, std::string> connect_to(const addrinfo& address,
                                              std::chrono::milliseconds timeout) {
  Socket socket{::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0)};
  if (socket.descriptor() < 0) return Error{errno_text(errno)};
  // SO_SNDTIMEO bounds connect(), too (socket(7)).
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timeval limit{seconds.count(), std::chrono::microseconds{timeout - seconds}.count()};
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.descriptor(), address.ai_addr, address.ai_addrlen) != 0) {
    return Error{errno == EINPROGRESS ? "timed out" : errno_text(errno)};
  }
  return socket;
}

std::expected<Socket, std::string> connect_to(const protocol::BackendAddress& address,
                                              std::chrono::milliseconds timeout) {
  std::string host = address.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int result =
      ::getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (result != 0) return Error{::gai_strerror(result)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{found, ::freeaddrinfo};
  std::string why;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    auto socket = connect_to(*one, timeout);
    if (socket) return socket;
    why = std::move(socket.error());
  }
  return Error{why};
}

}  // namespace

std::expected<std::unique_ptr<Stream>, std::string> Stream::connect(
    const protocol::BackendAddress& address, std::chrono::milliseconds timeout) {
  const std::string failed =
      "Cannot connect to " + address.host + ":" + std::to_string(address.port) + ": ";
  auto socket = connect_to(address, timeout);
  if (!socket) return Error{failed + socket.error()};
  if (!address.tls) return std::make_unique<PlainStream>(std::move(*socket));
  auto stream = std::make_unique<TlsStream>(std::move(*socket));
  const auto ready = stream->handshake(address.host);
  if (!ready) return Error{failed + ready.error()};
  return stream;
}

}  // namespace parsec::app
