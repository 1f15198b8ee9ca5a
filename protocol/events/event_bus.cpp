#include "protocol/events/event_bus.h"

#include <expected>
#include <optional>
#include <utility>

#include "engine/host/log.h"

namespace parsec::protocol {

EventInbox::~EventInbox() {
  InboxItem item;
  while (ring_.try_pop(item)) delete item.event;
}

bool EventInbox::next(InboxItem& item) {
  if (ring_.try_pop(item)) return true;
  // Cleared before the shard acts on the gap: what is dropped after this makes a new one.
  if (!overflowed_.load(std::memory_order_acquire)) return false;
  // The listener posts nothing while the flag is set, so what it posted before it is popped first.
  if (ring_.try_pop(item)) return true;
  overflowed_.store(false, std::memory_order_release);
  item = InboxItem{};
  return true;
}

void EventInbox::post(InboxItem item) {
  if (!overflowed_.load(std::memory_order_acquire) && ring_.try_push(item)) return;
  delete item.event;
  overflowed_.store(true, std::memory_order_release);
}

EventBus::EventBus(std::uint32_t shards, std::size_t inbox_capacity) : shards_(shards) {
  for (auto& shard : shards_) shard.inbox = std::make_unique<EventInbox>(inbox_capacity);
}

void EventBus::on_notification(std::string_view payload) {
  auto event = decode_notification(payload);
  if (!event) {
    counts_.invalid.add();
    log::warn("Notification ignored", "notification ignored: {}",
              log::field("reason", event.error()));
    return;
  }
  if (!*event) return;
  counts_.notifications[(*event)->content.index()].add();
  for (auto& shard : shards_) {
    post(shard, {.kind = InboxItem::Kind::event, .event = new SharedEvent(**event)});
  }
}

void EventBus::on_fence(std::uint32_t shard, std::uint64_t token, bool kept) {
  post(shards_[shard], {.kind = kept ? InboxItem::Kind::fence_kept : InboxItem::Kind::fence_broken,
                        .token = token});
}

void EventBus::on_gap() {
  counts_.gaps.add();
  for (auto& shard : shards_) post(shard, {.kind = InboxItem::Kind::gap});
}

void EventBus::on_batch_end() {
  for (auto& shard : shards_) {
    if (!std::exchange(shard.posted, false)) continue;
    if (auto* waker = shard.waker.load(std::memory_order_acquire)) waker->notify();
  }
}

void EventBus::post(Shard& shard, InboxItem item) {
  shard.inbox->post(item);
  shard.posted = true;
}

}  // namespace parsec::protocol
