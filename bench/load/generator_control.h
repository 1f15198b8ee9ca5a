// Between the driver's thread and a generator's: rounds are asked for here, and their results left.
// The lock is held for a moment at the beginning and the end of a round, never in between.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/driver.h"
#include "engine/handler.h"
#include "engine/shard/shard.h"

namespace parsec::bench {

/// What a shard saw in one round.
struct RoundResult {
  std::vector<CommandResult> commands;  // as the scenario's
  engine::Histogram generator_delay;
  /// Why it ended before its time, for people; empty: it did not.
  std::string failure;
};

class GeneratorControl {
 public:
  explicit GeneratorControl(engine::ShardControl& shard) : shard_(shard) {}

  // --- The driver
  /// Asks for a round that begins then. The one before has been taken.
  void begin_round(const Load& load, engine::TimePoint start);
  /// Blocks until all connections are there (an empty text), or one cannot be opened.
  std::string await_connected();
  bool has_result();
  RoundResult await_round();
  /// Of a round that ended before its time; empty: it did not.
  std::string failure();

  // --- The generator
  bool has_round() const { return has_round_.load(std::memory_order_acquire); }
  std::pair<Load, engine::TimePoint> take_round();
  void connected(std::string failure);
  void finish_round(RoundResult result);

 private:
  engine::ShardControl& shard_;
  std::atomic<bool> has_round_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  Load load_;
  engine::TimePoint start_;
  std::optional<std::string> connected_;
  std::optional<RoundResult> result_;
};

}  // namespace parsec::bench
