// A thread with several connections to PostgreSQL: takes requests from every shard's ring, lets its
// lanes execute them and gives them back through the reply rings.
//
// What waits, and which of it goes next, is the schedule's (schedule.h). Any lane does any work;
// writes prefer the first ones and reads the last, so that each process of PostgreSQL keeps to few
// functions. The thread sleeps in epoll when there is nothing to do, and is woken by its Waker.
//
// How much it can hold is bounded by its shards: each submits at most
// Settings::outstanding_requests (gateway), so neither a ring nor a queue of a lane can overflow.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "db/driver/connector.h"
#include "db/driver/counters.h"
#include "db/workers/lane.h"
#include "db/workers/schedule.h"
#include "engine/host/heartbeats.h"
#include "engine/host/memory_budget.h"
#include "engine/metrics/counter.h"
#include "engine/queues/spsc_ring.h"
#include "engine/queues/waker.h"

namespace parsec::db {

/// A worker as others see it, at the end of its last turn.
struct WorkerState {
  TimePoint answered;  // when PostgreSQL was certainly there; zero: never
  std::array<std::size_t, work_kinds> waiting{};
  std::vector<Lane::State> lanes;
  engine::DurationSums commits;
};

class Worker final : public LaneHost {
 public:
  using Ring = engine::SpscRing<Request*>;

  /// Connections: `lanes` at most, `eager_lanes` of them from the start.
  struct Shape {
    std::uint32_t lanes = 2;
    std::uint32_t eager_lanes = 1;
  };

  Worker(std::uint32_t number, Shape shape, const Settings& settings, Connector& connector,
         engine::MemoryBudget& memory);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Between a shard's gateway and this worker. The rings' other ends are the shard's.
  Ring& requests(std::uint32_t shard) { return shards_[shard]->requests; }
  Ring& replies(std::uint32_t shard) { return shards_[shard]->replies; }
  const Ring& replies(std::uint32_t shard) const { return shards_[shard]->replies; }
  void notify() { waker_.notify(); }
  void set_shard_waker(std::uint32_t shard, engine::Waker* waker) {
    shards_[shard]->waker.store(waker, std::memory_order_release);
  }

  void start();
  /// Finish what is there, or give it up after the grace period; then end. Join follows.
  void request_stop();
  void join();

  const Counters& counters() const { return counters_; }
  std::uint32_t number() const { return number_; }
  /// A line of counters and queues, and one for each lane, for people. Any thread.
  std::string dump() const;
  /// Likewise, for metrics and health.
  WorkerState state() const;
  /// Connections that are ready now. Any thread.
  std::uint32_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  struct Shard {
    explicit Shard(std::size_t capacity) : requests(capacity), replies(capacity) {}
    Ring requests;
    Ring replies;
    std::atomic<engine::Waker*> waker = nullptr;
    bool has_new_replies = false;  // since its last wake-up
  };
  struct Delivery {
    std::size_t lane;
    Connection connection;
  };

  void run();
  void take_requests();
  void take_connections();
  void renew_idle_lanes();
  void renew_lane_with_large_buffers();
  void renew(std::size_t lane);
  bool has_large_buffers() const;
  void start_segments();
  void open_lanes();
  void open(std::size_t lane);
  Schedule::Lanes lanes() const;
  void check_time();
  void wake_shards();
  void publish_gauges();
  bool is_answering();
  bool has_arrivals() const;
  void sleep();
  void update_interest(std::size_t lane);
  void note_connections();

  // For the lanes
  void answer(const Job& job, Outcome outcome) override;
  void take_back(const Job& job) override;
  bool take_locked(const Job& job) override;
  void executed(Work work, std::span<const Job> segment, TimePoint::duration time) override;

  /// What others may see of a lane: as it was at the end of the last turn.
  struct LaneGauge {
    std::atomic<Lane::State> state = Lane::State::unused;
    std::atomic<Work> work = Work::read;
    std::atomic<std::size_t> under_way = 0;
  };

  const std::uint32_t number_;
  const Shape shape_;
  const Settings& settings_;
  Connector& connector_;
  const engine::MemoryBudget& memory_;
  engine::MemoryBudget::Share held_;
  Counters counters_;
  std::atomic<std::uint32_t> connections_ = 0;
  std::array<std::atomic<std::size_t>, work_kinds> waiting_{};
  std::atomic<std::size_t> locked_routes_ = 0;
  std::vector<LaneGauge> gauges_;
  engine::Heartbeat heartbeat_;
  engine::DurationHistogram commits_;
  std::atomic<TimePoint> answered_ = TimePoint{};
  engine::Waker waker_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;

  // From the connector's thread.
  std::mutex deliveries_mutex_;
  std::vector<Delivery> deliveries_;
  std::atomic<bool> has_deliveries_ = false;

  // The thread's own.
  TimePoint now_;
  TimePoint next_check_;
  std::uint64_t sequence_ = 0;
  std::size_t outstanding_ = 0;  // requests taken and not answered
  Schedule schedule_;
  std::vector<Job> segment_;  // of the lane that starts next
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool had_loss_ = false;  // of a connection, in this turn
  bool heard_ = false;     // from PostgreSQL, in this turn
  TimePoint down_since_;   // no lane was up since then, if none is
  struct Interest {
    int fd = -1;
    bool write = false;
  };
  std::vector<Interest> interests_;  // what epoll knows of each lane
  int epoll_ = -1;
};

}  // namespace parsec::db
