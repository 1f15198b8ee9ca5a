#include "db/driver/listener.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "db/driver/threads.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* listen_sql = "LISTEN app_notification; LISTEN parsec_ext_probe";
static_assert(std::string_view{listen_sql}.ends_with(Probe::channel));
constexpr const char* fence_sql = "";
constexpr std::size_t fence_ring_capacity = 1024;

/// A quiet connection is asked now and then whether it still works; one that owes an answer for
/// longer is given up.
constexpr auto heartbeat = 10s;
constexpr auto answer_limit = 10s;

/// Between connections that do not come to listen, growing.
constexpr std::chrono::milliseconds shortest_pause = 20ms;
constexpr std::chrono::milliseconds longest_pause = 2s;

void add(std::atomic<std::uint64_t>& count, std::uint64_t amount = 1) {
  count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

struct NotifyDeleter {
  void operator()(PGnotify* notify) const { PQfreemem(notify); }
};

}  // namespace

// --- Life ------------------------------------------------------------------------------------

Listener::Listener(std::uint32_t shards, Connector& connector, NotificationSink& sink,
                   std::shared_ptr<Probe> probe)
    : sink_(sink), connector_(connector), probe_(std::move(probe)) {
  for (std::uint32_t i = 0; i < shards; ++i) {
    rings_.push_back(std::make_unique<FenceRing>(fence_ring_capacity));
  }
}

Listener::~Listener() { stop(); }

void Listener::start() {
  probe_->set_alarm([this] { waker_.notify(); });
  thread_ = start_thread("db-listen", [this] { run(); });
}

void Listener::stop() {
  probe_->stop();
  stopping_.store(true, std::memory_order_release);
  waker_.notify();
  if (thread_.joinable()) thread_.join();
}

bool Listener::wait_until_listening(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!listening_.load(std::memory_order_acquire)) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

void Listener::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    take_connection();
    take_fences();
    send_query();
    check_time();
    if (state_ == State::connecting) open_connection();
    if (std::exchange(told_sink_, false)) sink_.on_batch_end();
    sleep();
  }
}

/// Closes the one that was lost, and asks for another one when it is time.
void Listener::open_connection() {
  connection_.reset();
  if (asked_ || Clock::now() < next_open_) return;
  asked_ = true;
  connector_.request([this](Connection connection) {
    {
      const std::lock_guard lock{delivery_mutex_};
      delivery_ = std::move(connection);
      has_delivery_.store(true, std::memory_order_release);
    }
    waker_.notify();
  });
}

void Listener::take_connection() {
  if (!has_delivery_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock{delivery_mutex_};
  has_delivery_.store(false, std::memory_order_relaxed);
  connection_ = std::exchange(delivery_, std::nullopt);
  asked_ = false;
  PQsetnonblocking(connection_->native(), 1);
  state_ = State::subscribing;
}

/// Only marks it: open_connection() does the rest.
void Listener::lose(const char* why) {
  log::warn("Lost the listening connection",
            "Lost the connection that listens for notifications ({})", log::field("reason", why));
  if (state_ == State::listening) {
    add(counts_.losses);
    pause_ = 0ms;
  } else {
    pause_ = std::clamp(pause_ * 2, shortest_pause, longest_pause);
  }
  next_open_ = Clock::now() + pause_;
  state_ = State::connecting;
  query_under_way_ = false;
  listening_.store(false, std::memory_order_release);
  probe_->on_listening(false);
  answer(under_way_, false);
  answer(waiting_, false);
}

// --- Queries ---------------------------------------------------------------------------------

void Listener::take_fences() {
  for (std::uint32_t shard = 0; shard < rings_.size(); ++shard) {
    std::uint64_t token = 0;
    while (rings_[shard]->try_pop(token)) waiting_.push_back({shard, token});
  }
  // Nothing can be promised, and nobody should wait for it.
  if (state_ != State::listening) answer(waiting_, false);
}

/// LISTEN, or one query for all fences that wait, or the heartbeat; one at a time.
void Listener::send_query() {
  if (state_ == State::connecting || query_under_way_) return;
  const bool quiet = Clock::now() - query_sent_ > heartbeat;
  if (state_ == State::listening && waiting_.empty() && !quiet) return;
  const char* sql = state_ == State::subscribing ? listen_sql : fence_sql;
  under_way_.swap(waiting_);
  query_under_way_ = true;
  query_sent_ = Clock::now();
  if (sql == fence_sql) add(counts_.fence_queries);
  // So small that the socket always has room for it.
  if (PQsendQuery(connection_->native(), sql) != 1 || PQflush(connection_->native()) != 0) {
    lose("cannot send");
  }
}

void Listener::receive() {
  const bool alive = PQconsumeInput(connection_->native()) == 1;
  deliver_notifications();
  while (state_ != State::connecting && query_under_way_ && PQisBusy(connection_->native()) == 0) {
    const ResultPtr result{PQgetResult(connection_->native())};
    // Notifications ahead of the answer were parsed on the way to it.
    deliver_notifications();
    if (result == nullptr) {
      on_query_done();
    } else if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR) {
      lose("a query failed");
    }
  }
  if (!alive && state_ != State::connecting) lose("the server closed it");
}

void Listener::deliver_notifications() {
  // Some may come with the answer to LISTEN: the gap before them is told first.
  if (state_ == State::subscribing) return;
  while (const std::unique_ptr<PGnotify, NotifyDeleter> notify{PQnotifies(connection_->native())}) {
    if (std::string_view{notify->relname} == Probe::channel) {
      probe_->on_notification(notify->extra);
      continue;
    }
    add(counts_.notifications);
    told_sink_ = true;
    sink_.on_notification(notify->extra);
  }
}

void Listener::on_query_done() {
  query_under_way_ = false;
  if (state_ == State::subscribing) {
    state_ = State::listening;
    if (std::exchange(listened_before_, true)) {
      told_sink_ = true;
      sink_.on_gap();
    }
    probe_->on_listening(true);
    listening_.store(true, std::memory_order_release);
    return deliver_notifications();
  }
  answer(under_way_, true);
}

void Listener::answer(std::vector<Fence>& fences, bool kept) {
  add(kept ? counts_.fences_kept : counts_.fences_broken, fences.size());
  for (const Fence& fence : fences) {
    told_sink_ = true;
    sink_.on_fence(fence.shard, fence.token, kept);
  }
  fences.clear();
}

// --- Sleeping --------------------------------------------------------------------------------

void Listener::check_time() {
  if (query_under_way_ && Clock::now() - query_sent_ > answer_limit) lose("it does not answer");
  if (probe_->take_missing() && state_ == State::listening) {
    lose("notifications do not arrive; does a pooler in between work per transaction?");
  }
}

bool Listener::has_arrivals() const {
  return has_delivery_.load(std::memory_order_acquire) ||
         stopping_.load(std::memory_order_acquire) ||
         std::ranges::any_of(rings_, [](const auto& ring) { return !ring->empty(); });
}

void Listener::sleep() {
  using namespace std::chrono;
  // poll() ignores negative descriptors.
  pollfd ready[] = {{waker_.fd(), POLLIN, 0}, {connection_ ? connection_->fd() : -1, POLLIN, 0}};
  auto next = Clock::now() + heartbeat;
  if (state_ != State::connecting) {
    next = query_sent_ + (query_under_way_ ? answer_limit : heartbeat);
  } else if (!asked_) {
    next = next_open_;
  }
  auto timeout = std::max(ceil<milliseconds>(next - Clock::now()), 0ms) + 1ms;
  waker_.park();
  if (has_arrivals()) timeout = 0ms;
  const int count = ::poll(ready, std::size(ready), static_cast<int>(timeout.count()));
  waker_.unpark();
  if (count <= 0) return;
  if (ready[0].revents != 0) waker_.drain();
  if (ready[1].revents != 0) receive();
}

}  // namespace parsec::db
