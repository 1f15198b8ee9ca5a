// What a lane holds: results of the segment under way, those that it expects, and the buffers that
// libpq grew for them and never shrinks. Counted in its worker's share of the memory budget.
//
// A result leaves with its count: the shard that takes the request takes it over (ShardGateway), so
// that nothing in between is forgotten. Worker's thread only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "engine/host/memory_budget.h"

namespace parsec::db {

class LaneMemory {
 public:
  explicit LaneMemory(engine::MemoryBudget::Share& held) : held_(held) {}

  /// A segment is sent: so many bytes of parameters, and so many are expected to come back.
  void begin(std::size_t parameter_bytes, std::size_t expected_bytes) {
    grow(sent_buffer_, parameter_bytes);
    expected_ = expected_bytes;
    add(expected_bytes);
  }
  /// A row of that length was received.
  void grow_for(std::size_t longest_row) { grow(received_buffer_, longest_row); }
  /// A result came.
  void take(std::size_t bytes) {
    const std::size_t was_expected = std::min(bytes, expected_);
    expected_ -= was_expected;
    add(bytes - was_expected);
    results_ += bytes;
  }
  /// One that came was freed here.
  void drop(std::size_t bytes) {
    results_ -= bytes;
    remove(bytes);
  }
  /// The segment is over: what was not dropped goes its way.
  void end() {
    remove(expected_);
    expected_ = 0;
    results_ = 0;
  }
  /// libpq's buffers are gone with the connection.
  void disconnected() {
    remove(buffer_bytes());
    sent_buffer_ = received_buffer_ = 0;
  }

  /// Of the results that came since begin() and were not dropped.
  std::size_t result_bytes() const { return results_; }
  std::size_t buffer_bytes() const { return sent_buffer_ + received_buffer_; }

 private:
  /// libpq doubles a buffer until what it is to hold fits (fe-misc.c, pqCheckInBufferSpace).
  void grow(std::size_t& buffer, std::size_t needed) {
    const std::size_t grown = std::max(buffer, std::bit_ceil(needed));
    add(grown - buffer);
    buffer = grown;
  }
  void add(std::size_t bytes) { held_.add(static_cast<std::int64_t>(bytes)); }
  void remove(std::size_t bytes) { held_.add(-static_cast<std::int64_t>(bytes)); }

  engine::MemoryBudget::Share& held_;
  std::size_t expected_ = 0;
  std::size_t results_ = 0;
  std::size_t sent_buffer_ = 0;
  std::size_t received_buffer_ = 0;
};

}  // namespace parsec::db
