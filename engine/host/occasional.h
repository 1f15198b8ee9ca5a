// Counts what may happen thousands of times a second, for a line in the log now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace parsec::engine {

/// One thread.
class Occasional {
 public:
  explicit Occasional(std::chrono::seconds interval = std::chrono::seconds{30})
      : interval_(interval) {}

  /// It happened. How often since the last line, if one is due: at once the first time, then at
  /// most once in each interval.
  std::optional<std::uint64_t> add(std::chrono::steady_clock::time_point now) {
    ++count_;
    if (last_ && now - *last_ < interval_) return std::nullopt;
    last_ = now;
    return std::exchange(count_, 0);
  }

 private:
  const std::chrono::seconds interval_;
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::uint64_t count_ = 0;
};

}  // namespace parsec::engine
