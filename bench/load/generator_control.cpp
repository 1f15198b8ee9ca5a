#include "bench/load/generator_control.h"

namespace parsec::bench {

void GeneratorControl::begin_round(const Load& load, engine::TimePoint start) {
  {
    const std::lock_guard lock{mutex_};
    load_ = load;
    start_ = start;
    result_.reset();
    has_round_.store(true, std::memory_order_release);
  }
  shard_.waker.notify();
}

std::pair<Load, engine::TimePoint> GeneratorControl::take_round() {
  const std::lock_guard lock{mutex_};
  has_round_.store(false, std::memory_order_relaxed);
  return {load_, start_};
}

void GeneratorControl::connected(std::string failure) {
  const std::lock_guard lock{mutex_};
  connected_ = std::move(failure);
  changed_.notify_all();
}

void GeneratorControl::finish_round(RoundResult result) {
  const std::lock_guard lock{mutex_};
  result_ = std::move(result);
  changed_.notify_all();
}

std::string GeneratorControl::await_connected() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return connected_.has_value(); });
  return *connected_;
}

std::string GeneratorControl::failure() {
  const std::lock_guard lock{mutex_};
  return result_ ? result_->failure : std::string{};
}

bool GeneratorControl::has_result() {
  const std::lock_guard lock{mutex_};
  return result_.has_value();
}

RoundResult GeneratorControl::await_round() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return result_.has_value(); });
  return std::move(*result_);
}

}  // namespace parsec::bench
