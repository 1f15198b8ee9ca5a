// From the notification listener to the shards: one inbox per shard.
//
// The listener's thread decodes and posts; each shard drains its own inbox. A shard that falls so
// far behind that its inbox is full is told of a gap instead, as if LISTEN had been lost: it
// closes the connections that had subscribed, and nothing is lost silently.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "db/driver/gateway.h"
#include "engine/metrics/counter.h"
#include "engine/queues/spsc_ring.h"
#include "engine/queues/waker.h"
#include "protocol/events/events.h"

namespace parsec::protocol {

/// What a shard finds in its inbox. Trivially copyable, as the ring asks: an event is owned by
/// whoever holds the item.
struct InboxItem {
  enum class Kind : std::uint8_t {
    event,
    fence_kept,    // token
    fence_broken,  // token
    gap,           // notifications may have been missed
  };
  Kind kind = Kind::gap;
  SharedEvent* event = nullptr;
  std::uint64_t token = 0;
};

class EventInbox {
 public:
  /// capacity: a power of two.
  explicit EventInbox(std::size_t capacity) : ring_(capacity) {}
  ~EventInbox();

  // Shard's thread.
  /// The next item, in order; what an overflow dropped comes as a gap, after all that was posted
  /// before it.
  bool next(InboxItem& item);
  bool empty() const { return ring_.empty() && !overflowed_.load(std::memory_order_acquire); }

  // Listener's thread.
  void post(InboxItem item);

 private:
  engine::SpscRing<InboxItem> ring_;
  std::atomic<bool> overflowed_ = false;
};

class EventBus final : public db::NotificationSink {
 public:
  /// inbox_capacity: events per shard, a power of two.
  explicit EventBus(std::uint32_t shards, std::size_t inbox_capacity = 16384);

  EventInbox& inbox(std::uint32_t shard) { return *shards_[shard].inbox; }

  /// Before the shard drains its inbox for the first time; null again before the Waker goes away.
  void set_waker(std::uint32_t shard, engine::Waker* waker) {
    shards_[shard].waker.store(waker, std::memory_order_release);
  }

  /// The listener's thread writes, anybody reads.
  struct Counts {
    std::array<engine::Counter, event_signals> notifications;
    engine::Counter invalid;
    engine::Counter gaps;
  };
  const Counts& counts() const { return counts_; }

  void on_notification(std::string_view payload) override;
  void on_fence(std::uint32_t shard, std::uint64_t token, bool kept) override;
  void on_gap() override;
  void on_batch_end() override;

 private:
  struct Shard {
    std::unique_ptr<EventInbox> inbox;
    std::atomic<engine::Waker*> waker = nullptr;
    bool posted = false;  // since the last on_batch_end
  };
  void post(Shard& shard, InboxItem item);

  std::vector<Shard> shards_;
  Counts counts_;
};

}  // namespace parsec::protocol
