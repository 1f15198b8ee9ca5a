#include "tests/faults/database_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/support/socket.h"

namespace parsec::testing {
namespace {

constexpr std::size_t buffer_limit = 256 * 1024;

void reset(int descriptor) {
  if (descriptor < 0) return;
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(descriptor);
}

}  // namespace

struct DatabaseProxy::Link {
  int server;           // the server's end
  int postgres = -1;    // not connected yet
  std::string request;  // on its way to PostgreSQL
  std::string answer;
  bool ended = false;
};

DatabaseProxy::DatabaseProxy(std::string socket) : socket_(std::move(socket)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
      ::listen(listener_, SOMAXCONN) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    throw ClientError("no port for the proxy: " + std::string{std::strerror(errno)});
  }
  port_ = ntohs(name.sin_port);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread{[this] { run(); }};
}

DatabaseProxy::~DatabaseProxy() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  ::eventfd_write(wake_, 1);
  thread_.join();
  for (const Link& link : links_) {
    reset(link.server);
    reset(link.postgres);
  }
  ::close(listener_);
  ::close(wake_);
}

void DatabaseProxy::command(Mode mode, bool cut) {
  std::unique_lock lock{mutex_};
  wanted_ = mode;
  cut_wanted_ = cut;
  pending_ = true;
  ::eventfd_write(wake_, 1);
  applied_.wait(lock, [this] { return !pending_; });
}

void DatabaseProxy::apply_command() {
  const std::scoped_lock lock{mutex_};
  if (!std::exchange(pending_, false)) return;
  mode_ = wanted_;
  if (cut_wanted_) {
    for (const Link& link : links_) {
      reset(link.server);
      reset(link.postgres);
    }
    links_.clear();
  }
  applied_.notify_all();
}

void DatabaseProxy::run() {
  std::vector<pollfd> wanted;
  for (;;) {
    {
      const std::scoped_lock lock{mutex_};
      if (stopping_) return;
    }
    wanted.assign({{wake_, POLLIN, 0}, {listener_, POLLIN, 0}});
    const bool answers = mode_ == Mode::forward;
    const bool requests = answers || mode_ == Mode::one_way;
    const auto events = [](bool read, bool write) {
      return static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
    };
    for (Link& link : links_) {
      if (requests && link.postgres < 0) connect(link);
      const short from_server =
          events(requests && link.request.empty(), answers && !link.answer.empty());
      const short from_postgres =
          events(answers && link.answer.empty(), requests && !link.request.empty());
      // A descriptor below zero is left out: an end that nobody asks for would spin otherwise.
      wanted.push_back({from_server != 0 ? link.server : -1, from_server, 0});
      wanted.push_back({from_postgres != 0 ? link.postgres : -1, from_postgres, 0});
    }
    if (::poll(wanted.data(), wanted.size(), -1) < 0) continue;
    if (requests) {
      auto ready = wanted.begin() + 2;
      for (Link& link : links_) {
        const bool server_ready = (ready++)->revents != 0;
        const bool postgres_ready = (ready++)->revents != 0;
        const bool any = server_ready || postgres_ready;
        if (any) link.ended |= !move(link.server, link.postgres, link.request, true);
        if (any && answers) link.ended |= !move(link.postgres, link.server, link.answer, true);
        if (!link.ended) continue;
        if (answers) move(link.postgres, link.server, link.answer, false);
        ::close(link.server);
        if (link.postgres >= 0) ::close(link.postgres);
      }
      links_.remove_if([](const Link& link) { return link.ended; });
    }
    if (wanted[1].revents != 0) accept_one();
    if (wanted[0].revents != 0) {
      eventfd_t count;
      ::eventfd_read(wake_, &count);
      apply_command();
    }
  }
}

void DatabaseProxy::accept_one() {
  const int server = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (server < 0) return;
  if (mode_ == Mode::refuse) return reset(server);
  links_.push_back({.server = server, .request = {}, .answer = {}});
}

void DatabaseProxy::connect(Link& link) {
  const int postgres = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  socket_.copy(name.sun_path, sizeof name.sun_path - 1);
  if (::connect(postgres, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    ::close(postgres);
    link.ended = true;
    return;
  }
  ::fcntl(postgres, F_SETFL, O_NONBLOCK);
  link.postgres = postgres;
}

/// Moves what there is, as far as it goes. False: one side has ended.
bool DatabaseProxy::move(int from, int to, std::string& buffer, bool read) {
  std::array<char, 65'536> part;
  bool ended = false;
  while (read && buffer.size() < buffer_limit) {
    const ssize_t count = ::recv(from, part.data(), part.size(), MSG_DONTWAIT);
    if (count <= 0) {
      ended = count == 0 || (errno != EAGAIN && errno != EINTR);
      break;
    }
    buffer.append(part.data(), static_cast<std::size_t>(count));
  }
  if (!buffer.empty()) {
    const ssize_t count = ::send(to, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) buffer.erase(0, static_cast<std::size_t>(count));
  }
  return !ended;
}

}  // namespace parsec::testing
