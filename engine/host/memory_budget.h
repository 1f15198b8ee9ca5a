// How much memory connections may hold in the whole process, and who must go when it is too much.
//
// Shards count what they hold where they hold it; a shard's count reaches the others in large
// steps, so that no request touches memory that all threads write.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace parsec::engine {

class Waker;

class MemoryBudget {
 public:
  MemoryBudget(std::size_t limit, std::uint32_t shards) : limit_(limit), shards_(shards) {}

  enum class Pressure : std::uint8_t {
    none,
    high,     // 4/5: nobody takes more than he must
    too_high  // 19/20: the largest holder goes
  };
  Pressure pressure() const {
    const auto used = static_cast<std::uint64_t>(std::max<std::int64_t>(0, this->used()));
    if (used * 20 >= limit_ * 19) return Pressure::too_high;
    return used * 5 >= limit_ * 4 ? Pressure::high : Pressure::none;
  }

  std::size_t limit() const { return limit_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  /// How many bytes must go for the pressure to be less than this. Any thread.
  std::size_t excess_over(Pressure pressure) const {
    const std::size_t most = pressure == Pressure::too_high ? limit_ / 20 * 19 : limit_ / 5 * 4;
    const auto held = static_cast<std::size_t>(std::max<std::int64_t>(0, used()));
    return held < most ? 0 : held - most + 1;
  }
  /// Bytes, as far as the shards have said. Any thread.
  std::int64_t used() const { return used_.load(std::memory_order_relaxed); }

  /// What the largest holder of a shard holds. True: no other shard has said more, so it is that
  /// one's turn to go. Of several equals, the first shard's.
  bool is_largest(std::uint32_t shard, std::size_t bytes);

  /// A shard that sleeps does not notice that memory became short: whoever does wakes the others.
  /// Null: nobody. Any thread; a Waker that was set must live until another one is.
  void set_waker(std::uint32_t shard, Waker* waker) {
    shards_[shard].waker.store(waker, std::memory_order_release);
  }
  void wake_others(std::uint32_t shard);

  /// One thread's part. Its thread only.
  class Share {
   public:
    explicit Share(MemoryBudget& budget) : budget_(&budget) {}
    ~Share() { budget_->used_.fetch_sub(told_, std::memory_order_relaxed); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    void add(std::int64_t bytes) {
      held_ += bytes;
      if (held_ - told_ >= step || told_ - held_ >= step) tell();
    }
    void tell() {
      budget_->used_.fetch_add(held_ - told_, std::memory_order_relaxed);
      told_ = held_;
    }
    std::int64_t held() const { return held_; }

   private:
    static constexpr std::int64_t step = 256 * 1024;
    MemoryBudget* budget_;
    std::int64_t held_ = 0;
    std::int64_t told_ = 0;
  };

 private:
  const std::size_t limit_;
  std::atomic<std::int64_t> used_ = 0;
  struct Shard {
    std::atomic<std::size_t> largest = 0;
    std::atomic<Waker*> waker = nullptr;
  };
  std::vector<Shard> shards_;
};

}  // namespace parsec::engine
