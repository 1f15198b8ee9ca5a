#include "db/worker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <utility>

#include "db/threads.h"
#include "engine/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

/// How often deadlines are looked at while there is something to answer.
constexpr auto check_interval = 50ms;
/// Fewer are not worth another Sync.
constexpr std::size_t least_reads_of_a_segment = 4;
constexpr std::uint64_t waker_tag = UINT64_MAX;  // epoll's data; other values: number of a lane

}  // namespace

// --- Life ------------------------------------------------------------------------------------

Worker::Worker(std::uint32_t number, Shape shape, const Settings& settings, Connector& connector)
    : number_(number), shape_(shape), settings_(settings), connector_(connector) {
  assert(shape.write_lanes > 0);
  for (std::uint32_t i = 0; i < settings.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(settings.outstanding_requests));
  }
  const std::uint32_t count = shape.write_lanes + shape.read_lanes;
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool serves_reads = i >= shape.write_lanes || shape.read_lanes == 0;
    lanes_.push_back(
        std::make_unique<Lane>(settings.lane, *this, counters_, serves_reads ? &reads_ : nullptr));
  }
  interests_.resize(count);
  gauges_ = std::vector<LaneGauge>(count);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  epoll_event event{EPOLLIN, {.u64 = waker_tag}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, waker_.fd(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

Worker::~Worker() {
  assert(!thread_.joinable());
  ::close(epoll_);
}

void Worker::start() {
  thread_ = start_thread("db-worker-" + std::to_string(number_), [this] { run(); });
}

void Worker::request_stop() {
  stopping_.store(true, std::memory_order_release);
  waker_.notify();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  now_ = std::chrono::steady_clock::now();
  // Alternating, so that few connections serve writes and reads.
  for (std::uint32_t i = 0, opened = 0; opened < shape_.eager_lanes && i < lanes_.size(); ++i) {
    if (i < shape_.write_lanes) open(i), ++opened;
    if (i < shape_.read_lanes && opened < shape_.eager_lanes)
      open(shape_.write_lanes + i), ++opened;
  }
  std::optional<TimePoint> stop_deadline;
  for (;;) {
    take_connections();
    take_requests();
    start_segments();
    open_lanes();
    check_time();
    publish_gauges();
    wake_shards();
    if (stopping_.load(std::memory_order_acquire)) {
      if (!stop_deadline) stop_deadline = now_ + settings_.stop_grace;
      if (outstanding_ == 0 && !has_arrivals()) break;
      if (now_ > *stop_deadline) break;
    }
    sleep();
  }
}

// --- One turn --------------------------------------------------------------------------------

void Worker::take_requests() {
  for (std::uint32_t number = 0; number < shards_.size(); ++number) {
    Request* request = nullptr;
    while (shards_[number]->requests.try_pop(request)) {
      Job job;
      job.request = request;
      job.sequence = sequence_++;
      job.submitted = now_;
      job.shard = number;
      ++outstanding_;
      counters_.add(Count::requests);
      (is_read(job) ? reads_ : write_lane(*request).writes()).push_back(job);
    }
  }
}

Lane& Worker::write_lane(const Request& request) {
  // The gateway chose this worker by the upper part of the same quotient (shard_gateway.cpp).
  return *lanes_[request.route % shape_.write_lanes];
}

void Worker::take_connections() {
  if (!has_deliveries_.load(std::memory_order_acquire)) return;
  std::vector<Delivery> deliveries;
  {
    const std::lock_guard lock{deliveries_mutex_};
    deliveries.swap(deliveries_);
    has_deliveries_.store(false, std::memory_order_relaxed);
  }
  for (Delivery& delivery : deliveries) {
    lanes_[delivery.lane]->connected(std::move(delivery.connection), now_);
    connections_.fetch_add(1, std::memory_order_relaxed);
    update_interest(delivery.lane);
  }
}

/// Reads are dealt out evenly to the lanes that are free: one that took all of them would keep one
/// process of PostgreSQL busy, and the others waiting.
void Worker::start_segments() {
  const auto is_idle = [](const auto& lane) { return lane->state() == Lane::State::idle; };
  auto readers = static_cast<std::size_t>(std::ranges::count_if(
      lanes_, [&](const auto& lane) { return is_idle(lane) && lane->serves_reads(); }));
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    if (lane.state() != Lane::State::idle) continue;
    std::size_t share = reads_.size();
    if (lane.serves_reads()) {
      share = std::max(least_reads_of_a_segment, (reads_.size() + readers - 1) / readers);
      --readers;
    }
    lane.start_segment(now_, share);
    update_interest(i);
  }
}

/// Opens lanes that have something to do: a write lane's own requests, or reads that no lane is
/// free for.
void Worker::open_lanes() {
  bool waits_for_read_lane = !reads_.empty();
  for (const auto& lane : lanes_) {
    if (lane->serves_reads() && lane->state() == Lane::State::connecting) {
      waits_for_read_lane = false;
    }
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    if (lane.state() != Lane::State::unused) continue;
    if (lane.writes().empty() && !(lane.serves_reads() && waits_for_read_lane)) continue;
    if (lane.serves_reads()) waits_for_read_lane = false;
    open(i);
  }
}

void Worker::open(std::size_t lane) {
  lanes_[lane]->set_connecting(now_);
  connector_.request([this, lane](Connection connection) {
    {
      const std::lock_guard lock{deliveries_mutex_};
      deliveries_.push_back({lane, std::move(connection)});
      has_deliveries_.store(true, std::memory_order_release);
    }
    waker_.notify();
  });
}

void Worker::check_time() {
  if (outstanding_ == 0 || now_ < next_check_) return;
  next_check_ = now_ + check_interval;
  bool reads_served = false;
  TimePoint reads_down_since{};
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    lane.check_time(now_);
    update_interest(i);
    if (!lane.serves_reads()) continue;
    reads_served = reads_served || lane.is_up();
    reads_down_since = std::max(reads_down_since, lane.down_since());
  }
  const LaneLimits& limits = settings_.lane;
  reads_.extract_if([&](const Job& job) {
    auto expires = job.submitted + limits.queue_age;
    if (!reads_served) {
      expires = std::max(job.submitted, reads_down_since) + limits.unavailable_after;
    }
    if (job.resends > 0) expires = std::min(expires, job.submitted + limits.resent_read_age);
    if (now_ <= expires) return false;
    answer(job, Outcome::unavailable);
    return true;
  });
}

void Worker::answer(const Job& job, Outcome outcome) {
  constexpr std::array counts{Count::ok, Count::unavailable, Count::unknown, Count::failed};
  counters_.add(counts[static_cast<std::size_t>(outcome)]);
  job.request->outcome = outcome;
  Shard& shard = *shards_[job.shard];
  // There is room: a shard has no more requests under way than its reply ring holds.
  const bool pushed = shard.replies.try_push(job.request);
  assert(pushed);
  static_cast<void>(pushed);
  shard.has_new_replies = true;
  --outstanding_;
}

void Worker::publish_gauges() {
  reads_waiting_.store(reads_.size(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    gauges_[i].state.store(lanes_[i]->state(), std::memory_order_relaxed);
    gauges_[i].writes.store(lanes_[i]->writes().size(), std::memory_order_relaxed);
    gauges_[i].under_way.store(lanes_[i]->under_way(), std::memory_order_relaxed);
  }
}

std::string Worker::dump() const {
  std::string text = fmt::format("database worker {}: connections={} reads_waiting={}", number_,
                                 connections(), reads_waiting_.load(std::memory_order_relaxed));
  for (std::size_t i = 0; i < count_size; ++i) {
    const auto count = static_cast<Count>(i);
    text += fmt::format(" {}={}", name(count), counters_.get(count));
  }
  text += '\n';
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    text += fmt::format("database rings {}.{}: requests={} replies={}\n", number_, i,
                        shards_[i]->requests.size(), shards_[i]->replies.size());
  }
  for (std::size_t i = 0; i < gauges_.size(); ++i) {
    const bool writes = i < shape_.write_lanes;
    const bool reads = !writes || shape_.read_lanes == 0;
    text += fmt::format("database lane {}.{}: serves={} state={} writes_waiting={} under_way={}\n",
                        number_, i, writes ? (reads ? "both" : "writes") : "reads",
                        name(gauges_[i].state.load(std::memory_order_relaxed)),
                        gauges_[i].writes.load(std::memory_order_relaxed),
                        gauges_[i].under_way.load(std::memory_order_relaxed));
  }
  return text;
}

void Worker::wake_shards() {
  for (const auto& shard : shards_) {
    if (!std::exchange(shard->has_new_replies, false)) continue;
    if (auto* waker = shard->waker.load(std::memory_order_acquire)) waker->notify();
  }
}

// --- Sleeping --------------------------------------------------------------------------------

bool Worker::has_arrivals() const {
  return has_deliveries_.load(std::memory_order_acquire) ||
         std::ranges::any_of(shards_, [](const auto& shard) { return !shard->requests.empty(); });
}

/// Waits for sockets, the Waker or the next check, and serves the sockets.
void Worker::sleep() {
  std::array<epoll_event, 64> events;
  int timeout_ms = outstanding_ > 0 ? static_cast<int>(check_interval.count()) : -1;
  waker_.park();
  if (has_arrivals() || (stopping_.load(std::memory_order_acquire) && outstanding_ == 0)) {
    timeout_ms = 0;
  }
  int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  waker_.unpark();
  if (timeout_ms != 0) counters_.add(Count::sleeps);
  now_ = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == waker_tag) {
      if (waker_.drain()) counters_.add(Count::wake_ups);
      continue;
    }
    Lane& lane = *lanes_[event.data.u64];
    if ((event.events & EPOLLOUT) != 0) lane.on_writable(now_);
    if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) lane.on_readable(now_);
    update_interest(event.data.u64);
  }
}

/// Tells epoll of a lane that got or lost its connection, or has something to write.
void Worker::update_interest(std::size_t number) {
  const Lane& lane = *lanes_[number];
  Interest& known = interests_[number];
  const Interest wanted{lane.fd(), lane.wants_write()};
  if (wanted.fd < 0) {
    // Closing the socket took it out of epoll.
    if (known.fd >= 0) connections_.fetch_sub(1, std::memory_order_relaxed);
    known = wanted;
    return;
  }
  if (wanted.fd == known.fd && wanted.write == known.write) return;
  epoll_event event{EPOLLIN | (wanted.write ? EPOLLOUT : 0U), {.u64 = number}};
  const int operation = known.fd < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_, operation, wanted.fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  known = wanted;
}

}  // namespace parsec::db
