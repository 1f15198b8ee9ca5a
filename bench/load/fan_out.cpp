#include "bench/load/fan_out.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <tuple>

namespace parsec::bench {

namespace {

constexpr std::size_t number_at = 12;  // in the identifier; random bytes before it

/// Below the two values that stand for no run.
std::uint64_t tag_of(const Uuid& vlob, std::int64_t version) {
  std::uint32_t random = 0;
  std::memcpy(&random, vlob.bytes.data(), sizeof random);
  const std::uint32_t tag = random + static_cast<std::uint32_t>(version);
  return std::uint64_t{std::min(tag, 0xfffffffeU)} << 32;
}

std::uint32_t missing(std::uint64_t state) { return static_cast<std::uint32_t>(state); }

bool same(const DeviceNumber& a, const DeviceNumber& b) {
  return std::tie(a.organization, a.user, a.device) == std::tie(b.organization, b.user, b.device);
}

}  // namespace

FanOut::FanOut(std::span<const Placed> all)
    : authors_(static_cast<std::size_t>(
          std::ranges::count(all, Role::active, [](const Placed& each) { return each.role; }))) {
  for (const Placed& author : all) {
    if (author.role != Role::active) continue;
    authors_[author.number].audience =
        static_cast<std::uint32_t>(std::ranges::count_if(all, [&author](const Placed& each) {
          return each.role == Role::subscriber &&
                 each.device.organization == author.device.organization &&
                 !same(each.device, author.device);
        }));
  }
}

Uuid FanOut::vlob_of(std::uint32_t author, std::mt19937_64& random) {
  const std::array<std::uint64_t, 2> words{random(), random()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), uuid.bytes.size());
  std::memcpy(uuid.bytes.data() + number_at, &author, sizeof author);
  return uuid;
}

void FanOut::begin(std::uint32_t author, const Uuid& vlob, std::int64_t version) {
  Author& run = authors_[author];
  assert(run.audience > 0);
  run.state.store(tag_of(vlob, version) | run.audience, std::memory_order_release);
}

bool FanOut::is_over(std::uint32_t author) const {
  const std::uint64_t state = authors_[author].state.load(std::memory_order_acquire);
  return state == disturbed || (state != idle && missing(state) == 0);
}

std::optional<engine::TimePoint> FanOut::take(std::uint32_t author) {
  Author& run = authors_[author];
  const std::uint64_t state = run.state.exchange(idle, std::memory_order_acq_rel);
  if (state == disturbed || state == idle || missing(state) > 0) return std::nullopt;
  return engine::TimePoint{engine::TimePoint::duration{run.last.load(std::memory_order_relaxed)}};
}

std::optional<std::uint32_t> FanOut::saw(const Uuid& vlob, std::int64_t version,
                                         engine::TimePoint now) {
  std::uint32_t author = 0;
  std::memcpy(&author, vlob.bytes.data() + number_at, sizeof author);
  if (author >= authors_.size()) return std::nullopt;
  Author& run = authors_[author];
  const std::uint64_t tag = tag_of(vlob, version);
  std::uint64_t state = run.state.load(std::memory_order_acquire);
  for (;;) {
    if (state >= disturbed || (state & ~std::uint64_t{0xffffffff}) != tag || missing(state) == 0) {
      return std::nullopt;
    }
    const bool last = missing(state) == 1;
    if (last) run.last.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    if (run.state.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel)) {
      return last ? std::optional{author} : std::nullopt;
    }
  }
}

void FanOut::disturb() {
  for (Author& run : authors_) {
    std::uint64_t state = run.state.load(std::memory_order_acquire);
    while (state < disturbed && missing(state) > 0 &&
           !run.state.compare_exchange_weak(state, disturbed, std::memory_order_acq_rel)) {
    }
  }
}

}  // namespace parsec::bench
