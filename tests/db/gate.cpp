#include "tests/support/gate.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

namespace parsec::testing {
namespace {

constexpr int check_interval_ms = 2;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

/// False: the other side is gone, or what it sent shall not pass.
template <class Passes>
bool forward(int from, int to, Passes passes) {
  char buffer[65536];
  const ssize_t count = ::recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
  if (count <= 0) return count < 0 && errno == EAGAIN;
  if (!passes(std::string_view{buffer, static_cast<std::size_t>(count)})) return false;
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t written =
        ::send(to, buffer + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
    if (written <= 0) return false;
    sent += written;
  }
  return true;
}

}  // namespace

struct Gate::Pair {
  int client = -1;
  int server = -1;
  ~Pair() {
    ::close(client);
    ::close(server);
  }
};

Gate::Gate(const std::string& server_directory)
    : directory_((std::filesystem::temp_directory_path() / "parsec-gate-XXXXXX").native()),
      server_path_(server_directory + "/.s.PGSQL.5432") {
  if (::mkdtemp(directory_.data()) == nullptr) std::abort();
  listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = address_of(directory_ + "/.s.PGSQL.5432");
  if (::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listening_, 64) != 0) {
    std::abort();
  }
  thread_ = std::thread{[this] { run(); }};
}

Gate::~Gate() {
  stopping_ = true;
  thread_.join();
  ::close(listening_);
  std::filesystem::remove_all(directory_);
}

void Gate::cut() {
  const std::lock_guard lock{mutex_};
  pairs_.clear();
}

std::size_t Gate::connections() const {
  const std::lock_guard lock{mutex_};
  return pairs_.size();
}

void Gate::accept_one() {
  const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  auto pair = std::make_unique<Pair>();
  pair->client = client;
  if (refusing_) return;
  pair->server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(server_path_);
  if (::connect(pair->server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    pairs_.push_back(std::move(pair));
  }
}

void Gate::end_at(std::string text) {
  const std::lock_guard lock{mutex_};
  ending_ = std::move(text);
}

bool Gate::forward_request(const Pair& pair) {
  return forward(pair.client, pair.server, [this](std::string_view sent) {
    const bool ends = !ending_.empty() && sent.contains(ending_);
    if (ends) ++ended_;
    return !ends;
  });
}

void Gate::run() {
  while (!stopping_) {
    std::vector<pollfd> ready{{listening_, POLLIN, 0}};
    std::unique_lock lock{mutex_};
    for (const auto& pair : pairs_) {
      ready.push_back({holding_requests_ ? -1 : pair->client, POLLIN, 0});
      ready.push_back({holding_answers_ ? -1 : pair->server, POLLIN, 0});
    }
    lock.unlock();
    ::poll(ready.data(), ready.size(), check_interval_ms);
    lock.lock();
    std::erase_if(pairs_, [this](const std::unique_ptr<Pair>& pair) {
      if (!holding_requests_ && !forward_request(*pair)) return true;
      return !holding_answers_ &&
             !forward(pair->server, pair->client, [](std::string_view) { return true; });
    });
    if (ready[0].revents != 0) accept_one();
  }
}

}  // namespace parsec::testing
