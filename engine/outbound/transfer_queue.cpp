#include "engine/outbound/transfer_queue.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace parsec::engine {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

CURLM* make_multi() {
  // Once for the process, before any handle; repeated calls only count.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    throw std::runtime_error{"libcurl cannot be initialised"};
  }
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) throw std::bad_alloc{};
  return multi;
}

/// The system's trusted certificates, or those that the variables name which OpenSSL's own programs
/// heed; libcurl does not look at them.
void trust_as_the_system(CURL* handle) {
  if (const char* file = std::getenv("SSL_CERT_FILE")) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, file);
  }
  if (const char* directory = std::getenv("SSL_CERT_DIR")) {
    curl_easy_setopt(handle, CURLOPT_CAPATH, directory);
  }
}

}  // namespace

struct TransferQueue::Active {
  std::unique_ptr<Transfer> transfer;
  CURL* handle = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};

  ~Active() { curl_easy_cleanup(handle); }
};

TransferQueue::TransferQueue(TransferQueueOptions options)
    : options_(std::move(options)), multi_(make_multi()) {
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.parallel));
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the threads of curl's resolver inherit it, too
  thread_ = std::thread{[this] { run(); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), options_.name.c_str());
}

TransferQueue::~TransferQueue() {
  stop(milliseconds{0});
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void TransferQueue::post(std::unique_ptr<Transfer> transfer) {
  if (pending_.fetch_add(1, std::memory_order_relaxed) >= options_.room) {
    drop(std::move(transfer), "too many are waiting");
    return;
  }
  {
    const std::lock_guard lock{mutex_};
    if (!stop_at_) posted_.push_back(std::move(transfer));
  }
  if (transfer) {
    drop(std::move(transfer), "the server stops");
  } else {
    curl_multi_wakeup(multi_);
  }
}

void TransferQueue::stop(milliseconds grace) {
  {
    const std::lock_guard lock{mutex_};
    stop_at_ = Clock::now() + grace;
  }
  curl_multi_wakeup(multi_);
  if (thread_.joinable()) thread_.join();
}

void TransferQueue::run() {
  while (true) {
    take_posted();
    while (active_.size() < options_.parallel && !ready_.empty()) {
      auto next = std::move(ready_.front());
      ready_.pop_front();
      start(std::move(next));
    }
    int running = 0;
    curl_multi_perform(multi_, &running);
    collect_ended();
    if (finished_stopping()) break;
    curl_multi_poll(multi_, nullptr, 0, wait_milliseconds(), nullptr);
  }
  drop_everything();
}

void TransferQueue::take_posted() {
  {
    const std::lock_guard lock{mutex_};
    std::ranges::move(posted_, std::back_inserter(ready_));
    posted_.clear();
    stopping_ = stop_at_;
  }
  const auto now = Clock::now();
  while (!later_.empty() && (stopping_ || later_.begin()->first <= now)) {
    auto due = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    if (stopping_) {
      drop(std::move(due), "the server stops");
    } else {
      ready_.push_back(std::move(due));
    }
  }
}

void TransferQueue::start(std::unique_ptr<Transfer> transfer) {
  auto active = std::make_unique<Active>();
  CURL* const handle = active->handle = curl_easy_init();
  if (handle == nullptr) return drop(std::move(transfer), "out of memory");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);  // never wait for a resolver that hangs
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, active->error.data());
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &TransferQueue::open_socket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, &TransferQueue::close_socket);
  curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, this);
  trust_as_the_system(handle);
  if (!transfer->prepare(handle)) return settle(std::move(transfer), std::nullopt);
  active->transfer = std::move(transfer);
  curl_multi_add_handle(multi_, handle);
  active_.emplace(handle, std::move(active));
}

void TransferQueue::collect_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const handle = message->easy_handle;
    const CURLcode result = message->data.result;  // gone with the handle's removal
    const auto node = active_.extract(handle);
    assert(!node.empty());
    Active& active = *node.mapped();
    std::string_view error{active.error.data()};
    if (error.empty()) error = curl_easy_strerror(result);
    const auto again = active.transfer->ended(handle, result, error);
    curl_multi_remove_handle(multi_, handle);
    settle(std::move(active.transfer), again);
  }
}

void TransferQueue::settle(std::unique_ptr<Transfer> transfer, std::optional<milliseconds> again) {
  if (again) {
    later_.emplace(Clock::now() + *again, std::move(transfer));
  } else {
    completed_.fetch_add(1, std::memory_order_relaxed);
    pending_.fetch_sub(1, std::memory_order_relaxed);
  }
}

bool TransferQueue::finished_stopping() {
  return stopping_ && ((active_.empty() && ready_.empty()) || Clock::now() >= *stopping_);
}

int TransferQueue::wait_milliseconds() const {
  if (active_.size() < options_.parallel && !ready_.empty()) return 0;
  auto until = Clock::now() + std::chrono::minutes{10};
  if (!later_.empty()) until = std::min(until, later_.begin()->first);
  if (stopping_) until = std::min(until, *stopping_);
  const auto left = duration_cast<milliseconds>(until - Clock::now()).count() + 1;
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

void TransferQueue::drop(std::unique_ptr<Transfer> transfer, std::string_view why) {
  transfer->dropped(why);
  dropped_.fetch_add(1, std::memory_order_relaxed);
  pending_.fetch_sub(1, std::memory_order_relaxed);
}

void TransferQueue::drop_everything() {
  // Without this curl would say goodbye on the connections it keeps, and wait for an answer.
  for (const curl_socket_t socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  for (auto& [handle, active] : active_) {
    curl_multi_remove_handle(multi_, handle);
    drop(std::move(active->transfer), "the server stops");
  }
  active_.clear();
  for (auto& transfer : ready_) drop(std::move(transfer), "the server stops");
  ready_.clear();
  for (auto& [due, transfer] : later_) drop(std::move(transfer), "the server stops");
  later_.clear();
}

curl_socket_t TransferQueue::open_socket(void* queue, curlsocktype, curl_sockaddr* address) {
  const curl_socket_t socket =
      ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (socket != CURL_SOCKET_BAD) static_cast<TransferQueue*>(queue)->sockets_.insert(socket);
  return socket;
}

int TransferQueue::close_socket(void* queue, curl_socket_t socket) {
  static_cast<TransferQueue*>(queue)->sockets_.erase(socket);
  return ::close(socket);
}

}  // namespace parsec::engine
