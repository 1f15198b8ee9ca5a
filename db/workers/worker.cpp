#include "db/workers/worker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <utility>

#include "db/driver/threads.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

/// How often deadlines are looked at while there is something to answer.
constexpr auto check_interval = 50ms;
constexpr std::uint64_t waker_tag = UINT64_MAX;  // epoll's data; other values: number of a lane

}  // namespace

// --- Life ------------------------------------------------------------------------------------

Worker::Worker(std::uint32_t number, Shape shape, const Settings& settings, Connector& connector,
               engine::MemoryBudget& memory)
    : number_(number),
      shape_(shape),
      settings_(settings),
      connector_(connector),
      memory_(memory),
      held_(memory),
      gauges_(shape.lanes),
      schedule_(settings.lane, settings.session, shape.lanes),
      interests_(shape.lanes) {
  assert(shape.lanes > 0);
  for (std::uint32_t i = 0; i < settings.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(settings.outstanding_requests));
  }
  for (std::uint32_t i = 0; i < shape.lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(settings, *this, counters_, memory_, held_));
  }
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
  down_since_ = now_;
  std::optional<TimePoint> stop_deadline;
  const engine::WatchedThread watched{fmt::format("database worker {}", number_), heartbeat_};
  for (;;) {
    heartbeat_.beat(now_);
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
      schedule_.push_back(job);
    }
  }
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
    note_connections();
    update_interest(delivery.lane);
  }
}

Schedule::Lanes Worker::lanes() const {
  Schedule::Lanes result;
  for (const auto& lane : lanes_) {
    result.up += lane->is_up();
    result.idle += lane->state() == Lane::State::idle;
  }
  return result;
}

/// What ends one connection often ends others in the same moment, and a write that is sent on one
/// that only seems to be there would be `unknown`: those that have nothing to do are opened anew.
void Worker::renew_idle_lanes() {
  if (!std::exchange(had_loss_, false)) return;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i]->state() == Lane::State::idle) renew(i);
  }
}

void Worker::renew(std::size_t lane) {
  lanes_[lane]->retire(now_);
  update_interest(lane);
  had_loss_ = false;  // not a loss
}

/// One at a time, and never the last one.
void Worker::renew_lane_with_large_buffers() {
  const auto lanes = this->lanes();
  if (lanes.up < 2) return;
  const bool is_short = memory_.pressure() != engine::MemoryBudget::Pressure::none;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i]->state() == Lane::State::connecting) return;
    const auto since = lanes_[i]->large_buffers_since();
    if (!since || lanes_[i]->state() != Lane::State::idle) continue;
    if (is_short || now_ - *since > settings_.lane.large_buffer_age) return renew(i);
  }
}

bool Worker::has_large_buffers() const {
  return std::ranges::any_of(
      lanes_, [](const auto& lane) { return lane->large_buffers_since().has_value(); });
}

void Worker::start_segments() {
  renew_idle_lanes();
  renew_lane_with_large_buffers();
  schedule_.note_pressure(memory_.pressure());
  const auto is_idle = [](const auto& lane) { return lane->state() == Lane::State::idle; };
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i]->state() != Lane::State::busy) schedule_.finished(i);
  }
  for (;;) {
    const auto work = schedule_.take(lanes(), now_, segment_);
    if (!work) return;
    const auto first = std::ranges::find_if(lanes_, is_idle);
    const auto last = std::find_if(lanes_.rbegin(), lanes_.rend(), is_idle);
    const auto number = static_cast<std::size_t>(*work == Work::read ? lanes_.rend() - last - 1
                                                                     : first - lanes_.begin());
    schedule_.started(number, *work, segment_);
    lanes_[number]->start(*work, schedule_.timeouts_of(*work), segment_, now_);
    segment_.clear();
    update_interest(number);
  }
}

/// Those that are wanted from the start, and more when work waits for one. One after the other, so
/// that each worker has one before any has several.
void Worker::open_lanes() {
  std::optional<std::size_t> unused;
  for (std::size_t i = lanes_.size(); i-- > 0;) {
    if (lanes_[i]->state() == Lane::State::connecting) return;
    if (lanes_[i]->state() == Lane::State::unused) unused = i;
  }
  if (!unused) return;
  const auto lanes = this->lanes();
  if (lanes.up < shape_.eager_lanes || schedule_.waits_for_lane(lanes)) open(*unused);
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
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i]->check_time(now_);
    update_interest(i);
  }
  const LaneLimits& limits = settings_.lane;
  const bool is_served = lanes().up > 0;
  schedule_.extract_if([&](const Job& job) {
    auto expires = job.submitted + limits.queue_age;
    if (!is_served) expires = std::max(job.submitted, down_since_) + limits.unavailable_after;
    if (job.resends > 0) expires = std::min(expires, job.submitted + limits.resent_read_age);
    if (now_ <= expires) return false;
    answer(job, Outcome::unavailable);
    return true;
  });
}

void Worker::take_back(const Job& job) { schedule_.push_front(job); }

bool Worker::take_locked(const Job& job) { return schedule_.push_locked(job, now_); }

void Worker::executed(Work work, std::span<const Job> segment, TimePoint::duration time) {
  schedule_.note_executed(work, segment, time);
  if (!is_read(segment.front())) commits_.record(time);
}

void Worker::answer(const Job& job, Outcome outcome) {
  constexpr std::array counts{Count::ok, Count::unavailable, Count::unknown, Count::failed};
  counters_.add(counts[static_cast<std::size_t>(outcome)]);
  job.request->outcome = outcome;
  if (job.started != TimePoint{}) job.request->execution_time = now_ - job.started;
  Shard& shard = *shards_[job.shard];
  // There is room: a shard has no more requests under way than its reply ring holds.
  const bool pushed = shard.replies.try_push(job.request);
  assert(pushed);
  static_cast<void>(pushed);
  shard.has_new_replies = true;
  --outstanding_;
}

void Worker::publish_gauges() {
  for (std::size_t i = 0; i < work_kinds; ++i) {
    waiting_[i].store(schedule_.waiting(static_cast<Work>(i)), std::memory_order_relaxed);
  }
  locked_routes_.store(schedule_.locked_routes(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    gauges_[i].state.store(lanes_[i]->state(), std::memory_order_relaxed);
    gauges_[i].work.store(lanes_[i]->work(), std::memory_order_relaxed);
    gauges_[i].under_way.store(lanes_[i]->under_way(), std::memory_order_relaxed);
  }
  if (is_answering()) answered_.store(now_, std::memory_order_relaxed);
}

/// PostgreSQL is there: it said something in this turn, or nobody waits for it. Heavy reads say
/// nothing for seconds, and nobody wonders.
bool Worker::is_answering() {
  const bool heard = std::exchange(heard_, false);
  if (lanes().up == 0) return false;
  return heard || std::ranges::none_of(lanes_, [](const auto& lane) {
           return lane->state() == Lane::State::busy && lane->work() != Work::heavy_read;
         });
}

WorkerState Worker::state() const {
  WorkerState state;
  state.answered = answered_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < work_kinds; ++i) {
    state.waiting[i] = waiting_[i].load(std::memory_order_relaxed);
  }
  for (const LaneGauge& gauge : gauges_) {
    state.lanes.push_back(gauge.state.load(std::memory_order_relaxed));
  }
  state.commits = commits_.sums();
  return state;
}

std::string Worker::dump() const {
  std::string text =
      fmt::format("database worker {}: connections={}/{}", number_, connections(), shape_.lanes);
  for (std::size_t i = 0; i < work_kinds; ++i) {
    text += fmt::format(" {}_waiting={}", name(static_cast<Work>(i)),
                        waiting_[i].load(std::memory_order_relaxed));
  }
  text += fmt::format(" locked_routes={}", locked_routes_.load(std::memory_order_relaxed));
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
    text += fmt::format("database lane {}.{}: state={} work={} under_way={}\n", number_, i,
                        name(gauges_[i].state.load(std::memory_order_relaxed)),
                        name(gauges_[i].work.load(std::memory_order_relaxed)),
                        gauges_[i].under_way.load(std::memory_order_relaxed));
  }
  return text;
}

/// Its last connection is gone, or the first one is back.
void Worker::note_connections() {
  const std::uint32_t up = connections();
  if (up > 0 && down_since_ == TimePoint{}) return;
  if (up > 0) {
    down_since_ = {};
  } else {
    down_since_ = now_;
    log::warn("No database connection is left", "database worker {}: no connection is left of {}",
              log::field("worker", number_), log::field("connections", shape_.lanes));
  }
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
  const bool looks_again = outstanding_ > 0 || has_large_buffers();
  const auto longest = looks_again ? check_interval : engine::heartbeat_interval;
  int timeout_ms = static_cast<int>(longest.count());
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
    if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) {
      heard_ = true;
      lane.on_readable(now_);
    }
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
    if (known.fd >= 0) {
      connections_.fetch_sub(1, std::memory_order_relaxed);
      had_loss_ = true;
      note_connections();
    }
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
