#include "engine/shard/shard_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <future>
#include <thread>
#include <utility>

#include "engine/host/heartbeats.h"
#include "engine/host/log.h"
#include "engine/shard/shard.h"

namespace parsec::engine {
namespace {

void block_signals() {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

struct ShardThreads::Running {
  ShardControl control;
  /// The ring's description, or why the shard could not start.
  std::promise<std::expected<std::string, std::string>> started;
  std::thread thread;
};

void pin_to_nth_processor(std::uint32_t n) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  auto skip = n % static_cast<std::uint32_t>(CPU_COUNT(&allowed));
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (::pthread_setaffinity_np(::pthread_self(), sizeof one, &one) != 0) {
      log::warn("Thread not pinned", "a thread cannot be pinned to processor {}",
                log::field("processor", cpu));
    }
    return;
  }
}

std::uint64_t raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

std::expected<std::unique_ptr<ShardThreads>, std::string> ShardThreads::start(
    ShardThreadsOptions options, HandlerFactory factory) {
  if (const auto valid = validate(options.limits); !valid) return std::unexpected(valid.error());
  auto rings = set_up_rings(options.shards, options.limits, options.uring);
  if (!rings) return std::unexpected(std::move(rings.error()));
  auto sockets = ListeningSockets::bind(options.address, options.shards, rings->limits);
  if (!sockets) return std::unexpected(std::move(sockets.error()));
  return start(std::move(options), std::move(*rings), std::move(*sockets), std::move(factory));
}

std::expected<std::unique_ptr<ShardThreads>, std::string> ShardThreads::start(
    ShardThreadsOptions options, RingSet rings, ListeningSockets sockets, HandlerFactory factory) {
  options.shards = static_cast<std::uint32_t>(rings.rings.size());
  options.limits = rings.limits;
  if (const auto valid = validate(options.limits); !valid) return std::unexpected(valid.error());
  warn_of_shortage(rings);
  const std::uint64_t open_files = raise_open_files_limit();
  if (open_files < std::uint64_t{options.limits.connections} * options.shards) {
    log::warn("Few open files are allowed",
              "only {} open files are allowed: accepting rests when they are used up",
              log::field("open_files", open_files));
  }
  if (auto listening = sockets.listen(options.shards); !listening) {
    return std::unexpected(std::move(listening.error()));
  }

  std::unique_ptr<ShardThreads> threads(new ShardThreads(std::move(options), std::move(factory)));
  threads->port_ = sockets.port();
  if (const auto started = threads->start_all(std::move(sockets), std::move(rings.rings));
      !started) {
    return std::unexpected(started.error());
  }
  return threads;
}

ShardThreads::ShardThreads(ShardThreadsOptions options, HandlerFactory factory)
    : options_(std::move(options)), factory_(std::move(factory)) {
  options_.limits.longest_sleep = heartbeat_interval;  // the shards are watched
}

ShardThreads::~ShardThreads() {
  stop();
  join();
}

std::expected<void, std::string> ShardThreads::start_all(
    ListeningSockets sockets, std::vector<std::unique_ptr<UringRing>> rings) {
  std::vector<std::future<std::expected<std::string, std::string>>> results;
  for (std::uint32_t i = 0; i < options_.shards; ++i) {
    shards_.push_back(std::make_unique<Running>());
    results.push_back(shards_.back()->started.get_future());
  }
  for (std::uint32_t i = 0; i < options_.shards; ++i) {
    shards_[i]->thread =
        std::thread(&ShardThreads::run, this, ShardIndex{i}, sockets.take(i), std::move(rings[i]));
  }
  std::expected<void, std::string> all;
  for (auto& result : results) {
    auto started = result.get();
    if (started) {
      ring_description_ = std::move(*started);
    } else {
      all = std::unexpected(std::move(started.error()));
    }
  }
  return all;
}

void ShardThreads::run(ShardIndex index, std::vector<Socket> listeners,
                       std::unique_ptr<UringRing> ring) {
  const auto number = static_cast<std::uint32_t>(index);
  Running& running = *shards_[number];
  block_signals();
  ::pthread_setname_np(::pthread_self(), ("shard-" + std::to_string(number)).c_str());
  if (options_.pin) pin_to_nth_processor(number);

  const auto fail = [&](std::string why) {
    for (const Socket listener : listeners) ::close(static_cast<int>(listener));
    running.started.set_value(std::unexpected(std::move(why)));
  };
  if (auto begun = ring->begin(); !begun) return fail(std::move(begun.error().message));
  Shard<UringRing> shard(*ring, options_.limits, running.control, listeners);
  std::unique_ptr<Handler> handler;
  try {
    handler = factory_(index, shard, running.control.waker);
  } catch (const std::exception& problem) {
    return fail(problem.what());
  }
  running.started.set_value(ring->describe());
  const WatchedThread watched{"shard " + std::to_string(number), running.control.heartbeat};
  shard.run(*handler);
}

void ShardThreads::stop() {
  for (auto& shard : shards_) shard->control.request_stop();
}

void ShardThreads::join() {
  for (auto& shard : shards_) {
    if (shard->thread.joinable()) shard->thread.join();
  }
}

const Counters& ShardThreads::counters(ShardIndex shard) const {
  return shards_.at(static_cast<std::size_t>(shard))->control.counters;
}

DurationSums ShardThreads::turns(ShardIndex shard) const {
  return shards_.at(static_cast<std::size_t>(shard))->control.turns.sums();
}

Waker& ShardThreads::waker(ShardIndex shard) {
  return shards_.at(static_cast<std::size_t>(shard))->control.waker;
}

}  // namespace parsec::engine
