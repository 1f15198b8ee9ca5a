// What a session has subscribed to: its realms and the events that wait for events_listen
// (protocol/6-events.md §6.1).
//
// Between the request and its `ok` the subscription is loading: the router shows it every event of
// the organization, and they are kept until both the list of realms and the fence are there. What
// came before the fence had committed before the request: it changes the membership (which may
// have been read before that) and is not delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/types.h"
#include "protocol/events/events.h"

namespace parsec::protocol {

/// Oldest first; holds no memory while empty, so that many idle subscribers cost little.
class EventQueue {
 public:
  bool empty() const { return first_ == events_.size(); }
  std::size_t size() const { return events_.size() - first_; }
  void push(EventPointer event) { events_.push_back(std::move(event)); }
  EventPointer pop();

 private:
  std::vector<EventPointer> events_;
  std::size_t first_ = 0;
};

struct Subscription {
  enum class State : std::uint8_t { loading, active };
  State state = State::loading;
  bool fenced = false;
  std::vector<EventPointer> heard_while_loading;
  std::size_t heard_before_fence = 0;  // of those

  std::vector<Uuid> realms;  // sorted
  EventQueue waiting;

  bool is_member(const Uuid& realm_id) const;
  /// True if that changed something.
  bool add(const Uuid& realm_id);
  bool remove(const Uuid& realm_id);
};

}  // namespace parsec::protocol
