// An HTTP server on the loopback interface that a test scripts, and that misbehaves on request:
// slow, silent, cut off in the middle, lying about lengths, talking nonsense.
//
// One thread for each connection; the handler runs there and may wait. Its end ends all waiting.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace parsec::testing {

class HttpServer {
 public:
  struct Request {
    int connection = 0;  // counted from 1
    std::string method;
    std::string target;
    std::string head;  // with the request line
    std::string body;

    std::string header(std::string_view name) const {
      const auto found = head.find("\r\n" + std::string{name} + ": ");
      if (found == std::string::npos) return {};
      const auto start = found + 4 + name.size();
      return head.substr(start, head.find("\r\n", start) - start);
    }
  };

  struct Answer {
    int status = 200;
    std::vector<std::string> headers = {};
    std::string body = {};
    /// Instead of the length of `body`.
    std::string content_length = {};
    /// Instead of all of the above.
    std::string raw = {};
    enum class Then : std::uint8_t { keep, close, reset } then = Then::keep;
  };

  using Handler = std::function<Answer(const Request&)>;

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 256) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~HttpServer() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      ::shutdown(listener_, SHUT_RDWR);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    changed_.notify_all();
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// Everything asked so far.
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Waits until that many requests came.
  void await_requests(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, patience, [&] { return requests_.size() >= count; }));
  }

  /// For handlers: waits until the test releases them.
  void hold() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return released_ || stopping_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  static constexpr std::chrono::seconds patience{20};

  void accept_all() {
    while (true) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard lock(mutex_);
      if (socket < 0 || stopping_) {
        if (socket >= 0) ::close(socket);
        return;
      }
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number = ++connections_] { serve(socket, number); });
    }
  }

  void serve(int socket, int number) {
    std::string input;
    bool reset = false;
    while (true) {
      Request request;
      if (!read(socket, input, request)) break;
      request.connection = number;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      changed_.notify_all();
      const Answer answer = handler_(request);
      const std::string bytes = answer.raw.empty() ? text(answer, request) : answer.raw;
      if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) break;
      reset = answer.then == Answer::Then::reset;
      if (answer.then != Answer::Then::keep) break;
    }
    const std::lock_guard lock(mutex_);
    std::erase(sockets_, socket);
    if (reset) {
      const linger abort{1, 0};
      ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    }
    ::close(socket);
  }

  static std::string text(const Answer& answer, const Request& request) {
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Text\r\n";
    for (const auto& header : answer.headers) head += header + "\r\n";
    head += "Content-Length: ";
    head +=
        answer.content_length.empty() ? std::to_string(answer.body.size()) : answer.content_length;
    head += "\r\n\r\n";
    return request.method == "HEAD" ? head : head + answer.body;
  }

  static bool read(int socket, std::string& input, Request& request) {
    const auto more = [&] {
      char buffer[16 * 1024];
      const auto count = ::recv(socket, buffer, sizeof buffer, 0);
      if (count > 0) input.append(buffer, static_cast<std::size_t>(count));
      return count > 0;
    };
    std::size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return false;
    }
    request.head = input.substr(0, end + 2);
    input.erase(0, end + 4);
    const auto space = request.head.find(' ');
    request.method = request.head.substr(0, space);
    request.target = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
    const auto length = request.header("Content-Length");
    const auto size = length.empty() ? std::size_t{0} : std::stoul(length);
    while (input.size() < size) {
      if (!more()) return false;
    }
    request.body = input.substr(0, size);
    input.erase(0, size);
    return true;
  }

  const Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool released_ = false;
  int connections_ = 0;
  std::vector<int> sockets_;
  std::vector<Request> requests_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

/// A port of the loopback interface that nobody listens on, as long as this lives.
class DeadPort {
 public:
  DeadPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, generic, size), 0);  // bound, and not listening
    EXPECT_EQ(::getsockname(socket_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~DeadPort() { ::close(socket_); }
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

}  // namespace parsec::testing
