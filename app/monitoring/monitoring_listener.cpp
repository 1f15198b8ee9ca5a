#include "app/monitoring/monitoring_listener.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include "protocol/bytes/secret.h"
#include "protocol/http/http_response.h"
#include "protocol/pages/health.h"

namespace parsec::app {
namespace {

using namespace std::chrono_literals;
using engine::Clock;

constexpr std::size_t most_connections = 64;
constexpr std::size_t most_head_bytes = 8 * 1024;
constexpr auto time_of_a_request = 10s;
constexpr std::string_view server_name = "parsec";
constexpr std::string_view plain = "text/plain;charset=utf-8";

DateTime wall_clock() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

bool is_over(ssize_t result) {
  return result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

struct MonitoringListener::Connection {
  explicit Connection(int its_socket) : socket(its_socket) {}
  ~Connection() { ::close(socket); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int socket;
  const Clock::time_point ends = Clock::now() + time_of_a_request;
  std::string head;
  engine::OutputBuffer out;
  std::size_t sent = 0;
  bool is_answered = false;
};

std::expected<std::unique_ptr<MonitoringListener>, std::string> MonitoringListener::start(
    engine::ListeningSockets sockets, const Monitor& monitor, std::string token) {
  if (auto listening = sockets.listen(1); !listening) {
    return std::unexpected(std::move(listening.error()));
  }
  std::vector<int> descriptors;
  for (const engine::Socket socket : sockets.take(0)) {
    descriptors.push_back(static_cast<int>(socket));
  }
  return std::unique_ptr<MonitoringListener>{
      new MonitoringListener{std::move(descriptors), monitor, std::move(token)}};
}

MonitoringListener::MonitoringListener(std::vector<int> listening, const Monitor& monitor,
                                       std::string token)
    : monitor_(monitor), token_(std::move(token)), listening_(std::move(listening)) {
  over_ = ::eventfd(0, EFD_CLOEXEC);
  if (over_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  // The thread takes no signal: those are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "monitoring");
}

MonitoringListener::~MonitoringListener() {
  ::eventfd_write(over_, 1);
  thread_.join();
  for (const int socket : listening_) ::close(socket);
  ::close(over_);
}

void MonitoringListener::run() {
  std::vector<pollfd> ready;
  for (;;) {
    ready.assign({{over_, POLLIN, 0}});
    const bool has_room = connections_.size() < most_connections;
    for (const int socket : listening_) ready.push_back({has_room ? socket : -1, POLLIN, 0});
    for (const auto& connection : connections_) {
      const auto wanted = static_cast<short>(connection->is_answered ? POLLOUT : POLLIN);
      ready.push_back({connection->socket, wanted, 0});
    }
    // Once a second whose time is over goes.
    if (::poll(ready.data(), ready.size(), connections_.empty() ? -1 : 1000) < 0) continue;
    if (ready[0].revents != 0) return connections_.clear();
    const std::size_t first = 1 + listening_.size();
    for (std::size_t i = connections_.size(); i-- > 0;) {
      Connection& connection = *connections_[i];
      bool goes_on = Clock::now() < connection.ends;
      if (goes_on && ready[first + i].revents != 0) {
        goes_on = connection.is_answered ? write(connection) : read(connection);
      }
      if (!goes_on) connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (std::size_t i = 0; i < listening_.size(); ++i) {
      if (ready[1 + i].revents != 0) accept_from(listening_[i]);
    }
  }
}

void MonitoringListener::accept_from(int listening) {
  const int socket = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket >= 0) connections_.push_back(std::make_unique<Connection>(socket));
}

bool MonitoringListener::read(Connection& connection) const {
  std::array<char, 4096> bytes;
  const ssize_t count = ::recv(connection.socket, bytes.data(), bytes.size(), 0);
  if (is_over(count)) return false;
  if (count < 0) return true;
  connection.head.append(bytes.data(), static_cast<std::size_t>(count));
  const auto size = http::head_size(connection.head);
  if (size == 0 && connection.head.size() <= most_head_bytes) return true;
  answer(connection.out, std::string_view{connection.head}.substr(0, size));
  connection.is_answered = true;
  return write(connection);
}

bool MonitoringListener::write(Connection& connection) {
  const auto rest = connection.out.bytes().subspan(connection.sent);
  const ssize_t count = ::send(connection.socket, rest.data(), rest.size(), MSG_NOSIGNAL);
  if (is_over(count)) return false;
  if (count > 0) connection.sent += static_cast<std::size_t>(count);
  if (connection.sent < connection.out.size()) return true;
  ::shutdown(connection.socket, SHUT_WR);
  return false;
}

/// head: empty, it is too long.
void MonitoringListener::answer(engine::OutputBuffer& out, std::string_view head) const {
  auto request = http::parse_request(head);
  if (head.empty() || !request) {
    const int status = head.empty() ? 431 : 400;
    http::write_response(out, {status, plain, http::reason_phrase(status), {}},
                         {.now = wall_clock(), .server = server_name});
    return;
  }
  request->keep_alive = false;
  if (const auto page = protocol::health_page(request->path)) {
    protocol::answer_health(monitor_, *page, out, *request, server_name, wall_clock());
  } else {
    answer_metrics(out, *request);
  }
}

void MonitoringListener::answer_metrics(engine::OutputBuffer& out,
                                        const http::Request& request) const {
  const bool is_head = request.method == "HEAD";
  const auto say = [&](http::Response response) {
    http::write_response(out, response,
                         {.now = wall_clock(), .server = server_name, .without_body = is_head});
  };
  const auto refuse = [&](int status) {
    return http::Response{status, plain, http::reason_phrase(status), {}};
  };
  if (request.path != "/metrics") return say(refuse(404));
  if (!is_head && request.method != "GET") {
    auto response = refuse(405);
    response.headers = {{"allow", "GET, HEAD"}};
    return say(std::move(response));
  }
  const auto given = request.header("authorization").value_or("");
  if (!token_.empty() && !protocol::same_secret(given, "Bearer " + token_)) {
    auto response = refuse(401);
    response.headers = {{"www-authenticate", "Bearer"}};
    return say(std::move(response));
  }
  const auto format = engine::Exposition::format_for(request.header("accept").value_or(""));
  const std::string body = monitor_.metrics(format);
  return say(
      {200, engine::Exposition::content_type(format), body, {{"cache-control", "no-store"}}});
}

}  // namespace parsec::app
