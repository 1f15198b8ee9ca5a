#include "db/driver/connector.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "db/driver/threads.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

constexpr auto shortest_pause = 10ms;
constexpr auto longest_pause = 1000ms;
constexpr auto log_interval = 30s;
constexpr auto stop_patience = 200ms;  // an attempt that is about to succeed or fail

/// Between half and the whole of it, so that many servers do not come back in step.
std::chrono::milliseconds jittered(std::chrono::milliseconds pause) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> distribution{pause.count() / 2, pause.count()};
  return std::chrono::milliseconds{distribution(random)};
}

}  // namespace

Connector::Connector(ConnectionOptions options)
    : state_(std::make_shared<State>(std::move(options))),
      thread_(start_thread("db-connect", [state = state_] { run(*state); })) {}

void Connector::request(Receiver receiver) {
  const std::lock_guard lock{state_->mutex};
  state_->waiting.push_back(std::move(receiver));
  state_->changed.notify_all();
}

std::string Connector::last_error() const {
  const std::lock_guard lock{state_->mutex};
  return state_->last_error.empty() ? "" : " (" + state_->last_error + ")";
}

void Connector::stop() {
  if (!thread_.joinable()) return;
  std::unique_lock lock{state_->mutex};
  state_->stopping = true;
  state_->waiting.clear();
  state_->changed.notify_all();
  const bool ended =
      state_->changed.wait_for(lock, stop_patience, [this] { return state_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void Connector::run(State& state) {
  std::unique_lock lock{state.mutex};
  auto pause = shortest_pause;
  unsigned failures = 0;
  std::chrono::steady_clock::time_point last_logged;
  while (!state.stopping) {
    if (state.waiting.empty()) {
      state.changed.wait(lock);
      continue;
    }
    lock.unlock();
    auto connection = Connection::open(state.options);
    lock.lock();
    if (state.stopping) break;
    if (connection) {
      if (failures > 0) {
        log::warn("The database is back", "The database is back (after {} attempts)",
                  log::field("attempts", failures + 1));
      }
      failures = 0;
      state.last_error.clear();
      pause = shortest_pause;
      const Receiver receiver = std::move(state.waiting.front());
      state.waiting.pop_front();
      // Under the lock: stop() relies on it.
      receiver(std::move(*connection));
      continue;
    }
    state.last_error = connection.error().message;
    const auto now = std::chrono::steady_clock::now();
    if (failures++ == 0 || now - last_logged >= log_interval) {
      log::warn("Cannot connect to the database", "Cannot connect to the database: {}",
                log::field("reason", connection.error().message));
      last_logged = now;
    }
    state.changed.wait_for(lock, jittered(pause), [&] { return state.stopping; });
    pause = std::min(pause * 2, longest_pause);
  }
  state.ended = true;
  state.changed.notify_all();
}

}  // namespace parsec::db
