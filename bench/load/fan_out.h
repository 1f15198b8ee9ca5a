// Until when all subscribers have seen an author's update, across the generator's shards.
//
// An author begins a run before it sends its update, every subscriber that hears of it counts
// itself off, and the last one notes the time. Events name the vlob and its version; the author's
// number is part of the vlob's identifier (vlob_of), and a tag of both tells runs apart.
//
// begin, is_over, take: the author's thread. Everything else: any thread, no locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "bench/load/placement.h"
#include "engine/handler.h"
#include "engine/types.h"

namespace parsec::bench {

class FanOut {
 public:
  /// all: of all shards.
  explicit FanOut(std::span<const Placed> all);

  /// A new vlob for that author.
  static Uuid vlob_of(std::uint32_t author, std::mt19937_64& random);

  /// Subscribers that hear of this author's updates: not those of its own device.
  std::uint32_t audience(std::uint32_t author) const { return authors_[author].audience; }

  void begin(std::uint32_t author, const Uuid& vlob, std::int64_t version);
  /// Everybody has seen it, or it was disturbed.
  bool is_over(std::uint32_t author) const;
  /// Ends the run. When the last one saw it; nullopt: it was not over, or disturbed.
  std::optional<engine::TimePoint> take(std::uint32_t author);

  /// A subscriber heard of that update. The author, if that was the last one.
  std::optional<std::uint32_t> saw(const Uuid& vlob, std::int64_t version, engine::TimePoint now);
  /// A subscriber came or went: whoever is counting cannot know any more for whom to wait.
  void disturb();

 private:
  /// tag << 32 | subscribers that have not seen it. One word, so that a late event of an earlier
  /// run never counts for a later one.
  struct Author {
    std::atomic<std::uint64_t> state{idle};
    std::atomic<engine::TimePoint::rep> last{0};
    std::uint32_t audience = 0;
  };
  static constexpr std::uint64_t idle = ~std::uint64_t{0};
  static constexpr std::uint64_t disturbed = idle - 1;

  std::vector<Author> authors_;
};

}  // namespace parsec::bench
